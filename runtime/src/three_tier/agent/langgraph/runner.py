"""How the graph of logic.py meets the rest of the agent, which knows plain messages only (see contract.Logic)."""

import importlib
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import suppress
from typing import Any

import structlog
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
from langgraph.graph.state import CompiledStateGraph

from three_tier.agent.contract import FINISH, Event, FinishReason, LogicFailed, Message, NoReply, Role
from three_tier.agent.langgraph.model import ModelSettings, build_model, explain
from three_tier.agent.langgraph.reasoning import BREAK, GrowingReply, without_reasoning

log = structlog.get_logger("runner")

USUAL_TOKENS = 4096  # few replies take more, whatever LLM_MAX_TOKENS allows

NO_TEXT: dict[FinishReason, str] = {
    "length": "I have no answer: all the tokens that it may take were used up before it. Please ask for less at once.",
    "content_filter": "I have no answer: the model refuses one, or its provider keeps it back. Please ask another way.",
}
CHECK = {"length": "LLM_MAX_TOKENS", "content_filter": "the rules of the model's provider"}

OWN = "langchain"  # where a message's data holds LangChain's form of it
PLAIN: dict[Role, Callable[[str], BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
    "tool": AIMessage,
}


def load() -> "GraphLogic":
    """The graph that `build_graph` of logic.py makes, with the model that the variables name."""
    settings = ModelSettings()
    graph = importlib.import_module("logic").build_graph(build_model(settings))
    return GraphLogic(graph, settings)


class GraphLogic:
    """A graph that answers questions.

    Args:
        graph: its state has `messages`.
        settings: those of the model that it was built with.
    """

    def __init__(self, graph: CompiledStateGraph[Any], settings: ModelSettings) -> None:
        self.graph = graph
        self.settings = settings
        self.offline = settings.offline
        self.engine = "offline" if self.offline else settings.llm_model
        # LangChain keeps every piece of a reply until its end.
        self.turn_bytes = 3 * 2**20 + 3 * 2**10 * min(settings.llm_max_tokens, USUAL_TOKENS)

    async def answer(self, history: list[Message], question: str, metadata: dict[str, str]) -> list[Message]:
        """Everything the turn adds after the question; the reply is the last of it."""
        before = _conversation(history, question)
        try:
            after = await self.graph.ainvoke({"messages": before}, self._config(metadata))
        except Exception as error:
            self._explain(error)
            raise
        return _keep(after["messages"][len(before) :])

    async def stream(
        self, history: list[Message], question: str, metadata: dict[str, str]
    ) -> AsyncGenerator[Event | Message]:
        """The same as it happens: tokens and tool results to show, and at the end the messages to keep."""
        added: list[BaseMessage] = []
        reply = GrowingReply()
        before = {"messages": _conversation(history, question)}
        parts = self.graph.astream(before, self._config(metadata), stream_mode=["messages", "updates"], version="v2")
        try:
            async for part in parts:
                if part["type"] == "messages":
                    chunk, _ = part["data"]
                    if isinstance(chunk, AIMessageChunk) and (text := reply.add(chunk)):
                        yield {"type": "token", "text": text}
                elif part["type"] == "updates":
                    for message in _added(part["data"]):
                        added.append(message)
                        if isinstance(message, ToolMessage):
                            yield {"type": "tool", "name": message.name or "", "result": message.text}
        except Exception as error:
            self._explain(error)
            raise
        kept = _keep(added)
        if text := reply.rest(kept[-1].content):
            yield {"type": "token", "text": text}
        for each in kept:
            yield each

    def _config(self, metadata: dict[str, str]) -> RunnableConfig:
        """Nodes and tools that take a RunnableConfig find the caller's metadata in it."""
        return {"recursion_limit": self.settings.llm_max_steps, "metadata": metadata}

    def _explain(self, error: Exception) -> None:
        """Raise `LogicFailed` where it is known what to check."""
        if isinstance(error, GraphRecursionError):
            raise LogicFailed(f"no reply within {self.settings.llm_max_steps} steps: see LLM_MAX_STEPS") from error
        if self.offline:
            return
        from three_tier.agent.langgraph.provider import inability  # takes a second that the stand-in does not need

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
        with suppress(LookupError, TypeError, ValueError):  # another version's form is passed over
            return messages_from_dict([message.data[OWN]])[0]
    return PLAIN[message.role](message.content)


def _keep(messages: list[BaseMessage]) -> list[Message]:
    """What the model needs to hear of the turn later, and at the end the reply: all that a person reads of it.

    That is the last message, after what the model said before it called tools. What other nodes write on the way is not
    for people.
    """
    if not messages:
        raise NoReply("the graph added no message")
    last = messages[-1]
    is_reply = isinstance(last, AIMessage) and not last.tool_calls
    shown = [each for each in messages if each is last or (isinstance(each, AIMessage) and each.tool_calls)]
    said = [without_reasoning(message.text) for message in shown]
    reply = _reply(last, BREAK.join(filter(None, said)))
    if is_reply and any(said[:-1]):
        reply.data = {**(reply.data or {}), OWN: _own_form(last)}
    reply.usage = _usage(messages)
    return [*map(_step, messages[:-1] if is_reply else messages), reply]


def _step(message: BaseMessage) -> Message:
    """A message for the model; only the results of tools are shown, too."""
    if isinstance(message, ToolMessage):
        return Message("tool", message.text, {OWN: message_to_dict(message)})
    return Message("assistant", "", {OWN: _own_form(message)})


def _own_form(message: BaseMessage) -> dict[str, Any]:
    if isinstance(message.content, str):
        message = message.model_copy(update={"content": without_reasoning(message.content)})
    return message_to_dict(message)


def _reply(last: BaseMessage, text: str) -> Message:
    """The reply with this text, or with words for why there is none."""
    finish = _finish_reason(last)
    if finish == "stop" and isinstance(last, AIMessage) and last.invalid_tool_calls:
        raise NoReply("the model called a tool with arguments that are no JSON")
    if not (text or finish in NO_TEXT):
        raise NoReply("the model gave an empty reply")
    if finish == "stop":
        return Message("assistant", text)
    log.warning("the reply is incomplete", finish_reason=finish, check=CHECK[finish])
    return Message("assistant", text or NO_TEXT[finish], {FINISH: finish})


def _finish_reason(last: BaseMessage) -> FinishReason:
    if last.additional_kwargs.get("refusal"):
        return "content_filter"
    told = str(last.response_metadata.get("finish_reason"))  # some servers tell it twice, which LangChain joins
    reasons: tuple[FinishReason, ...] = ("length", "content_filter")
    return next((reason for reason in reasons if told.startswith(reason)), "stop")


def _usage(messages: list[BaseMessage]) -> dict[str, int] | None:
    """What all calls of the turn cost together, where the model tells."""
    told = [message.usage_metadata for message in messages if isinstance(message, AIMessage) and message.usage_metadata]
    if not told:
        return None
    spent = sum(usage["input_tokens"] for usage in told)
    written = sum(usage["output_tokens"] for usage in told)
    return {"input_tokens": spent, "output_tokens": written, "total_tokens": spent + written}
