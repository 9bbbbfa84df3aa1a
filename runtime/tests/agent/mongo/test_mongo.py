"""What only MongoDB can show: an index for every search, and turns that survive a crash between any two writes."""

import inspect
import itertools
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

import pytest
from bson import ObjectId
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, OperationFailure
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from tests.agent.mongo.behind import age
from three_tier.agent.contract import Busy, KeyReused, Message, NotFound, NotStorable, Revocation, Turn
from three_tier.agent.mongo import database as mongo
from three_tier.agent.mongo import memory
from three_tier.agent.mongo.database import Document, Mongo, explain, is_down
from three_tier.agent.mongo.memory import MongoMemory
from three_tier.agent.settings import Settings

pytestmark = pytest.mark.anyio

type Keys = list[tuple[str, int]]

REPLY = [Message("assistant", "", {"calls": ["add"]}), Message("tool", "3"), Message("assistant", "three")]
SAID = [("user", "hi"), ("assistant", "three")]
CENTURIES = 100_000  # days; so old is no thread but those of these tests


@pytest.fixture
async def database(real: Settings) -> AsyncIterator[Mongo]:
    database = Mongo(real)
    yield database
    await database.close()


@pytest.fixture
def kept(database: Mongo) -> MongoMemory:
    return MongoMemory(database, 40, 1_000_000)


@pytest.fixture
def owner() -> str:
    return f"test:{uuid.uuid4()}"


async def begin(kept: MongoMemory, owner: str, thread_id: str, key: str, question: str = "hi", **options: Any) -> Turn:
    timing = {"create": True, "lease": 10.0, "wait": 10.0, **options}
    return await kept.begin(owner, thread_id, key, question, uuid.uuid4().hex, **timing)


async def lead(kept: MongoMemory, owner: str, thread_id: str, key: str, **options: Any) -> None:
    """A whole turn."""
    turn = await begin(kept, owner, thread_id, key, **options)
    if turn.answer is None:
        await kept.finish(turn, REPLY)
    else:
        await kept.release(turn)


async def said(kept: MongoMemory, owner: str, thread_id: str) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in (await kept.messages(owner, thread_id, 100))[::-1]]


# Indexes


class Commands(CommandListener):
    """The commands that were sent."""

    def __init__(self) -> None:
        self.sent: list[Mapping[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command:  # the driver empties those that log in
            self.sent.append(event.command)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Every command that the memory sends from now on."""
    commands = Commands()

    def connect(*args: Any, **options: Any) -> AsyncMongoClient[Document]:
        return AsyncMongoClient(*args, **options, event_listeners=[commands])

    monkeypatch.setattr(mongo, "AsyncMongoClient", connect)
    return commands


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The lines of memory.py that have sent something."""
    asked = set()
    query = Mongo.query

    def spy(database: Mongo, *args: Any, **options: Any) -> Any:
        frame = inspect.currentframe()
        assert frame is not None
        assert frame.f_back is not None
        asked.add(frame.f_back.f_lineno)
        return query(database, *args, **options)

    monkeypatch.setattr(Mongo, "query", spy)
    return asked


def searches(command: Mapping[str, Any]) -> Iterator[tuple[str, Document, Keys]]:
    """The collection, filter and order of everything that a command looks for."""
    name, collection = next(iter(command.items()))
    match name:
        case "find":
            assert 0 < command["limit"] <= 100, f"an unbounded read: {command}"
            yield collection, command["filter"], [*command.get("sort", {}).items()]
        case "findAndModify":
            yield collection, command["query"], []
        case "update" | "delete":
            for part in command[f"{name}s"]:
                yield collection, part["q"], []
        case "insert" | "listIndexes" | "endSessions":
            pass
        case _:
            pytest.fail(f"no rule for {name}")


def serves(index: Keys, wanted: Document, order: Keys) -> bool:
    """Whether an index leads to what is wanted, in that order."""
    rest = [*index]
    while rest and is_exact(wanted.get(rest[0][0], {"$exists": False})):
        del rest[0]
    if len(rest) == len(index) and rest[0][0] not in wanted:
        return False
    return rest[: len(order)] in (order, [(field, -direction) for field, direction in order])


def is_exact(value: object) -> bool:
    return not isinstance(value, dict) or "$in" in value or not any(key.startswith("$") for key in value)


@pytest.mark.parametrize(
    ("wanted", "order", "served"),
    [
        ({"a": 1}, [], True),
        ({"a": {"$in": [1, 2]}, "b": 2}, [], True),
        ({"a": {"x": 1}, "b": {"$lt": 3}}, [("b", -1)], True),
        ({"a": 1}, [("b", 1), ("c", 1)], True),
        ({"a": 1}, [("b", -1), ("c", -1)], True),
        ({"a": {"$lt": 1}}, [("a", 1)], True),
        ({"b": 1}, [], False),
        ({}, [], False),
        ({"a": {"$lt": 1}}, [("b", 1)], False),
        ({"a": 1}, [("c", 1)], False),
        ({"a": 1}, [("b", 1), ("c", -1)], False),
    ],
)
def test_the_rule_for_indexes(wanted: Document, order: Keys, *, served: bool) -> None:
    assert serves([("a", 1), ("b", 1), ("c", 1)], wanted, order) is served


async def test_every_search_uses_an_index(commands: Commands, asked: set[int], kept: MongoMemory, owner: str) -> None:
    await kept.ping()
    empty = await kept.create(owner, "title")
    await lead(kept, owner, "thread", "k1")
    await lead(kept, owner, "thread", "k1")
    slow = await begin(kept, owner, "thread", "k2", lease=0.01)
    quick = await begin(kept, owner, "thread", "k3")
    await kept.renew(quick, 10)
    with pytest.raises(Busy):
        await kept.finish(slow, REPLY)
    with pytest.raises(Busy):
        await begin(kept, owner, "thread", "k4", create=False, wait=0)
    await kept.release(quick)
    with pytest.raises(KeyReused):
        await begin(kept, owner, "new", "k1")
    await kept.rename(owner, "thread", "title")
    await kept.threads(owner, 5, (await kept.threads(owner, 1))[0].id)
    await kept.messages(owner, "thread", 5, 100)
    await leave_a_question(kept, owner, "k5")
    with pytest.raises(NotFound):
        await begin(kept, owner, "nowhere", "k5", create=False)
    await lead(kept, owner, "thread", "k5")
    await take_out_and_put_back(kept, owner)
    await kept.delete(owner, "thread")
    await age(kept.database.settings, owner, empty, CENTURIES + 2)
    assert await kept.forget(CENTURIES, 5) == 1
    await end_a_session(kept, owner)

    found = [search for command in commands.sent for search in searches(command)]
    assert {collection for collection, _, _ in found} == {*memory.INDEXES}
    indexes = {collection: await indexes_of(kept.database, collection) for collection in memory.INDEXES}
    for collection, wanted, order in found:
        assert any(serves(index, wanted, order) for index in indexes[collection]), (collection, wanted, order)
    lines = enumerate(inspect.getsource(memory).splitlines(), 1)
    assert asked >= {number for number, line in lines if "self.database.query(" in line}


async def take_out_and_put_back(kept: MongoMemory, owner: str) -> None:
    threads = [thread async for found, thread in kept.every_thread() if found == owner]
    for thread in threads:
        messages = [message async for message in kept.every_message(owner, thread.id)]
        await kept.restore(owner, thread, messages)
        for message in messages:
            message.turn += " moved"
        await kept.restore(owner, replace(thread, id=f"{thread.id} moved"), messages)


async def end_a_session(kept: MongoMemory, owner: str) -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    await kept.revoke(Revocation(owner, "one", moment, moment))
    assert await kept.is_revoked(owner, "one", moment)
    assert owner in [found.owner async for found in kept.every_revocation()]
    assert await kept.forget_revocations(5)


async def indexes_of(database: Mongo, collection: str) -> list[Keys]:
    information = await database.query(lambda db: db[collection].index_information())
    return [[*index["key"]] for index in information.values()]


# Crashes


class Killed(BaseException):
    """The end of the process."""


@pytest.fixture
def kill(real: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], MongoMemory]:
    """A memory whose process ends after so many commands."""

    def memory_until(left: int) -> MongoMemory:
        database = Mongo(real)
        commands, query = itertools.count(), database.query

        async def counted(ask: Any, **options: Any) -> Any:
            if next(commands) >= left:
                await database.close()
                raise Killed
            return await query(ask, **options)

        monkeypatch.setattr(database, "query", counted)
        return MongoMemory(database, 40, 1_000_000)

    return memory_until


async def test_a_turn_survives_a_crash_at_every_step(
    kept: MongoMemory, owner: str, kill: Callable[[int], MongoMemory]
) -> None:
    for step in itertools.count():
        thread_id = f"thread {step}"
        await lead(kept, owner, thread_id, f"earlier {step}")
        dying, key = kill(step), f"key {step}"
        try:
            await lead(dying, owner, thread_id, key, lease=0.05)
        except Killed:
            assert (await said(kept, owner, thread_id))[:2] == SAID
            await lead(kept, owner, thread_id, key)
            assert await said(kept, owner, thread_id) == [*SAID, *SAID]
        else:
            await dying.close()
            break
        history = (await begin(kept, owner, thread_id, f"later {step}")).history
        assert [message.role for message in history] == ["user", "assistant", "tool", "assistant"] * 2
    assert step == 4  # take, ask, read, answer


@pytest.mark.parametrize("way", ["delete", "forget"])
async def test_a_deletion_survives_a_crash_at_every_step(
    kept: MongoMemory, owner: str, kill: Callable[[int], MongoMemory], real: Settings, way: str
) -> None:
    async def remove(memory: MongoMemory, thread_id: str) -> None:
        await (memory.delete(owner, thread_id) if way == "delete" else memory.forget(CENTURIES, 10))

    for step in itertools.count():
        thread_id = f"thread {step}"
        for n in range(3):
            await lead(kept, owner, thread_id, f"key {step} {n}")
        thread = await document(kept, owner, thread_id)
        await age(real, owner, thread_id, CENTURIES + 2)
        dying = kill(step)
        try:
            await remove(dying, thread_id)
        except Killed:
            try:
                await remove(kept, thread_id)
            except NotFound:
                assert step > 0
        else:
            await dying.close()
            break
        with pytest.raises(NotFound):
            await said(kept, owner, thread_id)
        assert await left_of(kept, thread["_id"]) == (None, None)
        await lead(kept, owner, thread_id, f"key {step} 0")
        assert await said(kept, owner, thread_id) == SAID
    assert step > 3


async def left_of(kept: MongoMemory, thread: ObjectId) -> tuple[Document | None, Document | None]:
    return (
        await kept.database.query(lambda db: db.threads.find_one({"_id": thread})),
        await kept.database.query(lambda db: db.messages.find_one({"thread": thread})),
    )


async def document(kept: MongoMemory, owner: str, thread_id: str) -> Document:
    found = await kept.database.query(lambda db: db.threads.find_one({"owner": owner, "id": thread_id}))
    assert found is not None
    return found


async def question_of(kept: MongoMemory, owner: str, key: str) -> Document | None:
    return await kept.database.query(lambda db: db.messages.find_one({"_id": {"owner": owner, "turn": key}}))


async def leave_a_question(kept: MongoMemory, owner: str, key: str) -> Turn:
    """Store a question in a thread that is deleted at that very moment."""
    turn = await begin(kept, owner, f"deleted {key}", key)
    question = await question_of(kept, owner, key)
    assert question is not None
    await kept.delete(owner, f"deleted {key}")
    await kept.database.query(lambda db: db.messages.insert_one(question))
    return turn


async def test_a_question_that_a_deleted_thread_left_is_erased(kept: MongoMemory, owner: str) -> None:
    turn = await leave_a_question(kept, owner, "key")
    with pytest.raises(NotFound):
        await kept.finish(turn, REPLY)
    assert await question_of(kept, owner, "key") is None


async def test_a_question_that_a_deleted_thread_left_does_not_take_its_key(kept: MongoMemory, owner: str) -> None:
    await leave_a_question(kept, owner, "key")
    await lead(kept, owner, "another", "key")
    assert await said(kept, owner, "another") == SAID


async def test_an_answer_larger_than_a_document_is_refused(kept: MongoMemory, owner: str) -> None:
    turn = await begin(kept, owner, "thread", "key")
    steps = [Message("tool", "x" * 900_000)] * 17
    with pytest.raises(NotStorable, match="MAX_CONTENT"):
        await kept.finish(turn, [*steps, *steps, *REPLY])
    await kept.finish(turn, [*steps, *REPLY])
    assert await said(kept, owner, "thread") == SAID
    await lead(kept, owner, "thread", "later")
    assert await said(kept, owner, "thread") == [*SAID, *SAID]
    await kept.delete(owner, "thread")


# Rights and outages

REFUSED: list[Document] = [
    {"drop": "messages"},
    {"dropDatabase": 1},
    {"dropIndexes": "messages", "index": "*"},
    {"convertToCapped": "messages", "size": 4096},
    {"collMod": "messages", "validator": {"_id": None}},
    {"create": "another"},
    {"createIndexes": "messages", "indexes": [{"key": {"content": 1}, "name": "another"}]},
    {"createUser": "another", "pwd": token_hex(), "roles": []},
    {"grantRolesToUser": "another", "roles": ["dbOwner"]},
]


async def test_the_user_reads_and_writes_documents_of_this_database_and_does_nothing_else(real: Settings) -> None:
    password = real.database_password.get_secret_value()
    async with AsyncMongoClient[Document](real.database_url, password=password, authSource="admin") as client:
        name = client.get_default_database().name
        status = await client.admin.command("connectionStatus")
        roles = status["authInfo"]["authenticatedUserRoles"]
        if not roles:  # and yet this user can do all that the other tests do
            pytest.skip("this server keeps no roles")
        assert roles == [{"role": "agent", "db": name}]
        for elsewhere in (client.admin, client[f"{name}_2"]):
            with pytest.raises(OperationFailure, match="not authorized"):
                await elsewhere.threads.find_one({})
        for command in REFUSED:
            with pytest.raises(OperationFailure, match="not authorized"):
                await client[name].command(command)


def test_the_reason_of_an_outage_says_nothing_else() -> None:
    secret = token_hex()
    full = BulkWriteError({"writeErrors": [{"code": 11000}, {"code": 14031, "errmsg": secret}]})
    for error, hint in (
        (OperationFailure(secret, 13), "DB_NAME"),
        (OperationFailure(secret, 18), "DB_PASSWORD"),
        (OperationFailure(secret, 14031), "disk"),
        (OperationFailure(secret, 1), "log"),
        (full, "disk"),
        (AutoReconnect(secret), "DATABASE_URL"),
        (TimeoutError(secret), "DATABASE_URL"),
    ):
        assert is_down(error)
        assert hint in explain(error)
        assert secret not in explain(error)


def test_what_is_there_already_is_no_outage() -> None:
    assert not is_down(DuplicateKeyError("there", 11000))
    assert not is_down(BulkWriteError({"writeErrors": [{"code": 11000}]}))
