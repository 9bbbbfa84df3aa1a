"""How many messages can be answered at the same time: as many as the memory of the container holds."""

from pathlib import Path

MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # bytes, or "max"
IDLE = 192 * 2**20  # bytes that the agent takes while it answers nothing, with something to spare
NO_LIMIT = 256  # turns, where the container has no limit


def most_turns(turn_bytes: int) -> int:
    """How many turns fit.

    Args:
        turn_bytes: what one of them takes.
    """
    try:
        limit = int(MEMORY_LIMIT.read_text())
    except (OSError, ValueError):
        return NO_LIMIT
    return max(1, (limit - IDLE) // turn_bytes)
