"""A model behind OpenAI's API, asked so that each of the many servers that speak this API can answer."""

import json
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from itertools import islice, takewhile, zip_longest
from operator import add
from typing import Any, override

import structlog
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.tool import ToolCallChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_openai import ChatOpenAI
from openai import APIError, OpenAIError
from openai import BaseModel as OpenAIModel
from openai.types.chat import ChatCompletion, ChatCompletionMessageFunctionToolCall

from three_tier.agent.contract import Declined, LogicFailed, TooLong

UNREADABLE = "the model's server sent no chat completion: check LLM_BASE_URL, which usually ends in /v1"

# How servers say that a request has more tokens than the model can read; OpenAI has a code for it, others have words.
TOO_LONG = re.compile(
    r"context[ _]?(?:length|size|window)|maximum (?:prompt|model) length|max_new_tokens|tokens?[ _]limit"
    r"|(?:prompt|input) (?:is )?too long|prompt exceeds|too many (?:input )?tokens|input token count"
    r"|reduce the length|request body too large",
    re.IGNORECASE,
)
TOO_LONG_STATUS = {400, 413, 422, 500}
# How they say that the model, or the server as it was started, takes no tools.
NO_TOOLS = re.compile(
    r"(?:support|requires?|endpoints?)\b.{0,40}\b(?:tool|function.call)|\b(?:tools?|function.call\w*)\b.{0,40}(?:support|requires?)",
    re.IGNORECASE,
)

SYSTEM = {"system", "developer"}  # the same, to models of different age

type Wire = dict[str, Any]  # a message as it is sent

log = structlog.get_logger("provider")


class ProviderModel(ChatOpenAI):
    """Sends what the strictest servers accept, and asks once more where a server cannot take what it was asked."""

    @override
    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """A model that knows the tools. Servers refuse an empty list of them."""
        return super().bind_tools(tools, **kwargs) if tools else self

    @override
    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        payload["messages"] = in_turns(payload["messages"])
        return payload

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        while True:
            try:
                with _readable():
                    return await super()._agenerate(messages, stop, run_manager, **kwargs)
            except APIError as error:
                messages = shorter(messages, error)

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        while True:
            begun, ended, with_usage = False, False, self.stream_usage
            calls: list[ChatGenerationChunk] = []
            try:
                with _readable():
                    async for chunk in super()._astream(messages, stop, run_manager, **kwargs):
                        ended = ended or "finish_reason" in (chunk.generation_info or {})
                        if _calls_of(chunk):
                            calls.append(chunk)
                        else:
                            begun = begun or bool(chunk.text)
                            yield chunk
                    if calls and ended:
                        yield _whole(calls)
            except APIError as error:
                if begun:
                    raise
                if with_usage and "stream_options" in said(error):
                    log.info("the server takes no stream_options: replies that stream have no usage from now on")
                    self.stream_usage = False
                    continue
                messages = shorter(messages, error)
            else:
                if not ended:
                    raise LogicFailed("the answer of the model's server broke off" if begun or calls else UNREADABLE)
                return

    @override
    def _create_chat_result(
        self, response: dict[str, Any] | OpenAIModel, generation_info: dict[str, Any] | None = None
    ) -> ChatResult:
        if isinstance(response, ChatCompletion):
            _check_calls(response)
        result = super()._create_chat_result(response, generation_info)
        if not result.generations:
            raise LogicFailed(UNREADABLE)
        for generation in result.generations:
            message = generation.message
            if refusal := message.additional_kwargs.get("refusal"):
                message.content = message.content or refusal
        return result

    @override
    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        generation = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        refusals = [(choice.get("delta") or {}).get("refusal") for choice in chunk.get("choices") or []]
        if generation and (refusal := next(filter(None, refusals), None)):
            generation.message.content = generation.message.content or str(refusal)
            generation.message.additional_kwargs["refusal"] = refusal
        return generation


@contextmanager
def _readable() -> Iterator[None]:
    """Name what the client stumbles over where an answer is none. Its own errors say what is wrong."""
    try:
        yield
    except (LogicFailed, OpenAIError):
        raise
    except TimeoutError as error:
        raise LogicFailed("the model's server fell silent within its answer: check it, or raise LLM_TIMEOUT") from error
    except Exception as error:
        raise LogicFailed(UNREADABLE) from error


def _new_id() -> str:
    """For a call that some servers give none: its result has to name it."""
    return f"call_{uuid.uuid4().hex}"


def _check_calls(response: ChatCompletion) -> None:
    for choice in response.choices or ():
        for call in getattr(choice.message, "tool_calls", None) or ():  # some servers send no message
            if isinstance(call, ChatCompletionMessageFunctionToolCall):
                call.id = call.id or _new_id()
                call.function.arguments = checked(call.function.arguments)


def _calls_of(chunk: ChatGenerationChunk) -> list[ToolCallChunk]:
    return chunk.message.tool_call_chunks if isinstance(chunk.message, AIMessageChunk) else []


def _whole(chunks: list[ChatGenerationChunk]) -> ChatGenerationChunk:
    """One chunk with the calls of tools that came in pieces."""
    whole = reduce(add, chunks)
    calls = [{**call, "id": call["id"] or _new_id(), "args": checked(call["args"])} for call in _calls_of(whole)]
    fields = whole.message.model_dump(include={"content", "additional_kwargs", "response_metadata", "usage_metadata"})
    return ChatGenerationChunk(
        message=AIMessageChunk(**fields, id=whole.message.id, tool_call_chunks=calls),
        generation_info=whole.generation_info,
    )


def checked(arguments: str | None) -> str:
    """The arguments of a call, or what LangChain takes for an invalid call.

    It completes JSON that was cut off in a stream, so that a tool would be called with a part of a text or a list, and
    it fails on JSON that is no object. A tool that takes nothing is called with an empty text by some servers.
    """
    if not arguments:
        return "{}"
    try:
        is_object = isinstance(json.loads(arguments), dict)
    except ValueError:
        is_object = False
    return arguments if is_object else f"no object: {arguments}"


def shorter(messages: list[BaseMessage], error: APIError) -> list[BaseMessage]:
    """The messages for another attempt. Raises the error where that could not succeed."""
    left = fewer(messages) if is_too_long(error) or is_filtered(error) else []
    if not left:
        raise error
    log.warning(
        "the model's server refuses the conversation, trying without a part of it",
        reason="too long, see HISTORY_WINDOW" if is_too_long(error) else "filtered",
        messages=len(messages),
        left_out=len(messages) - len(left),
    )
    return left


def is_filtered(error: Exception) -> bool:
    """Whether the provider refused what it was to read."""
    return isinstance(error, APIError) and error.code == "content_filter"


def is_too_long(error: Exception) -> bool:
    """Whether a call failed since the model cannot read so much at once."""
    return (
        isinstance(error, APIError)
        and getattr(error, "status_code", 400) in TOO_LONG_STATUS
        and TOO_LONG.search(said(error)) is not None
    )


def inability(error: Exception) -> LogicFailed | None:
    """What a call failed by, where it is something that this model cannot do."""
    if is_too_long(error):
        return TooLong("a question is more than the model can read: set another LLM_MODEL, or a lower LLM_MAX_TOKENS")
    if is_filtered(error):
        return Declined("the model's provider filters what it was asked")
    if isinstance(error, APIError) and NO_TOOLS.search(said(error)):
        return LogicFailed(
            "the model takes no tools: set another LLM_MODEL, let its server allow them, or TOOLS = [] in logic.py"
        )
    return None


def said(error: OpenAIError) -> str:
    """All that the server said about an error."""
    return f"{error} {getattr(error, 'body', '')}"


def fewer(messages: list[BaseMessage]) -> list[BaseMessage]:
    """The messages without earlier questions that got no answer, since it may be one of them that was too much.

    Where there is none: without the older half of the questions and their answers. Nothing where one question is left.
    """
    answered = [
        message
        for message, following in zip_longest(messages, messages[1:])
        if not (isinstance(message, HumanMessage) and isinstance(following, HumanMessage))
    ]
    if len(answered) < len(messages):
        return answered
    questions = [place for place, message in enumerate(messages) if isinstance(message, HumanMessage)]
    if not questions[:-1]:
        return []
    start = questions[len(questions) // 2]
    return [*(message for message in messages[:start] if isinstance(message, SystemMessage)), *messages[start:]]


def in_turns(messages: list[Wire]) -> list[Wire]:
    """The messages as the strictest chat templates want them.

    There is one system message, and it comes first; then user and assistant speak by turns, the user first; each call
    of a tool has its result, and each result its call; no message is empty. A turn that failed, a caller's own history
    and what an older version has stored can be otherwise.
    """
    system: list[Wire] = []
    turns: list[Wire] = []
    for message in _paired(messages):
        role = message["role"]
        if role == "tool":
            turns.append(message)
        elif not message["content"] and not message.get("tool_calls"):
            while turns and (turns[-1]["role"] == "tool" or turns[-1].get("tool_calls")):
                turns.pop()  # calls that led to no reply
        elif role in SYSTEM:
            system.append(message)
        elif role == "assistant" and not turns:
            system.append({"role": "system", "content": f"You began this conversation by saying: {message['content']}"})
        elif turns and turns[-1]["role"] == role and not turns[-1].get("tool_calls"):
            turns[-1] = _joined(turns[-1], message)
        else:
            turns.append(message)
    return [reduce(_joined, system), *turns] if system else turns


def _paired(messages: list[Wire]) -> Iterator[Wire]:
    """The messages without calls that have no result, and without results that have no call."""
    waiting: set[str] = set()  # the calls whose results come next
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] in waiting:
                waiting.remove(message["tool_call_id"])
                yield message
        elif calls := message.get("tool_calls"):
            results = takewhile(lambda next_one: next_one["role"] == "tool", islice(messages, place + 1, None))
            waiting = {result["tool_call_id"] for result in results}
            answered = [call for call in calls if call["id"] in waiting]
            waiting.intersection_update(call["id"] for call in answered)
            without = {name: value for name, value in message.items() if name != "tool_calls"}
            yield {**without, "tool_calls": answered} if answered else without
        else:
            waiting = set()
            yield message


def _joined(first: Wire, second: Wire) -> Wire:
    """One message instead of two. A question that was asked again, as it got no answer, is asked once."""
    before, after = first["content"], second["content"]
    if not after:
        content = before
    elif isinstance(before, str) and isinstance(after, str):
        content = before if f"\n\n{before}".endswith(f"\n\n{after}") else f"{before}\n\n{after}"
    else:
        content = [*_parts(before), *_parts(after)]
    return {**first, **second, "content": content}


def _parts(content: str | list[Any]) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
