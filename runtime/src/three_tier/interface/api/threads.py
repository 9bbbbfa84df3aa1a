"""The interface's own calls: threads that the agent remembers, and the messages in them."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from three_tier.interface.agent_types import Created, Messages, Question, Reply, Threads
from three_tier.interface.api.gate import Agent, GatedRoute, Owner, bearer
from three_tier.interface.api.problems import REFUSED
from three_tier.interface.http.streams import EventStream, begin, frames, while_connected

NAME = r"^[A-Za-z0-9._:@-]{1,128}$"  # threads and idempotency keys
LONGEST_MESSAGE = 32_000  # characters; the agent takes no more
KEY_HELP = """Names this message in its thread: with the same key it gets the same reply, and nothing is stored twice.
Without a thread nothing is stored, and the key has no effect."""
THREAD_KEY_HELP = "Names this call: with the same key and title it gets the same thread, and no other is made."
STREAM_EXAMPLE = """event: metadata
data: {"type":"metadata","thread_id":"7f1d"}

event: token
data: {"type":"token","text":"Hello"}

event: message
data: {"type":"message","content":"Hello","finish_reason":"stop","usage":{"input_tokens":5,"output_tokens":1,\
"total_tokens":6}}

data: [DONE]
"""

router = APIRouter(
    prefix="/v1/threads",
    tags=["Threads"],
    route_class=GatedRoute,
    dependencies=[bearer],
    responses=REFUSED,
)

type ThreadId = Annotated[str, Path(pattern=NAME)]
type IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", pattern=NAME, description=KEY_HELP)]
type ThreadKey = Annotated[str | None, Header(alias="Idempotency-Key", pattern=NAME, description=THREAD_KEY_HELP)]
type Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]


class Body(BaseModel):
    """Fields that are not known are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid")


class Titled(Body):
    """The title of a thread."""

    title: str | None = Field(None, max_length=200, examples=["Holiday in Lapland"])


class Ask(Body):
    """A message for the agent."""

    message: str = Field(min_length=1, max_length=LONGEST_MESSAGE, examples=["Hello!"])
    stream: bool = Field(default=False, strict=True, description="Answer with server-sent events.")
    metadata: dict[str, str] | None = Field(None, description="Passed on to the agent's logic.")


@router.post("", status_code=201)
async def create_thread(agent: Agent, owner: Owner, body: Titled | None = None, key: ThreadKey = None) -> Created:
    """Make an empty thread."""
    return await agent.create_thread(owner, body.title if body else None, key)


@router.get("")
async def list_threads(
    agent: Agent,
    owner: Owner,
    limit: Limit = 50,
    before: Annotated[
        str | None, Query(pattern=NAME, description="The thread_id that the page continues after.")
    ] = None,
) -> Threads:
    """List your threads, the newest first."""
    return await agent.threads(owner, limit=limit, before=before)


@router.patch("/{thread_id}", status_code=204)
async def rename_thread(thread_id: ThreadId, body: Titled, agent: Agent, owner: Owner) -> None:
    """Give a thread another title."""
    await agent.rename_thread(owner, thread_id, body.title)


@router.delete("/{thread_id}", status_code=204)
async def delete_thread(thread_id: ThreadId, agent: Agent, owner: Owner) -> None:
    """Delete a thread and all of its messages."""
    await agent.delete_thread(owner, thread_id)


@router.get("/{thread_id}/messages")
async def list_messages(
    thread_id: ThreadId,
    agent: Agent,
    owner: Owner,
    limit: Limit = 50,
    before: Annotated[
        int | None, Query(ge=1, lt=2**63, description="The id of the message that the page ends before.")
    ] = None,
) -> Messages:
    """Read a thread: its newest messages, or those before one of them. A page ends with the newest."""
    return await agent.messages(owner, thread_id, limit=limit, before=before)


@router.post(
    "/{thread_id}/messages",
    response_model=Reply,
    responses={
        200: {
            "description": "The reply; with `stream` the events of it as it grows.",
            "content": {"text/event-stream": {"example": STREAM_EXAMPLE}},
        }
    },
)
async def send_message(
    request: Request, thread_id: ThreadId, body: Ask, agent: Agent, owner: Owner, key: IdempotencyKey = None
) -> Reply | Response:
    """Send a message and get the agent's reply."""
    question = Question(message=body.message, thread_id=thread_id, metadata=body.metadata)
    if not body.stream:
        return await while_connected(request, agent.invoke(owner, question, key))
    return EventStream(frames(await begin(request, agent.stream(owner, question, key))))
