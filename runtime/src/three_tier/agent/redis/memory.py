"""The agent's memory in Redis: threads and their messages, as append-only streams (see contract.Memory).

Every key begins with the name of the database (DB_NAME) and a colon. After it:

    key                  type         what it holds
    thread/OWNER/ID      hash         number, title, created_at, updated_at; run and run_until while a turn holds it
    messages/NUMBER      stream       the messages of a thread, 1-0, 2-0, ...: turn, role, content, data, usage, at
    turn/OWNER/KEY       hash         thread and number, and where in its messages question and answer stand
    threads/OWNER        sorted set   the ids of an owner's threads by created_at
    used                 sorted set   OWNER/ID of all threads by the second of their newest message, for the retention
    revoked              hash         OWNER/SESSION of ended sessions, or OWNER/*: those opened by when
    revoked_until        sorted set   the same by when they would have ended by themselves
    deleted              list         OWNER/NUMBER of deleted threads whose messages and turns are yet to be cleared
    serial               string       how many threads there ever were: the number of the newest
    alive                string       written by every health check

Times are microseconds since 1970; data and usage are JSON, or empty. A thread's number is never given again, so what a
deleted one leaves behind counts for nothing, and is cleared a batch at a time.

A turn holds a lease (`run`, `run_until`) on its thread. Only its holder can append a reply, so two turns never write
over each other, whichever replica they run in. Each script is atomic and may run twice.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
from redis.asyncio import Redis

from three_tier.agent.contract import (
    ALL,
    Busy,
    KeyReused,
    Memory,
    Message,
    NotFound,
    Revocation,
    Thread,
    Turn,
    Unavailable,
    check,
    ending,
)
from three_tier.agent.patience import Waiting
from three_tier.agent.redis import scripts
from three_tier.agent.redis.database import Database
from three_tier.agent.redis.scripts import Script
from three_tier.agent.settings import Settings

REFUSALS = {"not found": NotFound, "busy": Busy, "key reused": KeyReused}
CLEAR_BATCH = 200  # messages of deleted threads in one script
PAGE = 25  # threads or messages that are read at once, of the whole memory
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

type Entry = tuple[str, list[str]]  # of a stream: where it stands, and its fields and values in turn


class RedisMemory:
    """Threads and messages in Redis."""

    def __init__(self, database: Database, window: int, max_content: int) -> None:
        """Keep threads in this database.

        Args:
            database: where the keys are.
            window: how many messages a window has.
            max_content: bytes of a message.
        """
        self.database = database
        self.window = window
        self.max_content = max_content

    @property
    def db(self) -> Redis:
        """The client, for own keys. Their names begin with the prefix of all keys here, and then with `own:`."""
        return self.database.client

    async def close(self) -> None:
        """Give the connections back."""
        await self.database.close()

    async def ping(self) -> None:
        """Write a key, which also tells of a full disk and of full memory."""
        await self.database.write("alive", "yes")

    # Turns: one script to ask, one to answer.

    async def begin(
        self,
        owner: str,
        thread_id: str,
        key: str,
        question: str,
        run: str,
        *,
        create: bool,
        lease: float,
        wait: float,
    ) -> Turn:
        """Take the lease, store the question, read the window."""
        check(Message("user", question), self.max_content)
        values = (owner, thread_id, key, question, run, _microseconds(lease), int(create), self.window + 1)
        try:
            earlier, answer = await self._insist(scripts.BEGIN, values, wait)
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True), suppress(Unavailable):
                await self._run(scripts.RELEASE, owner, thread_id, run, patient=False)
            raise
        turn = Turn(owner, thread_id, key, run, question, self._window(earlier, key))
        turn.answer = _message(answer) if answer else None
        return turn

    async def _insist(self, script: Script, values: tuple[str | int, ...], wait: float) -> list[Any]:
        """Run a script again for `wait` seconds while another run holds the thread."""
        waiting = Waiting(wait)
        while True:
            with suppress(Busy):
                return await self._run(script, *values)
            await waiting.pause()

    def _window(self, newest_first: list[Entry], key: str) -> list[Message]:
        """The messages before the turn, from a user's on: a tool's result says nothing without the call before it."""
        earlier = [entry for entry in newest_first if _fields(entry)["turn"] != key][: self.window]
        messages = [_message(entry) for entry in reversed(earlier)]
        start = next((n for n, message in enumerate(messages) if message.role == "user"), len(messages))
        return messages[start:]

    async def renew(self, turn: Turn, lease: float) -> bool:
        """Hold the lease for `lease` more seconds."""
        try:
            await self._run(scripts.RENEW, turn.owner, turn.thread_id, turn.run, _microseconds(lease))
        except Busy:
            return False
        return True

    async def finish(self, turn: Turn, messages: Sequence[Message]) -> None:
        """Append the messages and give the lease back in one script, if it still holds."""
        for message in messages:
            check(message, self.max_content)
        rows = [(message.role, message.content, _json(message.data), _json(message.usage)) for message in messages]
        values = [value for row in rows for value in row]
        (earlier,) = await self._run(scripts.FINISH, turn.owner, turn.thread_id, turn.key, turn.run, *values)
        turn.answer = _message(earlier) if earlier else messages[-1]

    async def release(self, turn: Turn) -> None:
        """Give the lease back without an answer, in one attempt."""
        await self._run(scripts.RELEASE, turn.owner, turn.thread_id, turn.run, patient=False)

    # Threads

    async def create(self, owner: str, title: str | None = None, thread_id: str | None = None) -> str:
        """Make an empty thread, unless it is there."""
        thread_id = thread_id or str(uuid.uuid4())
        await self._run(scripts.CREATE, owner, thread_id, *_given(title))
        return thread_id

    async def rename(self, owner: str, thread_id: str, title: str | None) -> None:
        """Give a thread another title."""
        await self._run(scripts.RENAME, owner, thread_id, *_given(title))

    async def delete(self, owner: str, thread_id: str) -> None:
        """Delete a thread; its messages are out of reach at once, and cleared a batch at a time."""
        await self._run(scripts.DELETE, owner, thread_id)
        await self._clear()

    async def threads(self, owner: str, limit: int, before: str | None = None) -> list[Thread]:
        """Threads, newest first."""
        rows = await self._run(scripts.THREADS, owner, limit, *_given(before))
        return [_thread(row) for row in rows]

    async def messages(self, owner: str, thread_id: str, limit: int, before: int | None = None) -> list[Message]:
        """Messages, newest first, read in pieces until there are enough that a person reads."""
        found: list[Message] = []
        place = "+" if before is None else f"({before}-0"
        while True:
            (entries,) = await self._run(scripts.MESSAGES, owner, thread_id, limit, place)
            found += [message for message in map(_shown, entries) if message.role != "tool" and message.content]
            if len(found) >= limit or len(entries) < limit:
                return found[:limit]
            place = f"({entries[-1][0]}"

    async def forget(self, days: int, batch: int) -> int:
        """Delete threads without a message for `days` days."""
        (count,) = await self._run(scripts.FORGET, days, batch)
        await self._clear()
        return int(count)

    # Revocations

    async def revoke(self, revocation: Revocation) -> None:
        """End a session, or all."""
        times = (_since(revocation.opened_by), _since(revocation.expires_at))
        await self._run(scripts.REVOKE, revocation.owner, revocation.session, *times)

    async def is_revoked(self, owner: str, session: str, opened_at: datetime) -> bool:
        """Whether a session was ended."""
        (revoked,) = await self._run(scripts.REVOKED, owner, _since(opened_at), session, ALL)
        return bool(revoked)

    async def forget_revocations(self, batch: int) -> int:
        """Delete revocations that have expired."""
        (count,) = await self._run(scripts.FORGET_REVOCATIONS, batch)
        return int(count)

    # The whole memory

    async def every_revocation(self) -> AsyncGenerator[Revocation]:
        """All revocations."""
        start, more = 0, True
        while more:
            rows = await self._run(scripts.REVOCATIONS, start, PAGE)
            for owner, session, opened_by, expires_at in rows:
                yield Revocation(owner, session, _time(opened_by), _time(expires_at))
            start += PAGE
            more = len(rows) == PAGE

    async def every_thread(self) -> AsyncGenerator[tuple[str, Thread]]:
        """All threads, those of an owner together, oldest first."""
        second, skip, count = "-inf", 0, PAGE
        while count == PAGE:
            owners, second, skip, count = await self._run(scripts.OWNERS, second, skip, PAGE)
            for owner in owners:
                async for thread in self._oldest_first(owner):
                    yield owner, thread

    async def _oldest_first(self, owner: str) -> AsyncGenerator[Thread]:
        last, more = None, True
        while more:
            rows = await self._run(scripts.THREADS_AFTER, owner, PAGE, *_given(last))
            for row in rows:
                last = row[0]
                yield _thread(row)
            more = len(rows) == PAGE

    async def every_message(self, owner: str, thread_id: str) -> AsyncGenerator[Message]:
        """All messages of a thread, oldest first."""
        place, more = "-", True
        while more:
            (entries,) = await self._run(scripts.MESSAGES_AFTER, owner, thread_id, PAGE, place)
            for entry in entries:
                place = f"({entry[0]}"
                shown = _shown(entry)
                yield replace(_message(entry), id=shown.id, created_at=shown.created_at, turn=_fields(entry)["turn"])
            more = len(entries) == PAGE

    async def restore(self, owner: str, thread: Thread, messages: Sequence[Message]) -> Thread:
        """Put back a thread, or more of its messages, in one script."""
        used = max([thread.created_at, *(message.created_at for message in messages if message.created_at)])
        title = "" if thread.title is None else json.dumps(thread.title)
        rows = [
            (
                *(message.id, message.turn, message.role, message.content),
                *(_json(message.data), _json(message.usage), _since(message.created_at or thread.created_at)),
            )
            for message in messages
        ]
        (row,) = await self._run(
            scripts.RESTORE,
            *(owner, thread.id, title, _since(thread.created_at), _since(thread.updated_at), _since(used) // 1_000_000),
            *(value for row in rows for value in row),
        )
        return _thread(row)

    async def _clear(self) -> None:
        """Remove what deleted threads left behind; what an outage leaves of it is removed the next time."""
        with suppress(Unavailable):
            while (await self._run(scripts.CLEAR, CLEAR_BATCH, patient=False))[0]:
                pass

    async def _run(self, script: Script, *values: str | int | None, patient: bool = True) -> list[Any]:
        """What the script replies; raises what it refuses with."""
        status, *reply = await self.database.run(script, *values, patient=patient)
        if refusal := REFUSALS.get(status):
            raise refusal
        return reply


def build_memory(settings: Settings) -> Memory:
    """The memory that the settings describe."""
    return RedisMemory(Database(settings), settings.history_window, settings.max_content)


def _thread(row: list[Any]) -> Thread:
    id_, title, created_at, updated_at = row
    return Thread(id_, title, _time(created_at), _time(updated_at))


def _fields(entry: Entry) -> dict[str, Any]:
    values = iter(entry[1])
    return dict(zip(values, values, strict=True))


def _message(entry: Entry) -> Message:
    """A message as the logic sees it."""
    fields = _fields(entry)
    data, usage = (json.loads(fields[name]) if fields.get(name) else None for name in ("data", "usage"))
    return Message(fields["role"], fields["content"], data, usage)


def _shown(entry: Entry) -> Message:
    """A message as people see it."""
    fields = _fields(entry)
    place = int(entry[0].partition("-")[0])
    data = ending(fields.get("data"))  # a question has none
    return Message(fields["role"], fields["content"], data, id=place, created_at=_time(fields["at"]))


def _json(value: Mapping[str, object] | None) -> str:
    return "" if value is None else json.dumps(value)


def _given(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _time(microseconds: str) -> datetime:
    return EPOCH + timedelta(microseconds=int(microseconds))


def _since(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1)
