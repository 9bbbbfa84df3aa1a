"""What a chat, or a topic of it, has with the agent: its newest thread, and the threads before it."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from http import HTTPStatus

import structlog

from three_tier.interface.agent_client import AgentClient, Away, Refused
from three_tier.interface.agent_types import Event, Question
from three_tier.interface.telegram.incoming import Place

HISTORY = 20  # messages that a history shows
KEY_REUSED = 422  # without wrong fields: the agent knows the message from another thread
INCOMPLETE = {  # what follows a reply that is not all that there was to say
    "length": "\n\n_(This answer is cut off: it is as long as one may be.)_",
    "content_filter": "\n\n_(This answer is not complete: the model kept it or the rest of it back.)_",
}

log = structlog.get_logger("conversations")


class BrokeOff(Refused):
    """The agent took the message, and came to no end with it."""


class Answered(Exception):
    """The message was answered before: it came again, and meanwhile /new had made another thread the newest."""


class Conversation:
    """The conversation of a place. Its methods raise `Refused` as those of `AgentClient` do.

    Args:
        agent: The agent.
        place: The chat or the topic.
    """

    def __init__(self, agent: AgentClient, place: Place) -> None:
        self._agent = agent
        self._owner = place.owner

    async def ask(
        self, message: str, metadata: dict[str, str], key: str, grow: Callable[[str], Awaitable[None]]
    ) -> str:
        """The agent's answer.

        Args:
            message: What was said.
            metadata: Passed on to the agent's logic.
            key: Names the message: sent again, it gets the same answer and is not stored again.
            grow: Called with what there is of the answer, each time that there is more.

        Raises:
            BrokeOff: The answer ended before it was whole.
            Answered: The message has an answer, in another thread.
        """
        question = Question(message=message, thread_id=await self._thread(), metadata=metadata)
        text, begun = "", False
        try:
            async with aclosing(self._agent.stream(self._owner, question, key)) as events:
                async for event in events:
                    begun = True
                    if event.type == "message":
                        return event.content + INCOMPLETE.get(event.finish_reason, "")
                    text += _token(event)
                    await grow(text)
        except Refused as refused:
            if begun or refused.status == HTTPStatus.GATEWAY_TIMEOUT or (isinstance(refused, Away) and refused.asked):
                raise BrokeOff(refused.status, refused.detail) from refused
            if refused.status == KEY_REUSED and refused.errors is None:
                raise Answered from refused
            raise
        raise BrokeOff(Away().status, Away().detail)

    async def begin(self, key: str) -> None:
        """Make a new thread, one for each key."""
        await self._agent.create_thread(self._owner, key=key)

    async def move(self, place: Place) -> None:
        """Go on with all of it in another place. May be repeated."""
        await self._agent.move_threads(self._owner, place.owner)

    async def history(self) -> list[tuple[str, str]]:
        """Who said what in the thread: the last messages of user and assistant."""
        page = await self._agent.messages(self._owner, await self._thread(), limit=HISTORY)
        return [(message.role, message.content) for message in page.data if message.role != "tool"]

    async def _thread(self) -> str:
        newest = (await self._agent.threads(self._owner, limit=1)).data
        return newest[0].thread_id if newest else (await self._agent.create_thread(self._owner)).thread_id


def _token(event: Event) -> str:
    """The text that an event adds to the answer. Raises `Refused` where it ends it."""
    if event.type == "error":
        raise Refused(event.status, event.detail)
    return event.text
