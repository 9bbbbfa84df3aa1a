"""How many messages can be answered at the same time: as many as the memory of the container holds."""

from pathlib import Path

MEMORY_LIMITS = (  # bytes, or "max"; the second is that of older machines
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
IDLE = 192 * 2**20  # bytes that the agent takes while it answers nothing, with something to spare
NO_LIMIT = 256  # turns, however much memory there is


def most_turns(turn_bytes: int) -> int:
    """How many turns fit.

    Args:
        turn_bytes: what one of them takes.
    """
    limits = [file.read_text().strip() for file in MEMORY_LIMITS if file.exists()]
    fitting = [(int(limit) - IDLE) // turn_bytes for limit in limits if limit.isdecimal()]
    return max(1, min([NO_LIMIT, *fitting]))
