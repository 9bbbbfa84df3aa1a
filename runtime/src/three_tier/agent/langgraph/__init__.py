"""A LangGraph graph as the logic of an agent."""

from three_tier.agent.langgraph.runner import load

__all__ = ["load"]
