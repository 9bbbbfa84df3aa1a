"""What only PostgreSQL can show: an index under every statement, its connections, and a role that may do little."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from asyncpg import Connection, Record

from three_tier.agent.contract import Unavailable
from three_tier.agent.postgres import database as postgres
from three_tier.agent.postgres import memory
from three_tier.agent.postgres.database import Postgres
from three_tier.agent.settings import Settings

pytestmark = pytest.mark.anyio

type Link = Connection[Record]

SECONDS = timedelta(seconds=10)
MOMENT = datetime(2020, 1, 1, tzinfo=UTC)
STATEMENTS: dict[str, tuple[object, ...]] = {
    "BEGIN": ("owner", "thread 7", "run", SECONDS, "key", "question", 40),
    "BEGIN_NEW": ("owner", "thread 7", "run", SECONDS, "key", "question", 40),
    "ANSWER": ("owner", "thread 7", "run", "key", ["assistant"], ["reply"], [None], [None]),
    "RENEW": ("owner", "thread 7", "run", SECONDS),
    "RELEASE": ("owner", "thread 7", "run"),
    "DROP_EMPTY": ("owner", "thread 7", "run"),
    "TURN": ("owner", "key"),
    "EXISTS": ("owner", "thread 7"),
    "CREATE": ("owner", "thread 7", None),
    "RENAME": ("owner", "thread 7", "title"),
    "DELETE": ("owner", "thread 7"),
    "THREADS": ("owner", 50),
    "THREADS_BEFORE": ("owner", 50, "thread"),
    "MESSAGES": ("owner", "thread 7", 50, memory.LAST),
    "FORGET": (190, 100),
    "REVOKE": ("owner", "session", MOMENT, MOMENT),
    "REVOKED": ("owner", "session", "*", MOMENT),
    "FORGET_REVOCATIONS": (100,),
    "EVERY_REVOCATION": ("owner", "session", 25),
    "EVERY_THREAD": ("owner", MOMENT, "thread 7", 25),
    "EVERY_MESSAGE": ("owner", "thread 7", 0, 25),
    "RESTORE": (
        *("owner", "thread 7", None, MOMENT, MOMENT, MOMENT.date()),
        *([1], ["key"], ["user"], ["question"], [None], [None], [MOMENT]),
    ),
}


async def connect(real: Settings) -> AsyncIterator[Link]:
    password = real.database_password.get_secret_value()
    connection = await asyncpg.connect(real.database_url, password=password, command_timeout=30)
    yield connection
    await connection.close()


connection = pytest.fixture(connect, name="connection")
another = pytest.fixture(connect, name="another")


def test_every_statement_is_examined() -> None:
    sql = {
        name
        for name, value in vars(memory).items()
        if name.isupper() and isinstance(value, str) and re.match(r"\s*(select|insert|update|delete|with) ", value)
    }
    parts = {"TAKE", "TAKE_OR_CREATE"}
    assert sql == {*STATEMENTS, *parts, "PING", "NUMBER_ABOVE"}  # PING reads one row of each table, NUMBER_ABOVE none


@pytest.fixture
async def full(connection: Link) -> AsyncIterator[Link]:
    """A database that is worth an index, for as long as the test runs."""
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("""
        insert into threads (owner, id, used_on, created_at)
        select 'owner', 'thread ' || n, current_date - n / 10, now() - n * interval '1 minute'
        from generate_series(1, 2000) as n;
        insert into messages (owner, thread_id, turn, step, role, content)
        select 'owner', 'thread ' || n % 2000 + 1, 'turn ' || n, 0, 'user', 'text' from generate_series(1, 20000) as n;
        set local enable_seqscan = off -- there are no statistics: only the owner of a table may analyze it
    """)
    yield connection
    await transaction.rollback()


async def test_every_statement_uses_an_index(full: Link) -> None:
    for name, values in STATEMENTS.items():
        (plan,) = json.loads(await full.fetchval(f"explain (format json) {getattr(memory, name)}", *values))
        for scan in scans(plan["Plan"]):
            assert scan.keys() & {"Index Cond", "Recheck Cond", "TID Cond"}, f"{name}: {scan['Node Type']}"


def scans(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a plan that read a table."""
    below = [found for child in plan.get("Plans", ()) for found in scans(child)]
    return [plan, *below] if "Relation Name" in plan and plan["Node Type"].endswith("Scan") else below


async def test_the_updates_of_a_turn_leave_the_indexes_alone(connection: Link) -> None:
    owner, transaction = f"test:{uuid.uuid4()}", connection.transaction()
    await transaction.start()
    await connection.execute(memory.CREATE, owner, "thread", None)
    for n in range(3):
        asked = (f"run {n}", SECONDS, f"key {n}", "question", 40)
        assert await connection.fetch(memory.BEGIN, owner, "thread", *asked)
        values = (["assistant"], ["reply"], [None], [None])
        assert await connection.fetch(memory.ANSWER, owner, "thread", f"run {n}", f"key {n}", *values)
    counts = "select n_tup_upd, n_tup_hot_upd from pg_stat_xact_user_tables where relname = 'threads'"
    updates, hot = await connection.fetchrow(counts) or (0, -1)
    assert updates == hot == 6
    await transaction.rollback()


@pytest.mark.parametrize("begin", [memory.BEGIN, memory.BEGIN_NEW])
async def test_a_turn_does_not_begin_without_the_answer_that_is_being_stored(
    connection: Link, another: Link, begin: str
) -> None:
    """As where an agent took longer than its lease: who comes next waits for it, and then sees what it has stored."""
    owner, reply = f"test:{uuid.uuid4()}", (["assistant"], ["reply"], [None], [None])
    second = (owner, "thread", "run 2", SECONDS, "key 2", "another question", 40)
    await connection.fetch(memory.BEGIN_NEW, owner, "thread", "run 1", -SECONDS, "key 1", "question", 40)
    async with connection.transaction():
        assert await connection.fetch(memory.ANSWER, owner, "thread", "run 1", "key 1", *reply)
        waiting = asyncio.create_task(another.fetch(begin, *second))
        for _ in range(1000):
            if await connection.fetchval("select exists (select from pg_locks where not granted)"):
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail("nobody waits")
    assert await waiting == []
    found = await another.fetch(begin, *second)
    assert [(row["fresh"], row["content"]) for row in found] == [(True, "question"), (True, "reply")]
    await connection.execute(memory.DELETE, owner, "thread")


WHO = "select pg_backend_pid() as id from pg_sleep($1)"


@pytest.fixture
async def database(real: Settings) -> AsyncIterator[Postgres]:
    """The database with two connections at most."""
    database = Postgres(real.model_copy(update={"database_pool": 2, "database_timeout": 1}))
    yield database
    database.close()


async def ids_of(database: Postgres, statements: int, seconds: float = 0.02) -> set[int]:
    """The connections on which so many statements ran that began together."""
    rows = await asyncio.gather(*(database.query(WHO, seconds) for _ in range(statements)))
    return {row["id"] for (row,) in rows}


async def test_statements_share_connections(database: Postgres) -> None:
    used = await ids_of(database, 8)
    assert len(used) == 2
    assert await ids_of(database, 2) == used


async def test_nobody_waits_for_a_connection_for_ever(database: Postgres) -> None:
    long = [asyncio.create_task(database.query(WHO, 0.8)) for _ in range(4)]  # two of them after the first two
    await asyncio.sleep(0.1)
    with pytest.raises(Unavailable):
        await database.query(WHO, 0, patient=False)
    await asyncio.gather(*long)
    assert await ids_of(database, 1)


async def test_a_connection_that_the_server_has_ended_is_replaced(database: Postgres, connection: Link) -> None:
    (used,) = await ids_of(database, 1)
    assert await connection.fetchval("select pg_terminate_backend($1, 1000)", used)
    (now,) = await ids_of(database, 1)
    assert now != used


async def test_a_statement_that_is_given_up_takes_its_connection_along(database: Postgres) -> None:
    (used,) = await ids_of(database, 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(database.query(WHO, 5), 0.1)
    (now,) = await ids_of(database, 1)
    assert now != used


async def test_a_connection_that_nobody_needs_is_closed(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(await ids_of(database, 2)) == 2
    monkeypatch.setattr(postgres, "IDLE", 0)
    await ids_of(database, 1)
    assert len(database.idle) == 1


async def test_the_role_is_no_administrator(connection: Link) -> None:
    role = await connection.fetchrow(
        "select rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolconnlimit"
        " from pg_roles where rolname = current_user"
    )
    assert role is not None
    assert tuple(role) == (False, False, False, False, False, 100)
    for database in ("postgres", "template1"):
        assert not await connection.fetchval("select has_database_privilege($1, 'connect')", database)
    owned = "select count(*) from pg_shdepend where refobjid = current_user::regrole and deptype = 'o'"
    assert await connection.fetchval(owned) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "drop table messages",
        "truncate messages",
        "alter table messages add column another integer",
        "alter table messages disable trigger all",
        "create index on messages (content)",
        "create table another (id integer)",
        "create temporary table another (id integer)",
        "create schema another",
        "drop schema public cascade",
        "alter schema public owner to current_user",
        "create trigger another before delete on messages execute function suppress_redundant_updates_trigger()",
        "drop sequence messages_id_seq cascade",
        "create role another",
    ],
)
async def test_the_role_reads_and_writes_rows_and_does_nothing_else(connection: Link, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
