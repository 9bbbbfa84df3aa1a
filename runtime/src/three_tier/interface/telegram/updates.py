"""Updates as Telegram delivers them: each is answered before it is confirmed, so that none is lost.

Telegram keeps every update until a later one is asked for, and gives a hundred of those that it keeps: one that takes
long is followed by at most 99 others. So

- what needs no answer (the messages of strangers, say) is finished at once, whatever Telegram says to a refusal;
- when half of the hundred are there and the first has taken a second, those that are not answered yet are set aside:
  the agent keeps them, in its database, and they are confirmed. A process that ends before they are answered leaves
  them to the next one;
- a chat has one answer at a time, and its messages wait in line. Of one that has a hundred in line, further messages
  are refused, and it is told so;
- that a group has a new id is kept where ALLOWED_USERS names the former one, for RETENTION_DAYS if they are set;
- as long as a thousand messages wait, Telegram is asked for no others.
"""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

import structlog
from telegram import Message, Update

from three_tier.interface.agent_client import Refused
from three_tier.interface.telegram.bot import FULL, WAITING, ChatBot
from three_tier.interface.telegram.inbox import Inbox, is_final
from three_tier.interface.telegram.incoming import MALFORMED, Moved, Place, Said, parse
from three_tier.interface.telegram.telegram_api import Telegram

LONG_POLL = timedelta(seconds=25)
AT_ONCE = timedelta()
GLANCE = 0.5  # seconds until Telegram is asked again while answers are being written
DRAIN = 25.0  # seconds that begun answers have after SIGTERM
LAST_WORD = 2.0  # seconds for giving up the others, and for confirming what is answered

SOON = 2.0  # seconds until people are told that the agent is away
CROWD = 50  # unconfirmed updates, of the hundred that Telegram gives, from which on
SLOW = 1.0  # seconds are too long for the first of them
LINE = 100  # messages of one chat, or of one topic, that wait
MOST = 1000  # messages that wait

log = structlog.get_logger("updates")


@dataclass(eq=False)
class Pending:
    """An update on its way to an answer."""

    update: Update
    said: Said | Moved
    task: asyncio.Task[None]
    since: float = field(default_factory=time.monotonic)
    stays: bool = False  # with Telegram, until it is answered: the agent refuses to keep it


class Updates:
    """Has messages answered: those of a place one after the other, those of several places at once.

    Args:
        telegram: Where the updates come from.
        bot: What answers them.
        inbox: What keeps those that are set aside.
        stopping: Set when the process is to end.
    """

    def __init__(self, telegram: Telegram, bot: ChatBot, inbox: Inbox, stopping: asyncio.Event) -> None:
        self._telegram = telegram
        self._bot = bot
        self._inbox = inbox
        self._stopping = stopping
        self._unconfirmed: dict[int, Pending | None] = {}  # None: finished at once
        self._resumed = asyncio.Event()
        self._excused: set[Place] = set()
        self._keeping: dict[Pending, asyncio.Task[None]] = {}
        self._aside: dict[int, asyncio.Task[None]] = {}
        self._waiting: Counter[Place] = Counter()
        self._lines: WeakValueDictionary[Place, asyncio.Lock] = WeakValueDictionary()

    async def run(self) -> None:
        """Have messages answered until the process is to end, then finish the answers that are begun."""
        polling = asyncio.create_task(self._poll())
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({polling, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not self._stopping.is_set():
            await polling  # raises what ended it
        polling.cancel()
        await asyncio.wait({polling, stop})
        self._resumed.set()  # so that what waits for it ends too
        await self._drain()

    async def _poll(self) -> None:
        await self._telegram.connect()
        async with asyncio.TaskGroup() as both:
            both.create_task(self._resume())
            both.create_task(self._receive())

    async def _resume(self) -> None:
        """Go on with what an earlier process has set aside."""
        for name, update in await self._inbox.kept():
            pending = self._begin(update, first=True) if update and update.update_id not in self._unconfirmed else None
            if pending:
                self._put_aside(name, pending)
            else:
                await self._inbox.forget(name)
        self._resumed.set()

    async def _receive(self) -> None:
        while True:
            await self._room()
            confirm = self._confirmable()
            wait = AT_ONCE if self._unanswered() else LONG_POLL
            updates = await self._telegram.updates(confirm, wait)
            if confirm is not None:
                self._unconfirmed = {n: found for n, found in self._unconfirmed.items() if n >= confirm}
            for data in updates:
                number = data["update_id"]
                if number not in self._unconfirmed:
                    self._unconfirmed[number] = None if number in self._aside else self._read(data)
            if self._is_held_up():
                self._set_aside()
            if unanswered := self._unanswered():
                tasks = [pending.task for pending in unanswered]
                await asyncio.wait(tasks, timeout=GLANCE, return_when=asyncio.FIRST_COMPLETED)

    async def _room(self) -> None:
        """Wait until few enough messages wait."""
        while self._waiting.total() >= MOST:
            await asyncio.wait(self._tasks(), return_when=asyncio.FIRST_COMPLETED)

    # From an update to an answer

    def _read(self, data: dict[str, Any]) -> Pending | None:
        update = parse(data, self._telegram.bot)
        return self._begin(update) if update else None

    def _begin(self, update: Update, *, first: bool = False) -> Pending | None:
        """Have a message answered in its turn; None where it is to have no answer.

        Args:
            update: The message.
            first: Whether it comes before all that Telegram delivers to this process.
        """
        if not (message := update.message):
            return None
        try:
            place, said = Place.of(message), self._bot.admit(message)
            if said is None or self._is_full(place, message):
                return None
            self._waiting[place] += 1
        except MALFORMED as error:
            log.warning("Cannot read a message", update=update.update_id, reason=type(error).__name__)
            return None
        return Pending(update, said, asyncio.create_task(self._take(update, message, said, first=first)))

    def _is_full(self, place: Place, message: Message) -> bool:
        if self._waiting[place] < LINE:
            return False
        self._telegram.notices.post(message, FULL)
        return True

    async def _take(self, update: Update, message: Message, said: Said | Moved, *, first: bool) -> None:
        place = Place.of(message)
        try:
            if not first:
                await self._wait_for_earlier_ones(place, message)
            async with AsyncExitStack() as lines:
                await lines.enter_async_context(self._line(place))
                if isinstance(said, Moved) and said.old != place.chat:  # what was said in the group comes first
                    await lines.enter_async_context(self._line(Place(said.old)))
                if self._stopping.is_set():  # the one before may be left to the next process, so this one is too
                    raise asyncio.CancelledError
                if self._bot.must_keep(said):
                    await self._inbox.remember(update)
                with structlog.contextvars.bound_contextvars(request_id=f"update-{update.update_id}"):
                    await self._bot.answer(update.update_id, message, said)
        finally:
            self._waiting[place] -= 1
            self._waiting = +self._waiting

    async def _wait_for_earlier_ones(self, place: Place, message: Message) -> None:
        """Let those go first that an earlier process has set aside; an agent that is away does not tell which."""
        resumed = asyncio.ensure_future(self._resumed.wait())
        await asyncio.wait({resumed}, timeout=SOON)
        if not resumed.done() and place not in self._excused:
            self._excused.add(place)
            self._telegram.notices.post(message, WAITING)
        await resumed

    def _line(self, place: Place) -> asyncio.Lock:
        return self._lines.setdefault(place, asyncio.Lock())

    # Setting aside

    def _is_held_up(self) -> bool:
        """Whether the first update without an answer keeps Telegram from giving others soon."""
        unanswered = self._unanswered()
        if not unanswered or not self._resumed.is_set():
            return False
        return len(self._unconfirmed) >= CROWD and time.monotonic() - unanswered[0].since > SLOW

    def _set_aside(self) -> None:
        for pending in self._unanswered():
            if pending not in self._keeping and not pending.stays:
                self._keeping[pending] = asyncio.create_task(self._keep(pending))

    async def _keep(self, pending: Pending) -> None:
        try:
            name = await self._inbox.keep(pending.update)
        except Refused as refused:  # it stays with Telegram, until the next try at least
            pending.stays = is_final(refused)
            if pending.stays:
                number = pending.update.update_id
                log.warning("The agent keeps no update", update=number, status=refused.status, reason=refused.detail)
            return
        finally:
            del self._keeping[pending]
        if pending.update.update_id in self._unconfirmed:
            self._unconfirmed[pending.update.update_id] = None
        self._put_aside(name, pending)

    def _put_aside(self, name: str, pending: Pending) -> None:
        number = pending.update.update_id
        self._aside[number] = asyncio.create_task(self._forget_in_the_end(name, pending))
        self._aside[number].add_done_callback(lambda _: self._aside.pop(number))

    async def _forget_in_the_end(self, name: str, pending: Pending) -> None:
        await pending.task
        if not self._bot.must_keep(pending.said):
            await self._inbox.forget(name)

    # The end

    async def _drain(self) -> None:
        if tasks := self._tasks():
            _, late = await asyncio.wait(tasks, timeout=DRAIN)
            for task in late:
                task.cancel()
            if late:
                log.warning("Answers that took too long are left to the next start", count=len(late))
                await asyncio.wait(late, timeout=LAST_WORD)
        confirm = self._confirmable()
        if confirm is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORD):
                    await self._telegram.updates(confirm, AT_ONCE, limit=1)

    def _tasks(self) -> set[asyncio.Task[None]]:
        """What messages without an answer wait for."""
        return {pending.task for pending in self._unanswered()}.union(self._keeping.values(), self._aside.values())

    def _unanswered(self) -> list[Pending]:
        """Of the updates that are not confirmed, in their order."""
        ordered = (pending for _, pending in sorted(self._unconfirmed.items()))
        return [pending for pending in ordered if pending and not pending.task.done()]

    def _confirmable(self) -> int | None:
        """The number after those updates which, and before which all, are answered; None where the first is not."""
        confirm = None
        for number, pending in sorted(self._unconfirmed.items()):
            if pending and (not pending.task.done() or pending.task.cancelled()):
                break
            confirm = number + 1
        return confirm
