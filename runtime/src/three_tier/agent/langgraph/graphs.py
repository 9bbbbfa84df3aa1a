"""The graph of logic.py, in whichever of LangGraph's forms it is written."""

import inspect
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from types import ModuleType
from typing import Any, get_type_hints

import structlog
from langchain_core.language_models import BaseChatModel
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode
from langgraph.pregel import Pregel
from pydantic import TypeAdapter

from three_tier.agent.context import Context

type Graph = CompiledStateGraph[Any, Any, Any, Any]

NAMES = ("build_graph", "graph")  # under which logic.py may have it

log = structlog.get_logger("graph")


class NoGraph(Exception):
    """What logic.py has is no graph that the agent can run. The text says why."""


@asynccontextmanager
async def built(logic: ModuleType, model: BaseChatModel) -> AsyncIterator[Graph]:
    """The compiled graph, for as long as the context lasts.

    Args:
        logic: the module. Its `build_graph` or `graph` is a graph, compiled or not, or a function that gives one: async
            or not, a context manager or not, with the model as its argument or without one.
        model: what the function gets.

    Raises:
        NoGraph: there is none.
    """
    name = next((name for name in NAMES if hasattr(logic, name)), None)
    if name is None:
        raise NoGraph("logic.py has neither build_graph nor graph")
    found = getattr(logic, name)
    async with AsyncExitStack() as stack:
        if callable(found) and not isinstance(found, Pregel | StateGraph):
            found = found(model) if _takes_a_model(found) else found()
        if inspect.isawaitable(found):
            found = await found
        if hasattr(found, "__aenter__"):
            found = await stack.enter_async_context(found)
        elif hasattr(found, "__enter__"):
            found = stack.enter_context(found)
        yield _without_saver(_compiled(found, name))


def _takes_a_model(factory: Any) -> bool:
    return any(
        each.kind in {each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD} and each.default is each.empty
        for each in inspect.signature(factory).parameters.values()
    )


def _compiled(found: object, name: str) -> Graph:
    graph = found.compile() if isinstance(found, StateGraph) else found
    if not isinstance(graph, CompiledStateGraph):
        raise NoGraph(f"{name} in logic.py gives {type(found).__name__}, which is no StateGraph")
    if "messages" not in graph.channels:
        raise NoGraph(f"the state of {name} in logic.py has no messages")
    return graph


def _without_saver(graph: Graph) -> Graph:
    """The agent keeps the messages itself; a saver beside it would keep them twice, and ask for a thread of its own."""
    if graph.checkpointer:
        log.warning("the checkpointer of the graph is put aside", kind=type(graph.checkpointer).__name__)
        return graph.copy({"checkpointer": None})
    return graph


def speaking_nodes(graph: Graph, named: str | Iterable[str] | None) -> frozenset[str]:
    """The nodes whose words a person reads while they are written. Where it is none, a reply is shown once it is whole.

    Args:
        graph: the graph.
        named: `REPLY` of logic.py, names of nodes; None where it has none: then it is the one node that is not for
            tools, if there is only one.

    Raises:
        NoGraph: it names what is no node.
    """
    nodes = {name: spec.runnable for name, spec in graph.builder.nodes.items()}
    if named is None:
        writing = [name for name, runnable in nodes.items() if not isinstance(runnable, ToolNode)]
        is_one = len(writing) == 1 and not isinstance(nodes[writing[0]], Pregel)
        return frozenset(writing if is_one else ())
    names = frozenset([named] if isinstance(named, str) else named)
    if unknown := names - nodes.keys():
        raise NoGraph(f"REPLY in logic.py names {', '.join(sorted(unknown))}; the nodes are {', '.join(nodes)}")
    return names


def own_context(graph: Graph) -> object | None:
    """The context that the graph declares, filled from variables that are called like its fields; None for ours.

    Raises:
        ValidationError: a variable is wrong or missing.
    """
    schema = graph.context_schema
    if schema is None or schema is Context:
        return None
    names = get_type_hints(schema)
    given = {name: os.environ[name.upper()] for name in names if os.environ.get(name.upper())}
    found: object = TypeAdapter(schema).validate_python(given)
    return found
