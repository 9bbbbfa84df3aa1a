"""OpenAI's chat completions, spoken by the agent, so that any client of that API works with it.

Such a client sends the whole conversation each time: its last message is the question, those before it are the
history, and nothing is stored. With `metadata.thread_id` the agent's own memory is used instead of the history.
"""

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic_core import to_json

from three_tier.interface import agent_types
from three_tier.interface.agent_types import Event, Question
from three_tier.interface.api.completion_types import Answer, Ask, Choice, Completion, Model, Models, Said, Usage
from three_tier.interface.api.gate import Agent, GatedRoute, Owner, bearer
from three_tier.interface.api.problems import REFUSED, error_object
from three_tier.interface.api.threads import LONGEST_MESSAGE, IdempotencyKey
from three_tier.interface.http.streams import DONE, HEARTBEAT, EventStream, begin, while_connected

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}  # the agent's words
# What the agent takes of a history. A client sends all of it each time, so whatever is refused in it would be for good.
MOST_EARLIER = 500  # messages
LONGEST_EARLIER = 100_000  # characters of a message

STREAM_EXAMPLE = """data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"agent",\
"choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}]}

data: [DONE]
"""

router = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=GatedRoute, dependencies=[bearer], responses=REFUSED)


@router.get("/models")
async def list_models(request: Request) -> Models:
    """List the models: this agent."""
    return Models(data=[Model(id=request.app.title)])


@router.get("/models/{model}")
async def get_model(request: Request, model: str) -> Model:
    """Look the agent up."""
    _check_model(request, model)
    return Model(id=model)


@router.post(
    "/chat/completions",
    response_model=Completion,
    responses={
        200: {
            "description": "The reply; with `stream` chunks of it, then `data: [DONE]`.",
            "content": {"text/event-stream": {"example": STREAM_EXAMPLE}},
        }
    },
)
async def complete(
    request: Request, body: Ask, agent: Agent, owner: Owner, key: IdempotencyKey = None
) -> Completion | Response:
    """Answer the last message of a conversation."""
    _check_model(request, body.model)
    question = _question(body)
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": body.model}
    if body.stream:
        events = await begin(request, agent.stream(owner, question, key))
        include_usage = bool(body.stream_options and body.stream_options.include_usage)
        return EventStream(_frames(events, head, include_usage=include_usage))
    reply = await while_connected(request, agent.invoke(owner, question, key))
    return Completion(
        **head,
        choices=[Choice(message=Answer(content=reply.reply), finish_reason=reply.finish_reason)],
        usage=_usage(reply.usage),
        metadata=_metadata(reply.thread_id),
    )


def _check_model(request: Request, model: str) -> None:
    if model != request.app.title:
        raise HTTPException(404, f'The only model here is "{request.app.title}".')


def _question(body: Ask) -> Question:
    """What the agent is asked. Raises HTTPException for wishes that it cannot fulfil."""
    *before, last = body.messages
    if last.role != "user" or not last.text:
        raise HTTPException(400, "The last message must be the user's, with text.")
    if last.others:
        raise HTTPException(400, f"The agent reads text only, and the last message holds {last.others[0].kind}.")
    if len(last.text) > LONGEST_MESSAGE:
        length = f"A message has at most {LONGEST_MESSAGE:,} characters, and the last one has {len(last.text):,}."
        raise HTTPException(400, length)
    if body.n not in {None, 1}:
        raise HTTPException(400, "Only n = 1 is possible.")
    if body.tools or body.functions:
        raise HTTPException(400, "The agent has tools of its own and takes none with a request.")
    if body.response_format and body.response_format.type != "text":
        raise HTTPException(400, "Only the response_format text is possible.")
    metadata = dict(body.metadata or {})
    if thread_id := metadata.pop("thread_id", None):
        return Question(message=last.text, thread_id=thread_id, metadata=metadata)
    return Question(message=last.text, history=_history(before), metadata=metadata)


def _history(messages: list[Said]) -> list[dict[str, str]]:
    """What was said before, as far as the agent takes it: nothing of other tools, and the newest of many messages."""
    found = [
        {"role": ROLES[said.role], "content": _storable(said.text)[:LONGEST_EARLIER]}
        for said in messages
        if said.role in ROLES and said.text
    ]
    others = [n for n, said in enumerate(found) if said["role"] != "system"]
    surplus = set(others[: max(0, len(found) - MOST_EARLIER)])
    return [said for n, said in enumerate(found) if n not in surplus][-MOST_EARLIER:]


def _storable(text: str) -> str:
    """What no database stores is left out: NUL and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


async def _frames(events: AsyncGenerator[Event], head: dict[str, Any], *, include_usage: bool) -> AsyncGenerator[str]:
    def chunk(delta: dict[str, str], finish: str | None = None, **more: object) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _frame({**head, "choices": [choice], **more})

    head = {**head, "object": "chat.completion.chunk"}
    shown = False
    async with aclosing(events):
        async for event in events:
            if event.type == "ping":
                yield HEARTBEAT
            elif event.type == "metadata":
                yield chunk({"role": "assistant", "content": ""}, metadata=_metadata(event.thread_id))
            elif event.type == "token":
                shown = True
                yield chunk({"content": event.text})
            elif event.type == "message":
                rest = {} if shown else {"content": event.content}  # a replayed answer has no tokens
                yield chunk(rest, event.finish_reason)
                if include_usage:
                    yield _frame({**head, "choices": [], "usage": _usage(event.usage)})
            elif event.type == "error":
                yield _frame({"error": error_object(event.status, event.detail)})
    yield DONE


def _frame(data: dict[str, Any]) -> str:
    return f"data: {to_json(data).decode()}\n\n"


def _usage(found: agent_types.Usage | None) -> Usage | None:
    if found is None:
        return None
    return Usage(
        prompt_tokens=found.input_tokens, completion_tokens=found.output_tokens, total_tokens=found.total_tokens
    )


def _metadata(thread_id: str | None) -> dict[str, str]:
    return {"thread_id": thread_id} if thread_id else {}
