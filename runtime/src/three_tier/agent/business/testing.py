"""For the tests of commands: a person who talks to them."""

from collections.abc import Awaitable, Callable

from pydantic import BaseModel

from three_tier.agent.business.commands import Commands, Request
from three_tier.agent.business.runner import CommandLogic
from three_tier.agent.context import Context
from three_tier.agent.testing import Talk


class Conversation[State: BaseModel](Talk):
    """A thread with commands.

    Args:
        commands: those of logic.py.
        reply_to: what is around them there.
        context: who talks; the fields that the logic reads can be given.
    """

    def __init__(
        self,
        commands: Commands[State],
        reply_to: Callable[[Request[State]], Awaitable[str]],
        context: Context | None = None,
    ) -> None:
        super().__init__(CommandLogic(commands, reply_to), context)
