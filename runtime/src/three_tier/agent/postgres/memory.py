"""The agent's memory in PostgreSQL: threads and their messages, as append-only rows (see contract.Memory).

A turn holds a lease (`run`, `run_until`) on its thread's row. Only its holder can append a reply, so two turns never
write over each other, whichever replica they run in. Each statement is atomic by itself and may run twice.
"""

import json
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio
from asyncpg import Record, UniqueViolationError

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
from three_tier.agent.postgres.database import Postgres
from three_tier.agent.settings import Settings

# A turn is two statements: one takes the thread, stores the question and reads what was said before, the other stores
# the answer and gives the thread back. A statement does not see what was stored after it began, so a thread that has
# changed since then is left to the next attempt.

TAKE = """
with taken as (
  update threads set run = $3, run_until = now() + $4, updated_at = now(), used_on = current_date
  where owner = $1 and id = $2 and (run_until < now() or run = $3)
  and updated_at = (select updated_at from threads where owner = $1 and id = $2)
  returning owner, id
)
"""
TAKE_OR_CREATE = """
with taken as (
  insert into threads (owner, id, run, run_until) values ($1, $2, $3, now() + $4)
  on conflict (owner, id) do update
  set run = excluded.run, run_until = excluded.run_until, updated_at = now(), used_on = current_date
  where (threads.run_until < now() or threads.run = excluded.run)
  and threads.updated_at = (select updated_at from threads where owner = $1 and id = $2)
  returning owner, id
)
"""
ASK = """
, asked as (
  insert into messages (owner, thread_id, turn, step, role, content)
  select taken.owner, taken.id, $5, 0, 'user', $6 from taken
  on conflict (owner, turn, step) do nothing
  returning id
)
select exists (select from asked) as fresh, earlier.turn, earlier.role, earlier.content, earlier.data
from taken
left join lateral (
  select id, turn, role, content, data from messages
  where owner = taken.owner and thread_id = taken.id
  order by id desc limit $7
) as earlier on true
order by earlier.id
"""
BEGIN = TAKE + ASK
BEGIN_NEW = TAKE_OR_CREATE + ASK
ANSWER = """
with held as (
  update threads set run = null, run_until = '-infinity', updated_at = now(), used_on = current_date
  where owner = $1 and id = $2 and run = $3
  returning owner, id
)
insert into messages (owner, thread_id, turn, step, role, content, data, usage)
select held.owner, held.id, $4, new.step, new.role, new.content, new.data, new.usage
from held, unnest($5::text[], $6::text[], $7::json[], $8::json[])
  with ordinality as new (role, content, data, usage, step)
order by new.step
returning true
"""
RENEW = "update threads set run_until = now() + $4 where owner = $1 and id = $2 and run = $3 returning true"
RELEASE = "update threads set run = null, run_until = '-infinity' where owner = $1 and id = $2 and run = $3"
DROP_EMPTY = """
delete from threads where owner = $1 and id = $2 and run = $3
and not exists (select from messages where messages.owner = $1 and messages.thread_id = $2)
"""
TURN = "select thread_id, role, content, data, usage from messages where owner = $1 and turn = $2 order by step"

EXISTS = "select true from threads where owner = $1 and id = $2"
# A thread that is there stays as it is: to write its id again makes the statement return its title.
CREATE = """
insert into threads (owner, id, title) values ($1, $2, $3)
on conflict (owner, id) do update set id = excluded.id
returning title
"""
RENAME = "update threads set title = $3, updated_at = now() where owner = $1 and id = $2 returning true"
DELETE = "delete from threads where owner = $1 and id = $2 returning true"
THREADS = """
select id, title, created_at, updated_at from threads
where owner = $1
order by created_at desc, id desc limit $2
"""
THREADS_BEFORE = """
select id, title, created_at, updated_at from threads
where owner = $1 and (created_at, id) < (select created_at, id from threads where owner = $1 and id = $3)
order by created_at desc, id desc limit $2
"""
MESSAGES = """
select id, role, content, created_at, case when data::text like '%"finish_reason"%' then data end as data from messages
where owner = $1 and thread_id = $2 and id < $4 and role <> 'tool' and content <> ''
order by id desc limit $3
"""
FORGET = """
delete from threads where ctid = any (array(
  select ctid from threads
  where used_on < current_date - $1::integer and run_until < now()
  order by used_on limit $2
  for update skip locked
))
returning true
"""

REVOKE = """
insert into revocations (owner, session_id, opened_by, expires_at) values ($1, $2, $3, $4)
on conflict (owner, session_id) do update
set opened_by = greatest(revocations.opened_by, excluded.opened_by),
  expires_at = greatest(revocations.expires_at, excluded.expires_at)
"""
REVOKED = "select true from revocations where owner = $1 and session_id in ($2, $3) and opened_by >= $4"
FORGET_REVOCATIONS = """
delete from revocations where ctid = any (array(
  select ctid from revocations
  where expires_at < now()
  order by expires_at limit $1
  for update skip locked
))
returning true
"""

EVERY_REVOCATION = """
select owner, session_id, opened_by, expires_at from revocations
where (owner, session_id) > ($1, $2)
order by owner, session_id limit $3
"""
EVERY_THREAD = """
select owner, id, title, created_at, updated_at from threads
where (owner, created_at, id) > ($1, $2, $3)
order by owner, created_at, id limit $4
"""
EVERY_MESSAGE = """
select id, turn, role, content, data, usage, created_at from messages
where owner = $1 and thread_id = $2 and id > $3
order by id limit $4
"""
RESTORE = """
with thread as (
  insert into threads (owner, id, title, created_at, updated_at, used_on) values ($1, $2, $3, $4, $5, $6)
  on conflict (owner, id) do update set used_on = greatest(threads.used_on, excluded.used_on)
  returning id, title, created_at, updated_at
), said as (
  insert into messages (owner, thread_id, id, turn, step, role, content, data, usage, created_at)
  overriding system value
  select $1, $2, new.id, new.turn,
    case new.role when 'user' then 0 else
      coalesce((select max(step) from messages where owner = $1 and turn = new.turn), 0)
        + row_number() over (partition by new.turn, new.role = 'user' order by new.id)
    end,
    new.role, new.content, new.data, new.usage, new.created_at
  from unnest($7::bigint[], $8::text[], $9::text[], $10::text[], $11::json[], $12::json[], $13::timestamptz[])
    as new (id, turn, role, content, data, usage, created_at)
  on conflict (owner, thread_id, id) do nothing
)
select * from thread
"""
# The database numbers messages by itself: from now on above the one that was restored.
NUMBER_ABOVE = """
select setval(numbers, greatest($1, nextval(numbers)))
from (select pg_get_serial_sequence('messages', 'id')::regclass as numbers) as sequence
"""

PING = "select (select 1 from threads limit 1), (select 1 from messages limit 1), (select 1 from revocations limit 1)"

LAST = 2**63 - 1  # no message has a higher id
FIRST = datetime.fromtimestamp(0, UTC)
PAGE = 25  # threads or messages that are read at once


class PostgresMemory:
    """Threads and messages in PostgreSQL."""

    def __init__(self, database: Postgres, window: int, max_content: int) -> None:
        """Keep threads in this database.

        Args:
            database: where the tables are.
            window: how many messages a window has.
            max_content: bytes of a message.
        """
        self.database = database
        self.window = window
        self.max_content = max_content

    @property
    def db(self) -> Postgres:
        """The connections, for own tables: `async with db.connection() as connection`."""
        return self.database

    async def close(self) -> None:
        """Give the connections back."""
        self.database.close()

    async def ping(self) -> None:
        """Read all tables."""
        await self.database.query(PING, patient=False)

    # Turns

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
        turn = Turn(owner, thread_id, key, run, question, history=[])
        try:
            await self._take(turn, create=create, lease=timedelta(seconds=lease), wait=wait)
        except Unavailable:
            raise  # to ask again would take as long again; the lease runs out by itself
        except BaseException:
            await self._undo(owner, thread_id, run, create=create)
            raise
        return turn

    async def _take(self, turn: Turn, *, create: bool, lease: timedelta, wait: float) -> None:
        statement = BEGIN_NEW if create else BEGIN
        values = (turn.owner, turn.thread_id, turn.run, lease, turn.key, turn.question, self.window)
        waiting = Waiting(wait)
        while not (rows := await self.database.query(statement, *values)):
            if not create and not await self.database.query(EXISTS, turn.owner, turn.thread_id):
                raise NotFound
            await waiting.pause()
        turn.history = _window(rows, turn.key)
        if not rows[0]["fresh"]:  # the key came before
            turn.answer = await self._repeated(turn)

    async def _repeated(self, turn: Turn) -> Message | None:
        asked, *said = await self.database.query(TURN, turn.owner, turn.key)
        if asked["thread_id"] != turn.thread_id or asked["content"] != turn.question:
            raise KeyReused
        return _message(said[-1]) if said else None

    async def _undo(self, owner: str, thread_id: str, run: str, *, create: bool) -> None:
        """Leave neither a lease nor an empty new thread behind."""
        with anyio.CancelScope(shield=True), suppress(Unavailable):
            if create:
                await self.database.query(DROP_EMPTY, owner, thread_id, run, patient=False)
            await self.database.query(RELEASE, owner, thread_id, run, patient=False)

    async def renew(self, turn: Turn, lease: float) -> bool:
        """Hold the lease for `lease` more seconds."""
        return bool(await self.database.query(RENEW, turn.owner, turn.thread_id, turn.run, timedelta(seconds=lease)))

    async def finish(self, turn: Turn, messages: Sequence[Message]) -> None:
        """Append the messages and give the lease back in one statement, if it still holds."""
        for message in messages:
            check(message, self.max_content)
        stored = await self.database.query(
            ANSWER,
            turn.owner,
            turn.thread_id,
            turn.run,
            turn.key,
            [message.role for message in messages],
            [message.content for message in messages],
            [_json(message.data) for message in messages],
            [_json(message.usage) for message in messages],
        )
        if stored:
            turn.answer = messages[-1]
            return
        kept = await self.database.query(TURN, turn.owner, turn.key)
        if len(kept) > 1:  # by another run, or by this one when the confirmation was lost on the way
            turn.answer = _message(kept[-1])
        elif await self.database.query(EXISTS, turn.owner, turn.thread_id):
            raise Busy
        else:
            raise NotFound

    async def release(self, turn: Turn) -> None:
        """Give the lease back without an answer, in one attempt."""
        await self.database.query(RELEASE, turn.owner, turn.thread_id, turn.run, patient=False)

    # Threads

    async def create(self, owner: str, title: str | None = None, thread_id: str | None = None) -> str:
        """Make an empty thread, unless it is there."""
        thread_id = thread_id or str(uuid.uuid4())
        (thread,) = await self.database.query(CREATE, owner, thread_id, title)
        if thread["title"] != title:
            raise KeyReused
        return thread_id

    async def rename(self, owner: str, thread_id: str, title: str | None) -> None:
        """Give a thread another title."""
        if not await self.database.query(RENAME, owner, thread_id, title):
            raise NotFound

    async def delete(self, owner: str, thread_id: str) -> None:
        """Delete a thread and its messages."""
        if not await self.database.query(DELETE, owner, thread_id):
            raise NotFound

    async def threads(self, owner: str, limit: int, before: str | None = None) -> list[Thread]:
        """Threads, newest first."""
        if before is None:
            rows = await self.database.query(THREADS, owner, limit)
        else:
            rows = await self.database.query(THREADS_BEFORE, owner, limit, before)
        return [Thread(**row) for row in rows]

    async def messages(self, owner: str, thread_id: str, limit: int, before: int | None = None) -> list[Message]:
        """Messages, newest first."""
        rows = await self.database.query(MESSAGES, owner, thread_id, limit, LAST if before is None else before)
        if not rows and not await self.database.query(EXISTS, owner, thread_id):
            raise NotFound
        return [_shown(row) for row in rows]

    async def forget(self, days: int, batch: int) -> int:
        """Delete threads without a message for `days` days."""
        return len(await self.database.query(FORGET, days, batch))

    # Revocations

    async def revoke(self, revocation: Revocation) -> None:
        """End a session, or all."""
        times = (revocation.opened_by, revocation.expires_at)
        await self.database.query(REVOKE, revocation.owner, revocation.session, *times)

    async def is_revoked(self, owner: str, session: str, opened_at: datetime) -> bool:
        """Whether a session was ended."""
        return bool(await self.database.query(REVOKED, owner, session, ALL, opened_at))

    async def forget_revocations(self, batch: int) -> int:
        """Delete revocations that have expired."""
        return len(await self.database.query(FORGET_REVOCATIONS, batch))

    # The whole memory

    async def every_revocation(self) -> AsyncGenerator[Revocation]:
        """All revocations."""
        place, more = ("", ""), True  # no owner is called so
        while more:
            rows = await self.database.query(EVERY_REVOCATION, *place, PAGE)
            for row in rows:
                yield Revocation(*row)
                place = (row["owner"], row["session_id"])
            more = len(rows) == PAGE

    async def every_thread(self) -> AsyncGenerator[tuple[str, Thread]]:
        """All threads, those of an owner together, oldest first."""
        place: tuple[str, datetime, str] = ("", FIRST, "")  # no owner is called so
        more = True
        while more:
            rows = await self.database.query(EVERY_THREAD, *place, PAGE)
            for owner, *thread in rows:
                yield owner, Thread(*thread)
                place = (owner, thread[2], thread[0])
            more = len(rows) == PAGE

    async def every_message(self, owner: str, thread_id: str) -> AsyncGenerator[Message]:
        """All messages of a thread, oldest first."""
        last, more = 0, True
        while more:
            rows = await self.database.query(EVERY_MESSAGE, owner, thread_id, last, PAGE)
            for row in rows:
                last = row["id"]
                yield replace(_message(row), id=last, turn=row["turn"], created_at=row["created_at"])
            more = len(rows) == PAGE

    async def restore(self, owner: str, thread: Thread, messages: Sequence[Message]) -> Thread:
        """Put back a thread, or more of its messages, in one statement."""
        if messages:
            await self.database.query(NUMBER_ABOVE, messages[-1].id)
        used = max([thread.created_at, *(message.created_at for message in messages if message.created_at)])
        try:
            (row,) = await self.database.query(
                RESTORE,
                *(owner, thread.id, thread.title, thread.created_at, thread.updated_at, used.astimezone(UTC).date()),
                [message.id for message in messages],
                [message.turn for message in messages],
                [message.role for message in messages],
                [message.content for message in messages],
                [_json(message.data) for message in messages],
                [_json(message.usage) for message in messages],
                [message.created_at for message in messages],
            )
        except UniqueViolationError:
            raise KeyReused from None
        return Thread(**row)


def build_memory(settings: Settings) -> Memory:
    """The memory that the settings describe."""
    return PostgresMemory(Postgres(settings), settings.history_window, settings.max_content)


def _window(rows: list[Record], key: str) -> list[Message]:
    """The messages before the turn, from a user's on: a tool's result says nothing without the call before it."""
    earlier = [row for row in rows if row["role"] and row["turn"] != key]
    start = next((n for n, row in enumerate(earlier) if row["role"] == "user"), len(earlier))
    return [_message(row) for row in earlier[start:]]


def _message(row: Record) -> Message:
    data, usage = row["data"], row.get("usage")
    return Message(row["role"], row["content"], data and json.loads(data), usage and json.loads(usage))


def _shown(row: Record) -> Message:
    """A message as people see it."""
    return Message(row["role"], row["content"], ending(row["data"]), id=row["id"], created_at=row["created_at"])


def _json(value: Mapping[str, object] | None) -> str | None:
    return None if value is None else json.dumps(value)
