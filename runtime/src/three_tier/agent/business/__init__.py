"""Commands as the logic of an agent."""

from three_tier.agent.business.commands import Commands, Refused, Request, Unknown
from three_tier.agent.business.runner import load

__all__ = ["Commands", "Refused", "Request", "Unknown", "load"]
