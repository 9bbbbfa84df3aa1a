"""How the graph of logic.py meets the rest of the agent, which knows plain messages only (see contract.Logic)."""

from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    message_to_dict,
    messages_from_dict,
)
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError

from contract import Event, LogicFailed, Message, Role
from logic import State, build_graph
from model import ModelSettings, build_model, explain

SETTINGS = ModelSettings()
OFFLINE = SETTINGS.offline
ENGINE = "offline" if OFFLINE else SETTINGS.llm_model

OWN = "langchain"  # where a message's data holds LangChain's form of it
PLAIN: dict[Role, Callable[[str], BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
    "tool": AIMessage,
}

graph = build_graph(build_model(SETTINGS))


async def answer(history: list[Message], question: str, metadata: dict[str, str]) -> list[Message]:
    """Everything the turn adds after the question; the reply is the last of it."""
    before = _conversation(history, question)
    try:
        after = await graph.ainvoke(State(messages=before), _config(metadata))
    except Exception as error:
        _explain(error)
        raise
    return _keep(after["messages"][len(before) :])


async def stream(history: list[Message], question: str, metadata: dict[str, str]) -> AsyncGenerator[Event | Message]:
    """The same as it happens: tokens and tool results to show, and at the end the messages to keep."""
    added: list[BaseMessage] = []
    before = State(messages=_conversation(history, question))
    parts = graph.astream(before, _config(metadata), stream_mode=["messages", "updates"], version="v2")
    try:
        async for part in parts:
            if part["type"] == "messages":
                chunk, _ = part["data"]
                if isinstance(chunk, AIMessageChunk) and chunk.text:
                    yield {"type": "token", "text": chunk.text}
            elif part["type"] == "updates":
                for message in _added(part["data"]):
                    added.append(message)
                    if isinstance(message, ToolMessage):
                        yield {"type": "tool", "name": message.name or "", "result": message.text}
    except Exception as error:
        _explain(error)
        raise
    for kept in _keep(added):
        yield kept


def _config(metadata: dict[str, str]) -> RunnableConfig:
    """Nodes and tools that take a RunnableConfig find the caller's metadata in it."""
    return {"recursion_limit": SETTINGS.llm_max_steps, "metadata": metadata}


def _explain(error: Exception) -> None:
    """Raise `LogicFailed` where it is known what to check."""
    if isinstance(error, GraphRecursionError):
        raise LogicFailed(f"no reply within {SETTINGS.llm_max_steps} steps: see LLM_MAX_STEPS") from error
    if OFFLINE:
        return
    from provider import inability  # takes a second that the stand-in does not need

    if unable := inability(error):
        raise unable from error
    if reason := explain(error):
        raise LogicFailed(reason) from error


def _added(update: dict[str, Any]) -> Iterable[BaseMessage]:
    for result in update.values():
        yield from (result or {}).get("messages", ())


def _conversation(history: list[Message], question: str) -> list[BaseMessage]:
    return [*map(_from_memory, history), HumanMessage(question)]


def _from_memory(message: Message) -> BaseMessage:
    if message.data and OWN in message.data:
        return messages_from_dict([message.data[OWN]])[0]
    return PLAIN[message.role](message.content)


def _keep(messages: list[BaseMessage]) -> list[Message]:
    """Plain text is kept as it reads; only tool calls and their results need LangChain's own form too."""
    kept = [_to_memory(message) for message in messages]
    kept[-1].usage = _usage(messages)
    return kept


def _to_memory(message: BaseMessage) -> Message:
    if isinstance(message, ToolMessage):
        return Message("tool", message.text, {OWN: message_to_dict(message)})
    if isinstance(message, AIMessage) and message.tool_calls:
        return Message("assistant", message.text, {OWN: message_to_dict(message)})
    return Message("assistant", message.text)


def _usage(messages: list[BaseMessage]) -> dict[str, int] | None:
    """What all calls of the turn cost together, where the model tells."""
    told = [message.usage_metadata for message in messages if isinstance(message, AIMessage) and message.usage_metadata]
    if not told:
        return None
    spent = sum(usage["input_tokens"] for usage in told)
    written = sum(usage["output_tokens"] for usage in told)
    return {"input_tokens": spent, "output_tokens": written, "total_tokens": spent + written}
