"""What the agent does with a message. This file is yours: the prompt, the tools and the graph.

A message goes to the model, which either replies or asks for tools. Tools run, their results go back to the model, and
so on until it replies:

    start -> think -> reply
              |  ^
              v  |
              tools
"""

from datetime import UTC, datetime
from typing import Annotated, Literal, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, SystemMessage
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from three_tier.agent.langgraph import Context, tool_failed

PROMPT = "You are a helpful assistant. Answer briefly, and in the language of the user."


# Tools are functions. The model reads their names, types and docstrings, and decides when to call them.


@tool
def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@tool
def now() -> str:
    """Tell the current date and time in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


TOOLS = [add, now]


# The graph: each node gets the state, and returns what it changes of it.


class State(TypedDict):
    """What the nodes share. From one message of a thread to the next, its messages last."""

    messages: Annotated[list[AnyMessage], add_messages]


def build_graph(model: BaseChatModel) -> CompiledStateGraph[State, Context]:
    """Connect the model and the tools."""
    thinker = model.bind_tools(TOOLS)

    async def think(state: State) -> dict[str, AnyMessage]:
        return {"messages": await thinker.ainvoke([SystemMessage(PROMPT), *state["messages"]])}

    async def tools_or_reply(state: State) -> Literal["tools", "__end__"]:
        return tools_condition({**state})  # as it is, not being async, each turn would wait for a thread to run it

    graph = StateGraph(State, Context)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode(TOOLS, handle_tool_errors=tool_failed))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", tools_or_reply)
    graph.add_edge("tools", "think")
    return graph.compile()
