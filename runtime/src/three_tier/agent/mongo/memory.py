"""The agent's memory in MongoDB: threads, their messages, and ended sessions (see contract.Memory).

threads    _id, owner, id, title, created_at, updated_at
           run, run_until    the lease: the attempt at a turn that holds the thread, and until when
           last              the highest number given to a message
           answer            the messages of the newest answer
           used_on           the day of the newest message, for the retention
messages   _id               of a question {owner, turn}, so that a key counts once; of others an ObjectId
           thread            the _id of its thread: a new thread never shows what an old one of the same name has left
           turn, id          the idempotency key of the turn, and the number of the message within the thread
           role, content, data, usage, created_at
revocations  _id             OWNER/SESSION of an ended session, or OWNER/* for all of the owner's
             opened_by       of those that were opened until then
             expires_at      when they would have ended by themselves

Nothing here needs a transaction. A turn is three writes; each is atomic by itself and may run twice:

1. take: the lease and the number of the question, in the thread's document;
2. ask: the answer of the turn before and the question become messages, each under an _id of its own;
3. answer: the answer goes into the thread's document, in the same write that gives the lease back, and only if this
   run still holds it. From then on it is safe; whoever reads the messages reads it there.

A crash before 2 leaves a lease that runs out; before 3 a question, which the retry with the same key finds and answers;
after 3 an answer, which the next turn or retry copies. The times of leases come from the agents' clocks. One that is
wrong can take a thread too early, but then the former holder cannot write any more: every write names its run.

A deleted thread goes to the owner NOBODY, in one write; then its messages are erased, and it itself. Where that breaks
off, the retry or the next deletion goes on.
"""

import json
import uuid
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio
import bson
from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.results import UpdateResult

from three_tier.agent.contract import (
    ALL,
    Busy,
    KeyReused,
    Memory,
    Message,
    NotFound,
    NotStorable,
    Revocation,
    Thread,
    Turn,
    Unavailable,
    check,
    ending,
)
from three_tier.agent.mongo.database import Database, Document, Mongo
from three_tier.agent.patience import Waiting
from three_tier.agent.settings import Settings

NOBODY = ""  # no caller has this name
NEVER = datetime.fromtimestamp(0, UTC)
FREE = {"run": None, "run_until": NEVER}
INDEXES = {
    "threads": {"owner_1_id_1"},
    "messages": {"thread_1_id_1", "thread_1_turn_1_id_1"},
    "revocations": {"expires_at_1"},
}
LAST = 2**63 - 1  # no message has a higher id
LARGEST = 16_500_000  # bytes of an answer; a document has at most 16 MiB
BATCH = 100  # threads that are erased at once
PAGE = 25  # threads or messages that are read at once, of the whole memory


class MongoMemory:
    """Threads and messages in MongoDB."""

    def __init__(self, database: Mongo, window: int, max_content: int) -> None:
        """Keep threads in this database.

        Args:
            database: where the collections are.
            window: how many messages a window has.
            max_content: bytes of a message.
        """
        self.database = database
        self.window = window
        self.max_content = max_content

    @property
    def db(self) -> Database:
        """The database, for own collections."""
        return self.database.connected()

    async def close(self) -> None:
        """Give the connections back."""
        await self.database.close()

    async def ping(self) -> None:
        """Read all collections and see that their indexes are there."""
        for collection, indexes in INDEXES.items():
            await self._check(collection, indexes)

    async def _check(self, collection: str, indexes: set[str]) -> None:
        found = await self.database.query(lambda db: db[collection].index_information(), patient=False)
        if not indexes <= found.keys():
            raise Unavailable("the collections are missing: check DB_NAME, or apply init-collections.js")
        await self.database.query(lambda db: db[collection].find_one({"_id": NOBODY}), patient=False)

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
        try:
            thread = await self._take(owner, thread_id, run, create=create, lease=lease, wait=wait)
            turn = Turn(owner, thread_id, key, run, question, [], place=thread["last"])
            await self._ask(thread, turn)
            turn.history = await self._window(thread, turn)
        except Unavailable:
            raise  # to ask again would take as long again; the lease runs out by itself
        except BaseException:
            await self._undo(owner, thread_id, run, create=create)
            raise
        return turn

    async def _take(self, owner: str, thread_id: str, run: str, *, create: bool, lease: float, wait: float) -> Document:
        waiting = Waiting(wait)
        while not (thread := await self._try_to_take(owner, thread_id, run, create=create, lease=lease)):
            if not create and not await self._thread(owner, thread_id):
                raise NotFound
            await waiting.pause()
        return thread

    async def _try_to_take(
        self, owner: str, thread_id: str, run: str, *, create: bool, lease: float
    ) -> Document | None:
        def take(db: Database) -> Awaitable[Document | None]:
            now = datetime.now(UTC)
            return db.threads.find_one_and_update(
                {"owner": owner, "id": thread_id, "$or": [{"run_until": {"$lt": now}}, {"run": run}]},
                {
                    "$set": {"run": run, "run_until": now + timedelta(seconds=lease), **_used(now)},
                    "$inc": {"last": 1},
                    "$setOnInsert": {"_id": ObjectId(), "title": None, "created_at": now, "answer": []},
                },
                {"last": 1, "answer": 1},
                upsert=create,
                return_document=ReturnDocument.AFTER,
            )

        try:
            return await self.database.query(take)
        except DuplicateKeyError:  # another run holds the thread, or has just made it
            return None

    async def _ask(self, thread: Document, turn: Turn) -> None:
        """Store the question, or find what became of it before."""
        answer = [{**message, "thread": thread["_id"]} for message in thread["answer"]]
        question = {
            **_document(turn, Message("user", turn.question), turn.place),
            "_id": {"owner": turn.owner, "turn": turn.key},
            "thread": thread["_id"],
        }
        while not await self._insert(answer, question):
            if asked := await self._asked(turn.owner, turn.key):
                if asked["thread"] != thread["_id"] or asked["content"] != turn.question:
                    raise KeyReused
                turn.answer = await self._reply(thread["_id"], turn.key)
                return

    async def _insert(self, answer: list[Document], question: Document) -> bool:
        """Append what is not there yet. False: the question was."""
        try:
            await self.database.query(lambda db: db.messages.insert_many([*answer, question], ordered=False))
        except BulkWriteError as error:
            return all(refused["op"]["_id"] != question["_id"] for refused in error.details["writeErrors"])
        return True

    async def _asked(self, owner: str, key: str) -> Document | None:
        """The question of a turn. One that a deleted thread has left is erased."""
        asked = await self.database.query(lambda db: db.messages.find_one({"_id": {"owner": owner, "turn": key}}))
        if not asked:
            return None
        there = {"_id": asked["thread"], "owner": owner}
        if not await self.database.query(lambda db: db.threads.find_one(there, {"_id": 1})):
            await self.database.query(lambda db: db.messages.delete_many({"thread": asked["thread"]}))
            return None
        return asked

    async def _reply(self, thread: ObjectId, key: str) -> Message | None:
        """The reply of a turn."""
        newest = await self.database.query(lambda db: db.threads.find_one({"_id": thread}, {"answer": 1}))
        if newest and newest["answer"] and newest["answer"][-1]["turn"] == key:
            return _message(newest["answer"][-1])
        answers = {"thread": thread, "turn": key, "role": {"$ne": "user"}}
        stored = await self.database.query(lambda db: db.messages.find_one(answers, sort=[("id", DESCENDING)]))
        return _message(stored) if stored else None

    async def _window(self, thread: Document, turn: Turn) -> list[Message]:
        """The messages before the turn, from a user's on: a tool's result says nothing without the call before it."""
        if not self.window:
            return []  # to MongoDB a limit of 0 is none
        before = {"thread": thread["_id"], "id": {"$lt": turn.place}}
        newest = await self.database.query(
            lambda db: db.messages.find(before).sort("id", DESCENDING).limit(self.window).to_list()
        )
        earlier = [message for message in reversed(newest) if message["turn"] != turn.key]
        start = next((n for n, message in enumerate(earlier) if message["role"] == "user"), len(earlier))
        return [_message(message) for message in earlier[start:]]

    async def _undo(self, owner: str, thread_id: str, run: str, *, create: bool) -> None:
        """Leave neither a lease nor an empty new thread behind."""
        held = {"owner": owner, "id": thread_id, "run": run}
        with anyio.CancelScope(shield=True), suppress(Unavailable):
            thread = await self.database.query(lambda db: db.threads.find_one(held, {"_id": 1}), patient=False)
            if not thread:
                return
            if create and not await self._is_used(thread["_id"]):
                await self.database.query(lambda db: db.threads.delete_one(held), patient=False)
            await self.database.query(lambda db: db.threads.update_one(held, {"$set": FREE}), patient=False)

    async def _is_used(self, thread: ObjectId) -> bool:
        return bool(
            await self.database.query(lambda db: db.messages.find_one({"thread": thread}, {"_id": 1}), patient=False)
        )

    async def renew(self, turn: Turn, lease: float) -> bool:
        """Hold the lease for `lease` more seconds."""

        def extend(db: Database) -> Awaitable[UpdateResult]:
            until = datetime.now(UTC) + timedelta(seconds=lease)
            return db.threads.update_one(_held(turn), {"$set": {"run_until": until}})

        return bool((await self.database.query(extend)).matched_count)

    async def finish(self, turn: Turn, messages: Sequence[Message]) -> None:
        """Write the answer and give the lease back in one write, if it still holds."""
        for message in messages:
            check(message, self.max_content)
        answer = [
            {"_id": ObjectId(), **_document(turn, message, turn.place + n)} for n, message in enumerate(messages, 1)
        ]
        if (size := _size(answer)) > LARGEST:
            raise NotStorable(f"an answer has {size} bytes in all its steps, more than {LARGEST}: lower MAX_CONTENT")
        change = {
            "$set": {**FREE, **_used(datetime.now(UTC)), "answer": answer},
            "$max": {"last": turn.place + len(messages)},
        }
        if (await self.database.query(lambda db: db.threads.update_one(_held(turn), change))).matched_count:
            turn.answer = messages[-1]
            return
        if not (asked := await self._asked(turn.owner, turn.key)):
            raise NotFound
        turn.answer = await self._reply(asked["thread"], turn.key)
        if turn.answer is None:  # else by another run, or by this one when the confirmation was lost on the way
            raise Busy

    async def release(self, turn: Turn) -> None:
        """Give the lease back without an answer, in one attempt."""
        await self.database.query(lambda db: db.threads.update_one(_held(turn), {"$set": FREE}), patient=False)

    # Threads

    async def create(self, owner: str, title: str | None = None, thread_id: str | None = None) -> str:
        """Make an empty thread, unless it is there."""
        thread_id, now = thread_id or str(uuid.uuid4()), datetime.now(UTC)
        thread = {"_id": ObjectId(), "title": title, "created_at": now, **_used(now), **FREE, "last": 0, "answer": []}

        def make(db: Database) -> Awaitable[Document | None]:
            return db.threads.find_one_and_update(
                {"owner": owner, "id": thread_id},
                {"$setOnInsert": thread},
                {"title": 1},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )

        kept: Document | None = None
        while not kept:
            with suppress(DuplicateKeyError):  # another call made it at the same moment
                kept = await self.database.query(make)
        if kept["title"] != title:
            raise KeyReused
        return thread_id

    async def rename(self, owner: str, thread_id: str, title: str | None) -> None:
        """Give a thread another title."""
        change = {"$set": {"title": title, "updated_at": datetime.now(UTC)}}
        renamed = await self.database.query(lambda db: db.threads.update_one({"owner": owner, "id": thread_id}, change))
        if not renamed.matched_count:
            raise NotFound

    async def delete(self, owner: str, thread_id: str) -> None:
        """Delete a thread and its messages."""
        deleted = await self.database.query(
            lambda db: db.threads.update_one({"owner": owner, "id": thread_id}, _deletion())
        )
        await self._erase_deleted()
        if not deleted.matched_count:
            raise NotFound

    async def threads(self, owner: str, limit: int, before: str | None = None) -> list[Thread]:
        """Threads, newest first."""
        wanted: Document = {"owner": owner}
        if before is not None:
            if not (last := await self._thread(owner, before)):
                return []
            wanted["created_at"] = {"$lte": last["created_at"]}
            wanted["$or"] = [{"created_at": {"$lt": last["created_at"]}}, {"_id": {"$lt": last["_id"]}}]
        order = [("created_at", DESCENDING), ("_id", DESCENDING)]
        found = await self.database.query(
            lambda db: db.threads.find(wanted, {"answer": 0}).sort(order).limit(limit).to_list()
        )
        return [_thread(each) for each in found]

    async def messages(self, owner: str, thread_id: str, limit: int, before: int | None = None) -> list[Message]:
        """Messages, newest first."""
        if not (thread := await self._thread(owner, thread_id)):
            raise NotFound
        end = LAST if before is None else before
        shown = {"thread": thread["_id"], "id": {"$lt": end}, "role": {"$ne": "tool"}, "content": {"$ne": ""}}
        stored = await self.database.query(
            lambda db: db.messages.find(shown).sort("id", DESCENDING).limit(limit).to_list()
        )
        found = {
            message["id"]: message
            for message in (*thread["answer"], *stored)
            if message["id"] < end and message["role"] != "tool" and message["content"]
        }
        return [_shown(found[number]) for number in sorted(found, reverse=True)[:limit]]

    async def _thread(self, owner: str, thread_id: str) -> Document | None:
        return await self.database.query(lambda db: db.threads.find_one({"owner": owner, "id": thread_id}))

    async def forget(self, days: int, batch: int) -> int:
        """Delete threads without a message for `days` days."""
        now = datetime.now(UTC)
        old = {"used_on": {"$lt": _day(now) - timedelta(days=days)}, "run_until": {"$lt": now}}
        found = await self.database.query(
            lambda db: db.threads.find(old, {"_id": 1}).sort("used_on").limit(batch).to_list()
        )
        deletions = [UpdateOne({"_id": thread["_id"], **old}, _deletion()) for thread in found]
        forgotten = 0
        if deletions:
            forgotten = (await self.database.query(lambda db: db.threads.bulk_write(deletions))).matched_count
        await self._erase_deleted()
        return forgotten

    # Revocations

    async def revoke(self, revocation: Revocation) -> None:
        """End a session, or all."""
        place = {"_id": f"{revocation.owner}/{revocation.session}"}
        change = {"$max": {"opened_by": revocation.opened_by, "expires_at": revocation.expires_at}}
        written = False
        while not written:
            with suppress(DuplicateKeyError):  # another call made it at the same moment
                await self.database.query(lambda db: db.revocations.update_one(place, change, upsert=True))
                written = True

    async def is_revoked(self, owner: str, session: str, opened_at: datetime) -> bool:
        """Whether a session was ended."""
        wanted = {"_id": {"$in": [f"{owner}/{session}", f"{owner}/{ALL}"]}, "opened_by": {"$gte": opened_at}}
        return bool(await self.database.query(lambda db: db.revocations.find_one(wanted)))

    async def forget_revocations(self, batch: int) -> int:
        """Delete revocations that have expired."""
        expired = {"expires_at": {"$lt": datetime.now(UTC)}}
        found = await self.database.query(lambda db: db.revocations.find(expired, {"_id": 1}).limit(batch).to_list())
        if not found:
            return 0
        old = {"_id": {"$in": [each["_id"] for each in found]}, **expired}
        return (await self.database.query(lambda db: db.revocations.delete_many(old))).deleted_count

    # The whole memory

    async def every_revocation(self) -> AsyncGenerator[Revocation]:
        """All revocations."""
        place, more = "", True
        while more:
            found = await self._revocations_after(place)
            for each in found:
                place = each["_id"]
                owner, _, session = place.partition("/")
                yield Revocation(owner, session, each["opened_by"], each["expires_at"])
            more = len(found) == PAGE

    async def _revocations_after(self, place: str) -> list[Document]:
        return await self.database.query(
            lambda db: db.revocations.find({"_id": {"$gt": place}}).sort("_id", ASCENDING).limit(PAGE).to_list()
        )

    async def every_thread(self) -> AsyncGenerator[tuple[str, Thread]]:
        """All threads, those of an owner together, oldest first."""
        owner = NOBODY
        while found := await self._first_after(owner):
            owner = found["owner"]
            async for thread in self._oldest_first(owner):
                yield owner, thread

    async def _first_after(self, owner: str) -> Document | None:
        wanted = {"owner": {"$gt": owner}}
        return await self.database.query(
            lambda db: db.threads.find_one(wanted, {"owner": 1}, sort=[("owner", ASCENDING)])
        )

    async def _oldest_first(self, owner: str) -> AsyncGenerator[Thread]:
        wanted: Document = {"owner": owner}
        order = [("created_at", ASCENDING), ("_id", ASCENDING)]
        more = True
        while more:
            found = await self.database.query(
                lambda db: db.threads.find(wanted, {"answer": 0}).sort(order).limit(PAGE).to_list()
            )
            for each in found:
                yield _thread(each)
                wanted["created_at"] = {"$gte": each["created_at"]}
                wanted["$or"] = [{"created_at": {"$gt": each["created_at"]}}, {"_id": {"$gt": each["_id"]}}]
            more = len(found) == PAGE

    async def every_message(self, owner: str, thread_id: str) -> AsyncGenerator[Message]:
        """All messages of a thread, oldest first, those of its newest answer too."""
        if not (thread := await self._thread(owner, thread_id)):
            return
        answer = thread["answer"]
        async for message in self._stored(thread["_id"]):
            while answer and answer[0]["id"] < message["id"]:
                yield _whole(answer.pop(0))
            if answer and answer[0]["id"] == message["id"]:
                del answer[0]
            yield _whole(message)
        for message in answer:
            yield _whole(message)

    async def _stored(self, thread: ObjectId) -> AsyncGenerator[Document]:
        last, more = 0, True
        while more:
            found = await self._stored_after(thread, last)
            for message in found:
                last = message["id"]
                yield message
            more = len(found) == PAGE

    async def _stored_after(self, thread: ObjectId, last: int) -> list[Document]:
        wanted = {"thread": thread, "id": {"$gt": last}}
        return await self.database.query(
            lambda db: db.messages.find(wanted).sort("id", ASCENDING).limit(PAGE).to_list()
        )

    async def restore(self, owner: str, thread: Thread, messages: Sequence[Message]) -> Thread:
        """Put back a thread, then its messages."""
        await self._refuse_keys_of_others(owner, thread.id, messages)
        times = {"created_at": thread.created_at, "updated_at": thread.updated_at}
        used = max([thread.created_at, *(message.created_at for message in messages if message.created_at)])
        change = {
            "$setOnInsert": {"_id": ObjectId(), "title": thread.title, **times, **FREE, "answer": []},
            "$max": {"last": messages[-1].id if messages else 0, "used_on": _day(used.astimezone(UTC))},
        }
        restored = await self.database.query(
            lambda db: db.threads.find_one_and_update(
                {"owner": owner, "id": thread.id},
                change,
                {"answer": 0},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        )
        if not restored:
            raise NotFound
        additions = [
            UpdateOne({"thread": restored["_id"], "id": each.id}, {"$setOnInsert": _restored(owner, each)}, upsert=True)
            for each in messages
        ]
        if additions:
            await self.database.query(lambda db: db.messages.bulk_write(additions))
        return _thread(restored)

    async def _refuse_keys_of_others(self, owner: str, thread_id: str, messages: Sequence[Message]) -> None:
        keys = [{"owner": owner, "turn": message.turn} for message in messages if message.role == "user"]
        found = await self.database.query(
            lambda db: db.messages.find({"_id": {"$in": keys}}, {"turn": 1}).limit(len(keys) or 1).to_list()
        )
        if not found:
            return
        thread = await self._thread(owner, thread_id)
        for turn in [question["turn"] for question in found]:
            asked = await self._asked(owner, turn)
            if asked and (not thread or asked["thread"] != thread["_id"]):
                raise KeyReused

    async def _erase_deleted(self) -> None:
        """Erase the threads of NOBODY with their messages, a batch at a time."""
        while found := await self.database.query(
            lambda db: db.threads.find({"owner": NOBODY}, {"_id": 1}).limit(BATCH).to_list()
        ):
            await self._erase({"$in": [thread["_id"] for thread in found]})

    async def _erase(self, threads: Document) -> None:
        await self.database.query(lambda db: db.messages.delete_many({"thread": threads}))
        await self.database.query(lambda db: db.threads.delete_many({"_id": threads}))


def build_memory(settings: Settings) -> Memory:
    """The memory that the settings describe."""
    return MongoMemory(Mongo(settings), settings.history_window, settings.max_content)


def _held(turn: Turn) -> Document:
    return {"owner": turn.owner, "id": turn.thread_id, "run": turn.run}


def _used(now: datetime) -> Document:
    return {"updated_at": now, "used_on": _day(now)}


def _day(now: datetime) -> datetime:
    """Its first moment; so the index on `used_on` changes once a day and not with every turn."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _deletion() -> Document:
    return {"$set": {**FREE, "owner": NOBODY, "id": uuid.uuid4().hex}}


def _document(turn: Turn, message: Message, number: int) -> Document:
    return {
        "id": number,
        "turn": turn.key,
        "role": message.role,
        "content": message.content,
        "data": _json(message.data),
        "usage": _json(message.usage),
        "created_at": datetime.now(UTC),
    }


def _restored(owner: str, message: Message) -> Document:
    return {
        "_id": {"owner": owner, "turn": message.turn} if message.role == "user" else ObjectId(),
        "turn": message.turn,
        "role": message.role,
        "content": message.content,
        "data": _json(message.data),
        "usage": _json(message.usage),
        "created_at": message.created_at,
    }


def _thread(document: Document) -> Thread:
    return Thread(document["id"], document["title"], document["created_at"], document["updated_at"])


def _whole(document: Document) -> Message:
    """A message with all that is stored of it."""
    place = {"id": document["id"], "turn": document["turn"], "created_at": document["created_at"]}
    return replace(_message(document), **place)


def _message(document: Document) -> Message:
    data, usage = document["data"], document["usage"]
    return Message(document["role"], document["content"], data and json.loads(data), usage and json.loads(usage))


def _shown(document: Document) -> Message:
    """A message as people see it."""
    place = {"id": document["id"], "created_at": document["created_at"]}
    return Message(document["role"], document["content"], ending(document["data"]), **place)


def _size(answer: list[Document]) -> int:
    return len(bson.encode({"answer": answer}))


def _json(value: Mapping[str, object] | None) -> str | None:
    """As text: what a tool returns may hold names and characters that a document must not."""
    return None if value is None else json.dumps(value)
