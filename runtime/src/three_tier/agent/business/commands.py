"""Commands: functions that answer a message, each found by the pattern that the message fits."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from three_tier.agent.context import Context


class Unknown(Exception):
    """The message fits no command."""


class Refused(Exception):
    """A command cannot be carried out. The text is the reply."""


@dataclass(slots=True)
class Request[State: BaseModel]:
    """What a command gets, besides the parts of the message that its pattern captures."""

    state: State  # what the thread remembers; a command may change it
    message: str  # as the user wrote it
    context: Context = field(default_factory=Context)  # who asks, in which thread, and the database

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the caller says about the message."""
        return self.context.metadata


@dataclass(frozen=True, slots=True)
class Command:
    """A function, and the messages that it is for."""

    pattern: re.Pattern[str]
    run: Callable[..., Awaitable[str]]
    replay: bool

    @property
    def help(self) -> str:
        """The first line of the function's docstring."""
        return (self.run.__doc__ or "").partition("\n")[0]


class Commands[State: BaseModel]:
    """The commands of an agent, in the order in which they are tried."""

    def __init__(self, state: type[State]) -> None:
        """Start without any, for threads that remember this."""
        self.state = state
        self.all: list[Command] = []

    def on[Run: Callable[..., Awaitable[str]]](self, pattern: str, *, replay: bool = False) -> Callable[[Run], Run]:
        """Make the function below a command.

        Args:
            pattern: a regular expression for the whole message, without "please" and without the punctuation at its
                end; capitals do not matter. What its groups capture becomes the function's arguments.
            replay: the command changes what the thread remembers and does nothing else, so it can be carried out again
                to find out where a conversation led that is not stored here.
        """

        def add(run: Run) -> Run:
            self.all.append(Command(re.compile(pattern, re.IGNORECASE), run, replay))
            return run

        return add

    def can_replay(self, message: str) -> bool:
        """Whether the message is a command that may be carried out again."""
        command, _ = self._find(message)
        return command is not None and command.replay

    async def carry_out(self, request: Request[State]) -> str:
        """Find the command that the message is, run it and return its reply.

        A command that raises changes nothing of what the thread remembers.

        Raises:
            Unknown: the message is no command.
            Refused: the command says no.
        """
        command, parts = self._find(request.message)
        if command is None:
            raise Unknown
        attempt = replace(request, state=request.state.model_copy(deep=True))
        reply = await command.run(attempt, *parts)
        request.state = attempt.state
        return reply

    def _find(self, message: str) -> tuple[Command | None, tuple[Any, ...]]:
        text = _plain(message)
        for command in self.all:
            if found := command.pattern.fullmatch(text):
                return command, found.groups()
        return None, ()


def _plain(message: str) -> str:
    """The message in one line, its lines set apart by commas, without what makes no difference."""
    lines = (" ".join(word for word in line.split() if not _is_please(word)) for line in message.splitlines())
    return ", ".join(line for line in lines if line).rstrip(" ,;.:!?")


def _is_please(word: str) -> bool:
    return word.strip(",.!?").casefold() == "please"
