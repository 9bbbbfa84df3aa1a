"""Messages as Telegram delivers them: each is answered before it is confirmed, so that none is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from weakref import WeakValueDictionary

import structlog
from telegram import Message, Update

from telegram_api import Telegram

LONG_POLL = timedelta(seconds=25)
AT_ONCE = timedelta()
GLANCE = 0.5  # seconds until Telegram is asked again while answers are being written
DRAIN = 25.0  # seconds that begun answers have after SIGTERM
LAST_WORD = 2.0  # seconds for confirming them

log = structlog.get_logger("updates")


class Updates:
    """Has messages answered: those of a chat one after the other, those of several chats at once.

    Telegram keeps every update until one after it is asked for. It is asked for only when all before it are answered;
    what a process leaves behind when it ends is delivered to the next one.

    Args:
        telegram: Where the updates come from.
        answer: Answers one message; called with the number of the update and the message.
        stopping: Set when the process is to end.
    """

    def __init__(
        self, telegram: Telegram, answer: Callable[[int, Message], Awaitable[None]], stopping: asyncio.Event
    ) -> None:
        self._telegram = telegram
        self._answer = answer
        self._stopping = stopping
        self._tasks: dict[int, asyncio.Task[None]] = {}  # of all updates that are not confirmed
        self._lines: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def run(self) -> None:
        """Have messages answered until the process is to end, then finish the answers that are begun."""
        polling = asyncio.create_task(self._poll())
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({polling, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not self._stopping.is_set():
            await polling  # raises what ended it
        polling.cancel()
        await self._drain()

    async def _poll(self) -> None:
        await self._telegram.connect()
        while True:
            confirm = self._confirmable()
            wait = AT_ONCE if self._unanswered() else LONG_POLL
            updates = await self._telegram.updates(confirm, wait)
            if confirm is not None:
                self._forget(confirm)
            for update in updates:
                if update.update_id not in self._tasks:
                    self._tasks[update.update_id] = asyncio.create_task(self._take(update))
            if unanswered := self._unanswered():
                await asyncio.wait(unanswered, timeout=GLANCE, return_when=asyncio.FIRST_COMPLETED)

    async def _take(self, update: Update) -> None:
        if update.message is None:
            return
        line = self._lines.setdefault(update.message.chat_id, asyncio.Lock())
        async with line:
            if self._stopping.is_set():  # the one before may be left to the next process, so this one is too
                raise asyncio.CancelledError
            await self._answer(update.update_id, update.message)

    async def _drain(self) -> None:
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=DRAIN)
            for task in late:
                task.cancel()
            if late:
                log.warning("Answers that took too long are left to the next start", count=len(late))
        confirm = self._confirmable()
        if confirm is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORD):
                    await self._telegram.updates(confirm, AT_ONCE, limit=1)

    def _unanswered(self) -> list[asyncio.Task[None]]:
        return [task for task in self._tasks.values() if not task.done()]

    def _confirmable(self) -> int | None:
        """The number after those updates which, and before which all, are answered; None where the first is not."""
        confirm = None
        for number, task in sorted(self._tasks.items()):
            if not task.done() or task.cancelled():
                break
            confirm = number + 1
        return confirm

    def _forget(self, confirmed: int) -> None:
        self._tasks = {number: task for number, task in self._tasks.items() if number >= confirmed}
