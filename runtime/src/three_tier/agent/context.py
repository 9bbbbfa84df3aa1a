"""What the logic may know of the turn that it works on."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks, in which thread, and where own data can be kept."""

    owner: str = ""  # whose thread it is, as the interface says: its kind, a colon, and who
    thread_id: str | None = None  # None: the caller keeps the conversation, and nothing of this turn is stored
    key: str = ""  # names the turn; a retry of it has the same, and so can keep what it does from happening twice
    metadata: Mapping[str, str] = field(default_factory=dict)  # what the caller says about the message
    db: Any = None  # the agent's database, for own tables


_current: ContextVar[Context | None] = ContextVar("context", default=None)


def current() -> Context:
    """The context of the turn that this code works on, for what is given no context by its caller.

    Raises:
        RuntimeError: this code does not work on a turn.
    """
    if (found := _current.get()) is None:
        raise RuntimeError("there is no turn at the moment")
    return found


def enter(context: Context) -> None:
    """Make it the context of this task, and of those that it starts."""
    _current.set(context)
