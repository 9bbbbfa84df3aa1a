"""The process: its start without a database, its end with requests in flight, its retention, its logs."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from itertools import takewhile
from secrets import token_hex
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.agent.conftest import TOKEN, connected
from tests.agent.databases import NOWHERE
from tests.agent.fakes import EchoLogic, InMemory
from tests.agent.process import command, environment
from three_tier.agent import main
from three_tier.agent.contract import Revocation
from three_tier.agent.settings import Settings
from three_tier.common.http import loaded

SECRET = token_hex()
type Serve = Callable[[Settings], Coroutine[Any, Any, int]]

EXPIRED = Revocation("api:ann", "one", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC))


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, memory: InMemory, logic: EchoLogic) -> Iterator[Serve]:
    """Runs main.serve in this process, with a memory and a logic of the tests."""
    monkeypatch.setattr(loaded, "settle", lambda: None)
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield lambda settings: main.serve(settings, logic, memory)
    signal.signal(signal.SIGTERM, before)


def run(words: list[str], until: str | None = None, **variables: str) -> tuple[int, list[dict[str, Any]]]:
    """Run a process up to its end or a line with `until`; its exit code and what it logged."""
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=environment(**variables), stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        lines = list(takewhile(lambda line: until is None or until not in line, process.stdout))
        if until:
            process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=60)
    assert errors == ""
    return process.returncode, [json.loads(line) for line in [*lines, *rest.splitlines()]]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other tasks bring about."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not happen within 20 seconds")


@pytest.mark.anyio
class TestServe:
    async def test_sigterm_finishes_a_stream(self, serve: Serve, settings: Settings, logic: EchoLogic) -> None:
        serving = asyncio.create_task(serve(settings))
        logic.gate.clear()
        async with connected(settings) as client, client.stream("POST", "/stream", json={"message": "hi"}) as response:
            lines = response.aiter_lines()
            await anext(lines)
            await logic.started.wait()
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
            assert not serving.done()
            logic.gate.set()
            assert [line async for line in lines if line][-1] == "data: [DONE]"
        assert await serving == 0

    async def test_without_a_database_it_says_so_and_ends(
        self, serve: Serve, settings: Settings, memory: InMemory
    ) -> None:
        memory.down = "no such database: check DB_NAME"
        with capture_logs() as logs:
            serving = asyncio.create_task(serve(settings.model_copy(update={"startup_timeout": 3.0})))
            async with connected(settings) as client:
                assert (await client.get("/health")).status_code == 503
            assert await serving == 1
        critical = [line for line in logs if line["log_level"] == "critical"]
        assert [line["reason"] for line in critical] == ["no such database: check DB_NAME"]
        assert len([line for line in logs if line["log_level"] == "warning"]) == 1

    async def test_it_waits_for_a_database_that_is_late_and_rides_out_its_absence(
        self, serve: Serve, settings: Settings, memory: InMemory
    ) -> None:
        memory.down = "away"
        with capture_logs() as logs:
            serving = asyncio.create_task(serve(settings))
            async with connected(settings) as client:
                assert (await client.get("/health")).status_code == 503
                memory.down = None
                assert (await client.get("/health")).status_code == 200
                await until(lambda: "connected to the database" in [line["event"] for line in logs])
                memory.down = "away again"
                assert (await client.get("/health")).status_code == 503
                memory.down = None
                assert (await client.get("/health")).status_code == 200
        signal.raise_signal(signal.SIGTERM)
        assert await serving == 0

    async def test_the_retention_is_applied(self, serve: Serve, settings: Settings, memory: InMemory) -> None:
        await memory.revoke(EXPIRED)
        for n in range(3):
            await memory.age("api:ann", await memory.create("api:ann"), 10 * n)
        serving = asyncio.create_task(serve(settings.model_copy(update={"retention_days": 15})))
        async with connected(settings):
            await until(lambda: len(memory.kept) == 2)
        signal.raise_signal(signal.SIGTERM)
        assert await serving == 0
        assert not memory.revoked

    async def test_without_a_retention_expired_revocations_are_forgotten_all_the_same(
        self, serve: Serve, settings: Settings, memory: InMemory
    ) -> None:
        await memory.age("api:ann", await memory.create("api:ann"), 10_000)
        await memory.revoke(EXPIRED)
        serving = asyncio.create_task(serve(settings.model_copy(update={"retention_days": 0})))
        async with connected(settings):
            await until(lambda: not memory.revoked)
        signal.raise_signal(signal.SIGTERM)
        assert await serving == 0
        assert len(memory.kept) == 1


@pytest.mark.parametrize("database", NOWHERE)
class TestProcess:
    def test_no_database_is_one_critical_line_and_code_1(self, database: str) -> None:
        code, logs = run(
            command(database=database),
            AGENT_TOKEN=TOKEN,
            DATABASE_URL=NOWHERE[database],
            DATABASE_PASSWORD=SECRET,
            STARTUP_TIMEOUT="1",
            PORT="0",
        )
        assert code == 1
        (critical,) = [line for line in logs if line["level"] == "critical"]
        assert "DATABASE_URL" in critical["reason"]
        assert SECRET not in str(logs)
        assert TOKEN not in str(logs)

    def test_wrong_variables_are_named_and_not_echoed(self, database: str) -> None:
        wrong = {"AGENT_TOKEN": "short", "DATABASE_URL": "nowhere", "HISTORY_WINDOW": "many", "LOG_LEVEL": "chatty"}
        code, logs = run(command(database=database), DATABASE_PASSWORD=SECRET, **wrong)
        assert code == 1
        assert {line["variable"] for line in logs} == set(wrong)
        assert not any(value in str(logs) for value in wrong.values())
        assert SECRET not in str(logs)

    def test_sigterm_ends_with_code_0(self, database: str) -> None:
        variables = {"AGENT_TOKEN": TOKEN, "DATABASE_URL": NOWHERE[database], "DATABASE_PASSWORD": SECRET, "PORT": "0"}
        code, logs = run(command(database=database), until="Uvicorn running", MAX_TURNS="7", **variables)
        assert code == 0
        assert [line["turns"] for line in logs if line["event"] == "serving"] == [7]
        assert {line["level"] for line in logs} <= {"info", "warning"}


def test_logs_are_json_and_keep_the_text_of_exceptions_back() -> None:
    script = """
import asyncio, logging, structlog
from three_tier.common import log
log.configure("warning")
def fail():
    try:
        raise KeyError("private words")
    except KeyError as error:
        raise ValueError("private words") from error
for write in (structlog.get_logger().warning, logging.getLogger("library").error):
    try:
        fail()
    except ValueError:
        write("failed", exc_info=True)
structlog.get_logger().info("not shown")
logging.getLogger("library").info("not shown")
"""
    code, logs = run([sys.executable, "-c", script])
    assert code == 0
    assert [line["event"] for line in logs] == ["failed", "failed"]
    assert [line["level"] for line in logs] == ["warning", "error"]
    assert all(line["exception"].startswith("ValueError at <string>:") for line in logs)
    assert all("KeyError at" in line["exception"] for line in logs)
    assert "private" not in str(logs)
