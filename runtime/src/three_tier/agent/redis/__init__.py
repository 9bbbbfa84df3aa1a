"""What an agent remembers, in Redis."""

from three_tier.agent.redis.memory import build_memory

__all__ = ["build_memory"]
