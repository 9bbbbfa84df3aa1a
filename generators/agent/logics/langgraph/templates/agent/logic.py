"""What the agent does with a message. This file is yours: the prompt, the tools and the graph.

A message goes to the model, which either replies or asks for tools. Tools run, their results go back to the model, and
so on until it replies:

    start -> think -> reply
              |  ^
              v  |
              tools
"""

import operator
from datetime import UTC, datetime
from typing import Annotated, Literal, TypedDict

import structlog
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, SystemMessage
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition

log = structlog.get_logger("logic")

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


def tool_failed(error: Exception) -> str:
    """What the model hears when a tool fails, so that it can try something else or say so."""
    log.warning("tool failed", exc_info=error)
    return "The tool failed."


# The graph: each node takes the messages so far and returns those it adds.


class State(TypedDict):
    """What the nodes share."""

    messages: Annotated[list[BaseMessage], operator.add]


def build_graph(model: BaseChatModel) -> CompiledStateGraph[State]:
    """Connect the model and the tools."""
    thinker = model.bind_tools(TOOLS)

    async def think(state: State) -> dict[str, list[BaseMessage]]:
        return {"messages": [await thinker.ainvoke([SystemMessage(PROMPT), *state["messages"]])]}

    async def tools_or_reply(state: State) -> Literal["tools", "__end__"]:
        return tools_condition({**state})  # as it is, not being async, each turn would wait for a thread to run it

    graph = StateGraph(State)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode(TOOLS, handle_tool_errors=tool_failed))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", tools_or_reply)
    graph.add_edge("tools", "think")
    return graph.compile()
