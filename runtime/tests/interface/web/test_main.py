"""The process: how it starts, refuses to start, and ends."""

import asyncio
import json
import signal
from secrets import token_hex

import pytest

from tests.interface.process import start
from tests.interface.web.conftest import PASSWORD
from three_tier.interface.http.testing import answers, caller
from three_tier.interface.testing.fake_agent import TOKEN, FakeAgent
from three_tier.interface.testing.waiting import until
from three_tier.interface.web.settings import Settings

pytestmark = pytest.mark.anyio

GOOD = {
    "AGENT_NAME": "parrot",
    "AGENT_URL": "http://127.0.0.1:9",
    "AGENT_TOKEN": TOKEN,
    "WEB_PASSWORD": PASSWORD,
    "SESSION_SECRET": "s" * 16,
}


async def test_wrong_variable_ends_the_process() -> None:
    too_short = token_hex(3)
    process = await start("web", {**GOOD, "WEB_PASSWORD": too_short})
    output, errors = await process.communicate()
    assert process.returncode == 1
    assert errors == b""
    (line,) = output.decode().splitlines()
    assert json.loads(line)["level"] == "critical"
    assert "WEB_PASSWORD" in line
    assert too_short not in line


async def test_sigterm_finishes_the_requests_in_flight(web_settings: Settings, agent: FakeAgent, port: int) -> None:
    process = await start(
        "web", {**GOOD, "AGENT_URL": agent.url, "PORT": str(port), "AGENT_PATIENCE": str(web_settings.agent_patience)}
    )
    async with caller(f"http://127.0.0.1:{port}") as client:
        await until(lambda: answers(client), 20)
        assert (await client.post("/session", json={"password": PASSWORD})).status_code == 204
        thread_id = (await client.post("/threads", json={"title": "Tea"})).json()["thread_id"]
        agent.slow = 0.5
        asked = asyncio.create_task(client.post(f"/threads/{thread_id}/messages", json={"message": "hi"}))
        await agent.working.wait()
        process.send_signal(signal.SIGTERM)
        reply = await asked
        assert reply.status_code == 200
        assert reply.text.endswith("data: [DONE]\n\n")
    output, errors = await process.communicate()
    assert process.returncode == 0
    assert errors == b""
    lines = [json.loads(line) for line in output.decode().splitlines()]
    assert "Connected" in [line["event"] for line in lines]
    assert PASSWORD not in output.decode()
