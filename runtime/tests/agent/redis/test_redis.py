"""What only Redis can show: commands whose work is bounded, and a user who may do nothing else."""

import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis import exceptions

from three_tier.agent.contract import Message, NotFound
from three_tier.agent.redis import memory, scripts
from three_tier.agent.redis.database import Database, explain
from three_tier.agent.redis.memory import RedisMemory
from three_tier.agent.redis.scripts import Script
from three_tier.agent.settings import Settings

pytestmark = pytest.mark.anyio

SECONDS = 10_000_000  # a lease, in microseconds
PAGE = 40
VALUES: dict[str, tuple[str | int, ...]] = {
    "BEGIN": ("thread", "new", "question", "run", SECONDS, 0, PAGE),
    "FINISH": ("thread", "new", "run", "tool", "3", "{}", "", "assistant", "three", "", "{}"),
    "RENEW": ("thread", "run", SECONDS),
    "RELEASE": ("thread", "run"),
    "CREATE": ("another", "title"),
    "RENAME": ("thread", "title"),
    "THREADS": (PAGE, "thread"),
    "MESSAGES": ("thread", PAGE, "(9-0"),
    "OWNERS": ("-inf", 0, PAGE),
    "THREADS_AFTER": (PAGE, "thread"),
    "MESSAGES_AFTER": ("thread", PAGE, "(9-0"),
    "RESTORE": ("thread", "", 1, 1, 1, 10**6, "moved", "user", "question", "", "", 1),
    "REVOKE": ("one", 1, 1),
    "REVOKED": (1, "one", "*"),
    "REVOCATIONS": (0, PAGE),
    "FORGET_REVOCATIONS": (PAGE,),
    "DELETE": ("thread",),
    "CLEAR": (PAGE,),
    "FORGET": (100_000, PAGE),
}
WITHOUT_OWNER = ("CLEAR", "FORGET", "FORGET_REVOCATIONS", "OWNERS", "REVOCATIONS")

# One key, member, field or end of a list at a time, however much there is.
SINGLE = {"HDEL", "HGET", "HMGET", "HSET", "INCR", "LINDEX", "LPOP", "RPUSH", "TIME", "UNLINK", "XADD"} | {
    "ZADD",
    "ZREM",
    "ZSCORE",
}
# As many as they are told, and where they are told it.
COUNTED = {"XRANGE": "COUNT", "XREVRANGE": "COUNT", "ZRANGE": "LIMIT"}

REFUSED = """
    KEYS *|SCAN 0|RANDOMKEY|DBSIZE|HGETALL tested:x|HSCAN tested:x 0|LRANGE tested:x 0 -1|ZRANGEBYSCORE tested:x 0 1
    SMEMBERS tested:x|SORT tested:x|GET tested:x|RENAME tested:x tested:y|COPY tested:x tested:y|DUMP tested:x
    FLUSHALL|FLUSHDB|SWAPDB 0 1|SELECT 1|MOVE tested:x 1|MIGRATE 127.0.0.1 1 tested:x 0 1|SAVE|BGSAVE|BGREWRITEAOF
    CONFIG GET *|CONFIG SET appendonly no|ACL LIST|ACL SETUSER x|ACL WHOAMI|INFO|MONITOR|SLOWLOG GET|LATENCY LATEST
    CLIENT LIST|CLIENT KILL TYPE normal|CLIENT PAUSE 1|COMMAND|MEMORY USAGE tested:x|MODULE LIST
    SHUTDOWN NOSAVE|REPLICAOF 127.0.0.1 1|FAILOVER|CLUSTER INFO|SCRIPT FLUSH|SCRIPT KILL|FUNCTION LIST|FCALL x 0
    PUBLISH x y|SUBSCRIBE x|BLPOP tested:x 1|XREAD BLOCK 0 STREAMS tested:x 0|WAIT 1 1|MULTI
"""


@pytest.fixture
async def database(real: Settings) -> AsyncIterator[Database]:
    database = Database(real)
    yield database
    await database.close()


@pytest.fixture
def owner() -> str:
    return f"test:{uuid.uuid4()}"


async def traced(database: Database, owner: str, name: str) -> list[list[Any]]:
    """The commands that a script sends."""
    script: Script = getattr(scripts, name)
    body = script.text.partition("\n")[2].replace("redis.call(", "send(")
    spy = f"""#!lua
local sent = {{}}
local function send(...)
  sent[#sent + 1] = {{...}}
  return redis.call(...)
end
local function script()
{body}
end
script()
return cjson.encode(sent)
"""
    values = VALUES[name] if name in WITHOUT_OWNER else (owner, *VALUES[name])
    found: list[list[Any]] = json.loads(await database.send("EVAL", spy, 1, database.prefix, *values))
    return found


async def traces(database: Database, owner: str, turns: int) -> dict[str, list[list[Any]]]:
    """What each script sends for an owner whose thread has so many turns."""
    kept = RedisMemory(database, PAGE, 1_000_000)
    for n in range(PAGE + 2):
        await database.run(scripts.CREATE, owner, f"earlier {n}")
    for n in range(turns):
        turn = await kept.begin(owner, "thread", f"key {n}", "hi", "run", create=True, lease=10, wait=0)
        await kept.finish(turn, [Message("assistant", "ho")])
    return {name: await traced(database, owner, name) for name in VALUES}


def test_every_script_is_examined() -> None:
    assert {name for name, value in vars(scripts).items() if isinstance(value, Script)} == {*VALUES}


async def test_every_command_is_bounded(database: Database, owner: str) -> None:
    for name, sent in (await traces(database, owner, 100)).items():
        assert len(sent) > 1, name
        for command, *words in sent:
            if command == "XTRIM":  # of what XRANGE has just counted
                assert name == "CLEAR"
            elif at := COUNTED.get(command):
                assert 0 < int(words[-1]) <= PAGE, (name, words)
                assert at in words, (name, words)
            else:
                assert command in SINGLE, (name, command)
                assert len(words) < 16, (name, words)
            assert all(word.startswith(database.prefix) for word in words[:1]), (name, words)


async def test_a_long_thread_takes_no_more_commands(database: Database, owner: str) -> None:
    short = await traces(database, f"{owner}-short", PAGE)
    long = await traces(database, f"{owner}-long", PAGE * 5)
    for name in VALUES:
        if name != "CLEAR":
            assert Counter(command for command, *_ in long[name]) == Counter(command for command, *_ in short[name])


async def test_what_a_deleted_thread_leaves_is_cleared(
    database: Database, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "CLEAR_BATCH", 4)
    kept = RedisMemory(database, PAGE, 1_000_000)
    for n in range(7):
        turn = await kept.begin(owner, "thread", f"key{n}", "hi", "run", create=True, lease=10, wait=0)
        await kept.finish(turn, [Message("assistant", "ho")])
    number = await database.send("HGET", f"{database.prefix}thread/{owner}/thread", "number")
    log = f"{database.prefix}messages/{number}"
    assert len(await database.send("XRANGE", log, "-", "+")) == 14
    await kept.delete(owner, "thread")
    with pytest.raises(NotFound):
        await kept.messages(owner, "thread", 1)
    assert await database.send("XRANGE", log, "-", "+") == []
    for n in range(7):
        turn_key = f"{database.prefix}turn/{owner}/key{n}"
        assert await database.send("HGET", turn_key, "thread") is None


async def test_a_key_taken_again_survives_the_clearing(
    database: Database, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = RedisMemory(database, PAGE, 1_000_000)
    await kept.begin(owner, "thread", "key", "hi", "run", create=True, lease=10, wait=0)
    with monkeypatch.context() as patch:
        patch.setattr(kept, "_clear", lambda: database.write("alive", "yes"))  # the agent ends before it has cleared
        await kept.delete(owner, "thread")
    turn = await kept.begin(owner, "other", "key", "hello", "run", create=True, lease=10, wait=0)
    await kept.finish(turn, [Message("assistant", "ho")])
    await kept.delete(owner, await kept.create(owner))
    again = await kept.begin(owner, "other", "key", "hello", "run", create=False, lease=10, wait=0)
    assert again.answer is not None


async def test_the_user_may_do_nothing_else(database: Database) -> None:
    for line in REFUSED.strip().splitlines():
        for command in line.split("|"):
            words = command.replace("tested:", database.prefix).split()
            with pytest.raises(exceptions.NoPermissionError):
                await database.send(*words)


@pytest.mark.parametrize("words", [("SET", "1"), ("INCR",), ("UNLINK",), ("HGET", "x"), ("XADD", "*", "x", "y")])
async def test_the_user_has_its_own_keys_only(database: Database, words: tuple[str, ...]) -> None:
    command, *rest = words
    for key in ("other:x", database.prefix[:-1], "x", ""):
        with pytest.raises(exceptions.NoPermissionError):
            await database.send(command, key, *rest)


@pytest.mark.parametrize("call", ["'KEYS', '*'", "'GET', KEYS[1]", "'SET', 'other:x', 1", "'CONFIG', 'GET', '*'"])
async def test_scripts_may_do_no_more_than_their_user(database: Database, call: str) -> None:
    with pytest.raises(exceptions.ResponseError, match=r"(?i)permission|can't run|not allowed|can't access"):
        await database.send("EVAL", f"return redis.call({call})", 1, f"{database.prefix}x")


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "DB_MAXMEMORY"),
        (exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), "disk"),
        (exceptions.ConnectionError("Connection closed by server."), "disk"),
        (exceptions.ConnectionError("max number of clients reached"), "DATABASE_POOL"),
        (exceptions.BusyLoadingError("Redis is loading the dataset in memory"), "loading"),
        (exceptions.ReadOnlyError("You can't write against a read only replica."), "DATABASE_URL"),
        (exceptions.TimeoutError("Timeout reading from socket"), "DATABASE_URL"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_an_error_says_to_check(error: Exception, hint: str) -> None:
    assert hint in explain(error)
