"""For the tests of commands: a person who talks to them."""

from collections.abc import Awaitable, Callable

from pydantic import BaseModel

from three_tier.agent.business.commands import Commands, Request
from three_tier.agent.business.runner import CommandLogic
from three_tier.agent.context import Context
from three_tier.agent.contract import Message


class Conversation[State: BaseModel]:
    """A thread with commands, run as the agent runs it.

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
        self.history: list[Message] = []
        self.context = context or Context(owner="test:someone", thread_id="a-thread")
        self._logic = CommandLogic(commands, reply_to)

    async def say(self, message: str) -> str:
        """Send a message, and return the reply."""
        said = await self._logic.answer(self.history, message, self.context)
        self.history += [Message("user", message), *said]
        return said[-1].content
