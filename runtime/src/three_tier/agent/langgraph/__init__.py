"""A LangGraph graph as the logic of an agent."""

from three_tier.agent.context import Context, current
from three_tier.agent.langgraph.runner import load, tool_failed

__all__ = ["Context", "current", "load", "tool_failed"]
