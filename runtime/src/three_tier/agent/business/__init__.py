"""Commands as the logic of an agent."""

from three_tier.agent.business.commands import Commands, Refused, Request, Unknown
from three_tier.agent.business.runner import load
from three_tier.agent.context import Context

__all__ = ["Commands", "Context", "Refused", "Request", "Unknown", "load"]
