"""The process: how it starts, refuses to start, and ends."""

import asyncio
import json
import signal
from secrets import token_hex

import pytest

from tests.interface.api.conftest import KEY
from tests.interface.process import start
from three_tier.interface.api.settings import Settings
from three_tier.interface.http.testing import answers, caller
from three_tier.interface.testing.fake_agent import TOKEN, FakeAgent
from three_tier.interface.testing.waiting import until

pytestmark = pytest.mark.anyio

GOOD = {
    "AGENT_NAME": "parrot",
    "AGENT_URL": "http://127.0.0.1:9",
    "AGENT_TOKEN": TOKEN,
    "API_KEYS": f"alice:{KEY}",
}


async def test_wrong_variable_ends_the_process() -> None:
    too_short = token_hex(3)
    process = await start("api", {**GOOD, "API_KEYS": f"alice:{too_short}"})
    output, errors = await process.communicate()
    assert process.returncode == 1
    assert errors == b""
    (line,) = output.decode().splitlines()
    assert json.loads(line)["level"] == "critical"
    assert "API_KEYS" in line
    assert too_short not in line


async def test_sigterm_finishes_the_requests_in_flight(api_settings: Settings, agent: FakeAgent, port: int) -> None:
    process = await start(
        "api", {**GOOD, "AGENT_URL": agent.url, "PORT": str(port), "AGENT_PATIENCE": str(api_settings.agent_patience)}
    )
    url = f"http://127.0.0.1:{port}"
    headers = {"Authorization": f"Bearer {KEY}"}
    async with caller(url, headers=headers) as client:
        await until(lambda: answers(client), 20)
        thread_id = (await client.post("/v1/threads")).json()["thread_id"]
        agent.slow = 0.5
        asked = [
            asyncio.create_task(
                client.post(f"/v1/threads/{thread_id}/messages", json={"message": "hi", "stream": stream})
            )
            for stream in (False, True)
        ]
        await until(lambda: len(agent.requests) == 3)
        process.send_signal(signal.SIGTERM)
        replies = await asyncio.gather(*asked)
        assert [reply.status_code for reply in replies] == [200, 200]
        assert replies[1].text.endswith("data: [DONE]\n\n")
    output, errors = await process.communicate()
    assert process.returncode == 0
    assert errors == b""
    lines = [json.loads(line) for line in output.decode().splitlines()]
    assert "Connected" in [line["event"] for line in lines]
    assert KEY not in output.decode()
