"""The process: how it starts, refuses to start, waits, and ends."""

import asyncio
import json
import signal

import aiohttp
import pytest
from structlog.testing import capture_logs

from tests.interface.process import start
from three_tier.common import log
from three_tier.interface.base_settings import load
from three_tier.interface.telegram.fake_telegram import TOKEN, FakeTelegram
from three_tier.interface.telegram.settings import Settings
from three_tier.interface.testing.fake_agent import TOKEN as AGENT_TOKEN
from three_tier.interface.testing.fake_agent import FakeAgent
from three_tier.interface.testing.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def environment(agent: FakeAgent, telegram: FakeTelegram, port: int) -> dict[str, str]:
    """All that the process needs."""
    return {
        "AGENT_NAME": "parrot",
        "AGENT_URL": agent.url,
        "AGENT_TOKEN": AGENT_TOKEN,
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": telegram.url,
        "ALLOWED_USERS": "*",
        "PORT": str(port),
    }


async def health(environment: dict[str, str]) -> tuple[int, dict[str, str | None]]:
    """What the health check gets; 0 while nobody listens."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{environment['PORT']}/health") as answer,
        ):
            return answer.status, await answer.json()
    except aiohttp.ClientError:
        return 0, {}


async def end(process: asyncio.subprocess.Process) -> list[str]:
    """End the process with SIGTERM; the events that it logged, which hold no secret."""
    process.send_signal(signal.SIGTERM)
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert TOKEN not in output.decode()
    assert AGENT_TOKEN not in output.decode()
    return [json.loads(line)["event"] for line in output.decode().splitlines()]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TELEGRAM_BOT_TOKEN", ""),
        ("TELEGRAM_BOT_TOKEN", "s3cret"),
        ("TELEGRAM_API_URL", "s3cret"),
        ("ALLOWED_USERS", "some s3cret"),
        ("MESSAGES_PER_MINUTE", "s3cret"),
        ("MESSAGES_PER_MINUTE", "-1"),
    ],
)
async def test_wrong_variable_is_named(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setattr(log, "configure", lambda _: None)
    for name, good in environment.items():
        monkeypatch.setenv(name, good)
    monkeypatch.setenv(variable, value)
    with capture_logs() as logs, pytest.raises(SystemExit) as end:
        load(Settings)
    assert end.value.code == 1
    (line,) = logs
    assert variable in line["event"]
    assert "s3cret" not in str(line)


async def test_wrong_variable_ends_the_process(environment: dict[str, str]) -> None:
    process = await start("telegram", {**environment, "TELEGRAM_BOT_TOKEN": "s3cret"})
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (1, b"")
    (line,) = output.decode().splitlines()
    assert json.loads(line)["level"] == "critical"
    assert "TELEGRAM_BOT_TOKEN" in line
    assert "s3cret" not in line


async def test_defaults(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AGENT_NAME", "AGENT_URL", "AGENT_TOKEN", "TELEGRAM_BOT_TOKEN"):
        monkeypatch.setenv(variable, environment[variable])
    settings = Settings()
    assert settings.allowed_users == ""
    assert settings.messages_per_minute == 20
    assert str(settings.telegram_api_url) == "https://api.telegram.org/"


async def test_token_that_telegram_refuses(environment: dict[str, str], telegram: FakeTelegram) -> None:
    telegram.token = "999:another-token-than-the-one-of-the-bot"
    process = await start("telegram", environment)
    await until(lambda: telegram.counted("getMe") >= 2, 20)
    status, state = await health(environment)
    assert (status, state["telegram"], state["bot"]) == (200, "token refused", None)
    telegram.token = TOKEN
    telegram.say("hello")
    await until(lambda: telegram.texts() == ["1 hello"], 20)
    events = await end(process)
    assert len([event for event in events if "TELEGRAM_BOT_TOKEN" in event]) == 1


async def test_health_waits_for_the_agent(environment: dict[str, str], agent: FakeAgent) -> None:
    await agent.stop()
    process = await start("telegram", environment)
    found: list[tuple[int, dict[str, str | None]]] = []

    async def has(status: int) -> bool:
        found.append(await health(environment))
        return found[-1][0] == status

    await until(lambda: has(503), 20)
    await agent.start()
    await until(lambda: has(200), 20)
    assert found[-1][1] == {"status": "ok", "agent": "ok", "telegram": "ok", "bot": "ParrotBot"}
    assert {"Connected", "Telegram answers"} <= set(await end(process))


async def test_sigterm_finishes_the_reply_in_hand(
    environment: dict[str, str], telegram: FakeTelegram, agent: FakeAgent
) -> None:
    process = await start("telegram", environment)
    agent.slow = 0.7
    telegram.say("one two three")
    async with asyncio.timeout(20):
        await agent.working.wait()
    events = await end(process)
    assert telegram.texts() == ["1 one two three"]
    assert not telegram.updates
    assert "Connected" in events
