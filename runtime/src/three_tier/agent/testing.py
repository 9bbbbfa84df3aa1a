"""For the tests of a logic: a person who talks to it."""

from three_tier.agent.context import Context
from three_tier.agent.contract import Logic, Message


class Talk:
    """A thread with a logic, run as the agent runs it.

    Args:
        logic: what answers.
        context: who talks; the fields that the logic reads can be given.
    """

    def __init__(self, logic: Logic, context: Context | None = None) -> None:
        self.history: list[Message] = []
        self.context = context or Context(owner="test:someone", thread_id="a-thread")
        self._logic = logic

    async def say(self, message: str) -> str:
        """Send a message, and return the reply."""
        said = await self._logic.answer(self.history, message, self.context)
        self.history += [Message("user", message), *said]
        return said[-1].content
