"""What an agent remembers, in MongoDB."""

from three_tier.agent.mongo.memory import build_memory

__all__ = ["build_memory"]
