"""Graphs as owners write them: other states, other nodes, other ways to make one."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Annotated, Any, Literal, TypedDict, override

import pytest
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, RemoveMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.managed import IsLastStep
from langgraph.prebuilt import ToolNode, ToolRuntime, tools_condition
from langgraph.runtime import Runtime
from langgraph.types import Command, RetryPolicy, interrupt
from pydantic import BaseModel, ValidationError
from structlog.testing import capture_logs

from three_tier.agent.context import Context, current
from three_tier.agent.contract import LogicFailed, Message
from three_tier.agent.langgraph.graphs import Graph, NoGraph, built
from three_tier.agent.langgraph.model import ModelSettings, OfflineModel
from three_tier.agent.langgraph.runner import GraphLogic, tool_failed
from three_tier.agent.langgraph.testing import Conversation, ScriptedModel, calling

pytestmark = pytest.mark.anyio

OFFLINE = ModelSettings(openai_api_key=None, llm_base_url=None)
ANN = Context("api:ann", "a-thread", "a-key", {"lang": "en"}, db=["a", "pool"])


class State(TypedDict):
    """What most have."""

    messages: Annotated[list[AnyMessage], add_messages]


@dataclass
class DataState:
    messages: Annotated[list[AnyMessage], add_messages] = field(default_factory=list)
    steps: int = 0


class ModelState(BaseModel):
    messages: Annotated[list[AnyMessage], add_messages]
    steps: int = 0


class LastStepState(State):
    is_last_step: IsLastStep


class Says(OfflineModel):
    """Says always the same, in two pieces."""

    text: str

    @override
    def _answer(self, messages: list[BaseMessage]) -> AIMessage:
        return AIMessage(self.text)


def graph_of(state: type[Any], *nodes: tuple[str, Any], context: type[Any] | None = None) -> Graph:
    """Nodes one after the other."""
    builder: Any = StateGraph(state, context)
    builder.add_sequence(list(nodes))
    builder.add_edge(START, nodes[0][0])
    graph: Graph = builder.compile()
    return graph


def logic_with(**names: Any) -> ModuleType:
    """A logic.py in which these names stand."""
    module = ModuleType("logic")
    vars(module).update(names)
    return module


async def run(graph: Graph, reply: Any = None, context: Context = ANN) -> tuple[str, str, list[Message]]:
    """What is answered to "hello", the tokens of the same as a stream, and what is kept of it."""
    logic = GraphLogic(graph, OFFLINE, reply)
    answered = await logic.answer([Message("user", "one"), Message("assistant", "two")], "hello", context)
    items: list[Any] = [
        item async for item in logic.stream([Message("user", "one"), Message("assistant", "two")], "hello", context)
    ]
    kept = [item for item in items if isinstance(item, Message)]
    assert [(each.role, each.content) for each in kept] == [(each.role, each.content) for each in answered]
    shown = "".join(item["text"] for item in items if not isinstance(item, Message) and item["type"] == "token")
    return answered[-1].content, shown, kept


def speak(text: str) -> Callable[[Any], Any]:
    """A node whose model says this."""

    async def node(_: Any) -> dict[str, Any]:
        return {"messages": [await Says(text=text).ainvoke([HumanMessage("go")])]}

    return node


class TestStates:
    @pytest.mark.parametrize("state", [State, DataState, ModelState, LastStepState])
    @pytest.mark.parametrize("one", [True, False])
    async def test_a_node_returns_a_message_or_several(self, state: type[Any], *, one: bool) -> None:
        async def node(_: Any) -> dict[str, Any]:
            said = AIMessage("hi")
            return {"messages": said if one else [said]}

        assert await run(graph_of(state, ("answer", node))) == ("hi", "hi", [Message("assistant", "hi")])

    async def test_fields_beside_the_messages_last_for_the_turn(self) -> None:
        async def count(state: DataState) -> dict[str, Any]:
            return {"steps": state.steps + 1}

        async def answer(state: DataState) -> dict[str, Any]:
            return {"messages": AIMessage(f"{state.steps} steps, {len(state.messages)} messages")}

        reply, shown, _ = await run(graph_of(DataState, ("count", count), ("answer", answer)))
        assert (reply, shown) == ("1 steps, 3 messages", "1 steps, 3 messages")

    async def test_a_node_may_shorten_what_the_others_read(self) -> None:
        async def shorten(state: State) -> dict[str, Any]:
            return {"messages": [RemoveMessage(id=str(message.id)) for message in state["messages"][:-1]]}

        async def answer(state: State) -> dict[str, Any]:
            return {"messages": AIMessage(f"{len(state['messages'])} message")}

        reply, _, kept = await run(graph_of(State, ("shorten", shorten), ("answer", answer)))
        assert (reply, len(kept)) == ("1 message", 1)

    async def test_a_state_without_messages_is_refused_at_the_start(self) -> None:
        class Other(TypedDict):
            text: str

        module = logic_with(graph=graph_of(Other, ("answer", lambda _: {"text": ""})))
        with pytest.raises(NoGraph, match="has no messages"):
            async with built(module, OfflineModel()):
                pass


class TestReply:
    async def test_what_a_router_says_is_no_part_of_the_reply(self) -> None:
        async def route(_: State) -> Command[Literal["answer"]]:
            await Says(text="billing").ainvoke([HumanMessage("which?")])
            return Command(goto="answer")

        builder: Any = StateGraph(State)
        builder.add_node("route", route)
        builder.add_node("answer", speak("Dear Ann"))
        builder.add_edge(START, "route")
        graph = builder.compile()
        assert await run(graph) == ("Dear Ann", "Dear Ann", [Message("assistant", "Dear Ann")])
        tokens = [token async for token in GraphLogic(graph, OFFLINE).stream([], "hello", ANN)][:-1]
        assert tokens == [{"type": "token", "text": "Dear Ann"}], "shown once it is whole"
        tokens = [token async for token in GraphLogic(graph, OFFLINE, {"answer"}).stream([], "hello", ANN)][:-1]
        assert tokens == [{"type": "token", "text": "Dear"}, {"type": "token", "text": " Ann"}]

    async def test_a_graph_within_the_graph_speaks_for_its_node(self) -> None:
        inner = graph_of(State, ("plan", speak("First this.")), ("write", speak("Dear Ann")))
        graph = graph_of(State, ("letter", inner))
        for reply in (None, "letter"):
            answered, shown, _ = await run(graph, reply)
            assert answered == "Dear Ann"
            assert shown.endswith("Dear Ann")
        assert (await run(graph))[1] == "Dear Ann"

    async def test_a_name_that_is_no_node_is_refused_at_the_start(self) -> None:
        with pytest.raises(NoGraph, match=r"REPLY in logic.py names thinks; the nodes are think"):
            GraphLogic(graph_of(State, ("think", speak("hi"))), OFFLINE, {"thinks"})

    async def test_a_graph_that_asks_a_person_says_that_it_cannot(self) -> None:
        async def ask(_: State) -> dict[str, Any]:
            return {"messages": AIMessage(interrupt("may I?"))}

        logic = GraphLogic(graph_of(State, ("ask", ask)), OFFLINE)
        with pytest.raises(LogicFailed, match="interrupt"):
            await logic.answer([], "hello", ANN)
        with pytest.raises(LogicFailed, match="interrupt"):
            [item async for item in logic.stream([], "hello", ANN)]

    async def test_a_node_is_tried_again_as_its_policy_says(self) -> None:
        calls: list[int] = []

        async def shaky(_: State) -> dict[str, Any]:
            calls.append(1)
            if len(calls) % 2:
                raise ConnectionError("again")
            return {"messages": AIMessage("hi")}

        builder: Any = StateGraph(State)
        builder.add_node("shaky", shaky, retry_policy=RetryPolicy(initial_interval=0.01))
        builder.add_edge(START, "shaky")
        assert (await run(builder.compile()))[0] == "hi"
        assert len(calls) == 4


class TestContext:
    async def test_nodes_tools_and_helpers_know_who_asks(self) -> None:
        heard: list[Any] = []

        @tool
        def look(runtime: ToolRuntime[Context, State]) -> str:
            """Look."""
            heard.append(runtime.context)
            return "seen"

        async def think(state: State, runtime: Runtime[Context], config: RunnableConfig) -> dict[str, Any]:
            heard.extend([runtime.context, current(), config["configurable"]["user_id"], config["metadata"]["lang"]])
            return {"messages": await model.ainvoke(state["messages"])}

        model = ScriptedModel(replies=[calling("look"), "done"])
        builder: Any = StateGraph(State, Context)
        builder.add_node("think", think)
        builder.add_node("tools", ToolNode([look], handle_tool_errors=tool_failed))
        builder.add_edge(START, "think")
        builder.add_conditional_edges("think", tools_condition)
        builder.add_edge("tools", "think")
        assert await Conversation(builder.compile(), ANN).say("hello") == "done"
        assert heard == [ANN, ANN, "api:ann", "en", ANN, ANN, ANN, "api:ann", "en"]

    async def test_turns_at_the_same_time_do_not_see_each_other(self) -> None:
        async def answer(_: State) -> dict[str, Any]:
            await asyncio.sleep(0.01)
            return {"messages": AIMessage(current().owner)}

        logic = GraphLogic(graph_of(State, ("answer", answer)), OFFLINE)
        names = [f"api:{n}" for n in range(20)]
        said = await asyncio.gather(*(logic.answer([], "who?", Context(name)) for name in names))
        assert [reply.content for (reply,) in said] == names

    async def test_there_is_none_outside_of_a_turn(self) -> None:
        with pytest.raises(RuntimeError, match="no turn"):
            current()

    @pytest.mark.parametrize("form", ["dataclass", "model", "dict"])
    async def test_a_context_of_its_own_comes_from_variables(self, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
        @dataclass
        class AsData:
            shop_url: str
            limit: int = 3

        class AsModel(BaseModel):
            shop_url: str
            limit: int = 3

        class AsDict(TypedDict):
            shop_url: str
            limit: int

        schema = {"dataclass": AsData, "model": AsModel, "dict": AsDict}[form]

        async def answer(_: State, runtime: Runtime[Any]) -> dict[str, Any]:
            found = runtime.context if form == "dict" else vars(runtime.context)
            return {"messages": AIMessage(f"{found['shop_url']} {found['limit']} {current().owner}")}

        graph = graph_of(State, ("answer", answer), context=schema)
        monkeypatch.delenv("SHOP_URL", raising=False)
        with pytest.raises(ValidationError, match="shop_url"):
            GraphLogic(graph, OFFLINE)
        monkeypatch.setitem(os.environ, "SHOP_URL", "http://shop")
        monkeypatch.setitem(os.environ, "LIMIT", "5")
        assert (await run(graph))[0] == "http://shop 5 api:ann"


def build(model: Any) -> Any:
    async def answer(_: State) -> dict[str, Any]:
        return {"messages": AIMessage(type(model).__name__)}

    builder: Any = StateGraph(State)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    return builder


async def build_async(model: Any) -> Graph:
    await asyncio.sleep(0)
    graph: Graph = build(model).compile()
    return graph


ended: list[Any] = []  # models whose graph is no longer needed


@asynccontextmanager
async def build_within(model: Any) -> AsyncIterator[Graph]:
    yield build(model).compile()
    ended.append(model)


@contextmanager
def build_within_sync(model: Any) -> Iterator[Graph]:
    yield build(model).compile()


def build_without_a_model() -> Graph:
    graph: Graph = build(OfflineModel()).compile()
    return graph


FORMS: list[tuple[str, Any]] = [
    ("build_graph", build),
    ("build_graph", lambda model: build(model).compile()),
    ("build_graph", build_async),
    ("build_graph", build_within),
    ("build_graph", build_within_sync),
    ("build_graph", build_without_a_model),
    ("graph", build(OfflineModel())),
    ("graph", build(OfflineModel()).compile()),
    ("graph", build_without_a_model),
]


@pytest.mark.parametrize(("name", "value"), FORMS)
async def test_a_graph_is_made_in_any_of_these_ways(name: str, value: Any) -> None:
    logic = logic_with(**{name: value})
    async with built(logic, OfflineModel()) as graph:
        assert await Conversation(graph).say("hello") == "OfflineModel"
    assert value is not build_within or ended


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, "neither build_graph nor graph"), (lambda: "a text", "gives str, which is no StateGraph")],
)
async def test_what_is_no_graph_is_named(value: Any, reason: str) -> None:
    logic = logic_with(**({"build_graph": value} if value else {}))
    with pytest.raises(NoGraph, match=reason):
        async with built(logic, OfflineModel()):
            pass


async def test_a_saver_of_its_own_is_put_aside_and_said() -> None:
    logic = logic_with(graph=build(OfflineModel()).compile(checkpointer=InMemorySaver()))
    with capture_logs() as logs:
        async with built(logic, OfflineModel()) as graph:
            assert await Conversation(graph).say("hello") == "OfflineModel"
    assert [line["kind"] for line in logs] == ["InMemorySaver"]
