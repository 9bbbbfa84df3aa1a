"""Updates that the agent keeps for the bot: Telegram counts them as confirmed, and they are not answered yet."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from telegram import Update

from three_tier.interface.agent_client import AgentClient, Refused
from three_tier.interface.telegram.incoming import MALFORMED, essence, parse
from three_tier.interface.telegram.telegram_api import Telegram

PAGE = 50  # updates of which the names are read at once
PAUSE = 1.0  # seconds until an agent that is away is asked again
BUSY = {409, 429}
SERVER_ERRORS = 500

log = structlog.get_logger("inbox")


class Inbox:
    """What the bot has set aside. Each update is a message in a thread of its own, of the owner `telegram:bot<id>`.

    Args:
        agent: What keeps them.
        telegram: Whose updates they are.
    """

    def __init__(self, agent: AgentClient, telegram: Telegram) -> None:
        self._agent = agent
        self._telegram = telegram

    async def keep(self, update: Update) -> str:
        """Have an update kept, once however often it is called. Returns the name under which it is kept.

        Raises:
            Refused: The agent is away, or does not take it.
        """
        text = json.dumps(essence(update.to_dict()), ensure_ascii=False)
        return (await self._agent.keep_message(self._owner, text, f"update:{update.update_id}")).thread_id

    async def remember(self, update: Update) -> None:
        """Have an update kept, however long the agent is away. The agent forgets it after RETENTION_DAYS."""
        await _insist(partial(self.keep, update))

    async def forget(self, name: str) -> None:
        """Stop keeping an update, however long the agent is away."""
        await _insist(partial(self._agent.delete_thread, self._owner, name))

    async def kept(self) -> list[tuple[str, Update | None]]:
        """All updates that are kept, with their names, the oldest first, however long the agent is away.

        One that cannot be read is None.
        """
        names: list[str] = []
        more = True
        while more:
            before = names[-1] if names else None
            page = await _insist(partial(self._agent.threads, self._owner, limit=PAGE, before=before))
            if page is None:
                break
            names += [thread.thread_id for thread in page.data]
            more = page.has_more
        found = [(name, await self._read(name)) for name in names]
        return sorted(found, key=lambda each: _age(each[1]))

    async def _read(self, name: str) -> Update | None:
        page = await _insist(partial(self._agent.messages, self._owner, name, limit=1))
        if page is None or not page.data:
            return None
        try:
            data: dict[str, Any] = json.loads(page.data[0].content)
            return parse(data, self._telegram.bot)
        except MALFORMED as error:
            log.warning("Cannot read what was set aside", reason=type(error).__name__)
            return None

    @property
    def _owner(self) -> str:
        return f"telegram:bot{self._telegram.bot.id}"


def is_final(refused: Refused) -> bool:
    """Whether the agent would refuse the same request again, whenever it is asked."""
    return refused.status < SERVER_ERRORS and refused.status not in BUSY


def _age(update: Update | None) -> tuple[datetime, int]:
    """By what updates are ordered: the numbers of later ones are lower where they began anew meanwhile."""
    if update and update.message:
        return update.message.date, update.update_id
    return datetime.fromtimestamp(0, UTC), 0


async def _insist[T](call: Callable[[], Awaitable[T]]) -> T | None:
    """What the agent answers, once it does; None where it refuses."""
    while True:
        try:
            return await call()
        except Refused as refused:
            if is_final(refused):
                log.info("The agent refuses", status=refused.status, reason=refused.detail)
                return None
        await asyncio.sleep(PAUSE)
