"""How the graph of logic.py meets the rest of the agent, which knows plain messages only (see contract.Logic)."""

import importlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
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

from three_tier.agent.context import Context, enter
from three_tier.agent.contract import FINISH, Event, FinishReason, LogicFailed, Message, NoReply, Role
from three_tier.agent.langgraph.graphs import Graph, built, own_context, speaking_nodes
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


@asynccontextmanager
async def load() -> AsyncIterator["GraphLogic"]:
    """The graph of logic.py, with the model that the variables name.

    Raises:
        NoGraph: logic.py has none that can be run.
        ValidationError: a variable of the model, or of the graph's own context, is wrong or missing.
    """
    settings = ModelSettings()
    logic = importlib.import_module("logic")
    async with built(logic, build_model(settings)) as graph:
        yield GraphLogic(graph, settings, getattr(logic, "REPLY", None))


class GraphLogic:
    """A graph that answers questions.

    Args:
        graph: its state has `messages`.
        settings: those of the model that it was built with.
        reply: names of the nodes whose words are shown while they are written (see `speaking_nodes`).

    Raises:
        ValidationError: the graph has a context of its own, and a variable for it is wrong or missing.
    """

    def __init__(self, graph: Graph, settings: ModelSettings, reply: str | Iterable[str] | None = None) -> None:
        self.graph = graph
        self.settings = settings
        self.speaking = speaking_nodes(graph, reply)
        self.own_context = own_context(graph)
        self.offline = settings.offline
        self.engine = "offline" if self.offline else settings.llm_model
        # LangChain keeps every piece of a reply until its end.
        self.turn_bytes = 3 * 2**20 + 3 * 2**10 * min(settings.llm_max_tokens, USUAL_TOKENS)

    async def answer(self, history: list[Message], question: str, context: Context) -> list[Message]:
        """Everything the turn adds after the question; the reply is the last of it."""
        before = _conversation(history, question)
        enter(context)
        try:
            after = await self.graph.ainvoke(
                {"messages": before}, self._config(context), context=self._context(context)
            )
        except Exception as error:
            self._explain(error)
            raise
        _refuse_to_ask(after.get("__interrupt__"))
        return _keep(_added(before, after["messages"]))

    async def stream(self, history: list[Message], question: str, context: Context) -> AsyncGenerator[Event | Message]:
        """The same as it happens: tokens and tool results to show, and at the end the messages to keep."""
        before, added = _conversation(history, question), list[BaseMessage]()
        reply = GrowingReply()
        enter(context)
        parts = self.graph.astream(
            {"messages": before},
            self._config(context),
            context=self._context(context),
            stream_mode=["messages", "values"],
            version="v2",
        )
        try:
            async for part in parts:
                if part["type"] == "messages":
                    chunk, about = part["data"]
                    if isinstance(chunk, AIMessageChunk) and self._is_reply(about) and (text := reply.add(chunk)):
                        yield {"type": "token", "text": text}
                elif part["type"] == "values":
                    _refuse_to_ask(part["interrupts"])
                    seen = set(map(_name, added))
                    added = _added(before, _messages(part["data"]))
                    for message in added:
                        if isinstance(message, ToolMessage) and _name(message) not in seen:
                            yield {"type": "tool", "name": message.name or "", "result": message.text}
        except Exception as error:
            self._explain(error)
            raise
        kept = _keep(added)
        if text := reply.rest(kept[-1].content):
            yield {"type": "token", "text": text}
        for each in kept:
            yield each

    def _config(self, context: Context) -> RunnableConfig:
        """Nodes and tools that take a RunnableConfig find the caller's metadata in it, and whose thread it is."""
        return {
            "recursion_limit": self.settings.llm_max_steps,
            "metadata": dict(context.metadata),
            "configurable": {"thread_id": context.thread_id, "user_id": context.owner},
        }

    def _context(self, context: Context) -> Any:
        return context if self.own_context is None else self.own_context

    def _is_reply(self, about: dict[str, Any]) -> bool:
        """Whether a person reads what a model says there. A graph within it counts as one node."""
        node = about["langgraph_checkpoint_ns"].partition(":")[0]
        return node in self.speaking

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


def tool_failed(error: Exception) -> str:
    """What the model hears of a tool that failed, so that it can call it in another way, or say so.

    For `ToolNode(TOOLS, handle_tool_errors=tool_failed)`.
    """
    log.warning("a tool failed", exc_info=error, whole=True)
    return f"{type(error).__name__}: {error}"


def _refuse_to_ask(interrupts: object) -> None:
    if interrupts:
        raise LogicFailed("the graph calls interrupt(), and there is nobody here who could be asked")


def _messages(state: Any) -> list[BaseMessage]:
    """Of a state as the graph declares it: a dictionary, or an object."""
    found: list[BaseMessage] = state["messages"] if isinstance(state, dict) else state.messages
    return found


def _name(message: BaseMessage) -> object:
    """What tells it from others: its id, or where the graph gives it none the object that it is."""
    return message.id or id(message)


def _added(before: list[BaseMessage], after: list[BaseMessage]) -> list[BaseMessage]:
    known = {message.id for message in before}
    return [message for message in after if message.id is None or message.id not in known]


def _conversation(history: list[Message], question: str) -> list[BaseMessage]:
    """The messages for the graph, each with an id, by which those are known that the graph adds."""
    messages = [*map(_from_memory, history), HumanMessage(question)]
    return [message.model_copy(update={"id": f"before-{n}"}) for n, message in enumerate(messages)]


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
