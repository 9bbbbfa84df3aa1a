"""What the page asks of the agent, over HTTP."""

import asyncio
import json
from secrets import token_hex

import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from tests.interface.web.conftest import PASSWORD, running
from three_tier.interface.http.testing import caller
from three_tier.interface.testing.fake_agent import USAGE, FakeAgent
from three_tier.interface.testing.waiting import until
from three_tier.interface.web.settings import Settings

pytestmark = pytest.mark.anyio


async def new_thread(owner: httpx.AsyncClient, title: str = "Tea") -> str:
    """Make a conversation and return its address."""
    answer = await owner.post("/threads", json={"title": title})
    assert answer.status_code == 201
    return f"/threads/{answer.json()['thread_id']}"


def events(text: str) -> list[dict[str, object]]:
    """The data of server-sent events, which must end with [DONE]."""
    *blocks, done = [block for block in text.strip().split("\n\n") if not block.startswith(":")]
    assert done == "data: [DONE]"
    found = [json.loads(block.partition("data: ")[2]) for block in blocks]
    assert [block.partition("\n")[0] for block in blocks] == [f"event: {event['type']}" for event in found]
    return found


async def test_stream(owner: httpx.AsyncClient, agent: FakeAgent) -> None:
    thread = await new_thread(owner)
    answer = await owner.post(f"{thread}/messages", json={"message": "to be"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in answer.headers
    assert events(answer.text) == [
        {"type": "metadata", "thread_id": "t1"},
        {"type": "token", "text": "1"},
        {"type": "token", "text": "to"},
        {"type": "token", "text": "be"},
        {"type": "message", "content": "1 to be", "finish_reason": "stop", "usage": USAGE},
    ]
    assert {request.headers["X-Thread-Owner"] for request in agent.requests} == {"web:owner"}


async def test_pages_of_messages(owner: httpx.AsyncClient) -> None:
    thread = await new_thread(owner)
    await owner.post(f"{thread}/messages", json={"message": "with milk"})
    page = (await owner.get(f"{thread}/messages", params={"limit": 1})).json()
    assert [(found["role"], found["content"]) for found in page["data"]] == [("assistant", "1 with milk")]
    assert page["has_more"] is True
    older = (await owner.get(f"{thread}/messages", params={"before": page["data"][0]["id"]})).json()
    assert [(found["role"], found["content"]) for found in older["data"]] == [("user", "with milk")]


async def test_conversations_are_listed_renamed_and_deleted(owner: httpx.AsyncClient) -> None:
    first, second = await new_thread(owner, "one"), await new_thread(owner, "?")
    assert (await owner.patch(second, json={"title": "two"})).status_code == 204
    page = (await owner.get("/threads", params={"limit": 1})).json()
    assert [thread["title"] for thread in page["data"]] == ["two"]
    assert page["has_more"] is True
    rest = (await owner.get("/threads", params={"before": page["data"][0]["thread_id"]})).json()
    assert [thread["title"] for thread in rest["data"]] == ["one"]
    assert (await owner.delete(first)).status_code == 204
    assert (await owner.get(f"{first}/messages")).status_code == 404


async def test_key_makes_a_retry_safe(owner: httpx.AsyncClient, agent: FakeAgent) -> None:
    thread = await new_thread(owner)
    sent = [
        await owner.post(f"{thread}/messages", json={"message": "hi"}, headers={"Idempotency-Key": "k1"})
        for _ in range(3)
    ]
    assert {answer.text for answer in sent} == {sent[0].text}
    assert agent.keys[1:] == ["k1"] * 3
    assert len((await owner.get(f"{thread}/messages")).json()["data"]) == 2


async def test_whoever_stops_reading_stops_the_agent(owner: httpx.AsyncClient, agent: FakeAgent) -> None:
    thread = await new_thread(owner)
    agent.hang = True
    asking = asyncio.create_task(owner.post(f"{thread}/messages", json={"message": "hi"}))
    await agent.working.wait()
    asking.cancel()
    await until(agent.cancelled.is_set)


async def test_agent_away(owner: httpx.AsyncClient, agent: FakeAgent) -> None:
    """Is told at once, and so is that it is back."""
    thread = await new_thread(owner)
    await agent.stop()
    answer = await owner.post(f"{thread}/messages", json={"message": "hi"}, timeout=10)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    away = (await owner.get("/agent")).json()
    assert away == {
        "connected": False,
        "complaint": "The agent does not answer at the moment.",
        "offline": True,
        "suggestions": [],
    }
    assert (await owner.get("/health")).json() == {"status": "ok", "agent": "away"}
    await agent.start()

    async def connected() -> bool:
        return bool((await owner.get("/agent")).json()["connected"])

    await until(connected)
    assert (await owner.post(f"{thread}/messages", json={"message": "hi"})).status_code == 200


async def test_stream_that_breaks_ends_with_an_error(owner: httpx.AsyncClient, agent: FakeAgent) -> None:
    thread = await new_thread(owner)
    agent.break_after = 3
    answer = await owner.post(f"{thread}/messages", json={"message": "to be"})
    last = events(answer.text)[-1]
    assert (last["type"], last["status"]) == ("error", 503)


async def test_token_that_the_agent_does_not_accept(web_settings: Settings) -> None:
    """Is not the visitor's fault, and what to do about it is said on the page and once in the log."""
    wrong = web_settings.model_copy(update={"agent_token": SecretStr("another-token-of-the-tests")})
    with capture_logs() as logs:
        async with running(wrong) as url, caller(url) as client:
            await client.post("/session", json={"password": PASSWORD})
            await until(lambda: any(line["event"] == "Not connected" for line in logs))
            await asyncio.sleep(0.5)
            presence = (await client.get("/agent")).json()
            assert (await client.get("/threads")).status_code == 502
            assert (await client.get("/health")).status_code == 503
    assert presence["connected"] is False
    assert "AGENT_TOKEN" in presence["complaint"]
    assert [line["event"] for line in logs].count("Not connected") == 1


async def test_message_that_is_too_long(owner: httpx.AsyncClient, agent: FakeAgent) -> None:
    thread = await new_thread(owner)
    with capture_logs() as logs:
        answer = await owner.post(f"{thread}/messages", json={"message": "🎈" * 32_001})
    assert answer.status_code == 413
    assert "at most 32,000 characters, and this one has 32,001" in answer.json()["detail"]
    assert [line["reason"] for line in logs] == [answer.json()["detail"]]
    assert len(agent.requests) == 1
    assert (await owner.post(f"{thread}/messages", json={"message": "🎈" * 32_000})).status_code == 200


async def test_unknown_conversation(owner: httpx.AsyncClient) -> None:
    for method, path, body in (
        ("GET", "/threads/nothing/messages", None),
        ("POST", "/threads/nothing/messages", {"message": "hi"}),
        ("PATCH", "/threads/nothing", {"title": "x"}),
        ("DELETE", "/threads/nothing", None),
    ):
        with capture_logs() as logs:
            answer = await owner.request(method, path, json=body)
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such thread.")
        (line,) = logs
        assert line["reason"] == "There is no such thread."
        assert "nothing" not in str(line)


@pytest.mark.parametrize("body", [{}, {"message": ""}, {"message": 1}, {"message": "x", "extra": 1}, [], "x", None])
async def test_nonsense_is_refused_and_not_repeated(owner: httpx.AsyncClient, agent: FakeAgent, body: object) -> None:
    answer = await owner.post("/threads/t1/messages", json=body)
    assert (answer.status_code, answer.json()["detail"]) == (422, "The request is not valid.")
    assert agent.requests == []


async def test_log_holds_no_text_and_no_secret(owner: httpx.AsyncClient) -> None:
    ((_, session),) = owner.cookies.items()
    guess = token_hex()
    with capture_logs() as logs:
        thread = await new_thread(owner, "my secret title")
        await owner.post(f"{thread}/messages", json={"message": "my secret"})
        await owner.post("/session", json={"password": PASSWORD})
        await owner.post("/session", json={"password": guess})
    assert len(logs) == 4
    for text in ("secret", guess, PASSWORD, session):
        assert text not in str(logs)
