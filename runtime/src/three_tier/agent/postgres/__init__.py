"""What an agent remembers, in PostgreSQL."""

from three_tier.agent.postgres.memory import build_memory

__all__ = ["build_memory"]
