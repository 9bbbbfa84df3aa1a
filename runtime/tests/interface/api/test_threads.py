"""The native calls, over HTTP."""

import asyncio
import json

import httpx
import pytest
from structlog.testing import capture_logs

from three_tier.interface.testing.fake_agent import USAGE, FakeAgent
from three_tier.interface.testing.waiting import until

pytestmark = pytest.mark.anyio


async def new_thread(caller: httpx.AsyncClient, title: str | None = None) -> str:
    """Make a thread and return its address."""
    answer = await caller.post("/v1/threads", json={"title": title})
    assert answer.status_code == 201
    return f"/v1/threads/{answer.json()['thread_id']}"


def events(text: str) -> list[tuple[str, dict[str, object]]]:
    """Names and data of server-sent events, which must end with [DONE]."""
    *blocks, done = [block for block in text.strip().split("\n\n") if not block.startswith(":")]
    assert done == "data: [DONE]"
    found = []
    for block in blocks:
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def test_conversation(alice: httpx.AsyncClient) -> None:
    thread = await new_thread(alice, "Tea")
    answer = await alice.post(f"{thread}/messages", json={"message": "with milk"})
    assert answer.json() == {"thread_id": "t1", "reply": "1 with milk", "finish_reason": "stop", "usage": USAGE}
    page = (await alice.get(f"{thread}/messages", params={"limit": 1})).json()
    assert [(found["role"], found["content"]) for found in page["data"]] == [("assistant", "1 with milk")]
    assert page["has_more"] is True
    older = (await alice.get(f"{thread}/messages", params={"before": page["data"][0]["id"]})).json()
    assert [(found["role"], found["content"]) for found in older["data"]] == [("user", "with milk")]
    assert older["has_more"] is False


async def test_threads_are_listed_renamed_and_deleted(alice: httpx.AsyncClient) -> None:
    first, second = await new_thread(alice, "one"), await new_thread(alice)
    assert (await alice.patch(second, json={"title": "two"})).status_code == 204
    page = (await alice.get("/v1/threads", params={"limit": 1})).json()
    assert [thread["title"] for thread in page["data"]] == ["two"]
    assert page["has_more"] is True
    rest = (await alice.get("/v1/threads", params={"before": page["data"][0]["thread_id"]})).json()
    assert [thread["title"] for thread in rest["data"]] == ["one"]
    assert (await alice.delete(first)).status_code == 204
    assert (await alice.get(f"{first}/messages")).status_code == 404


async def test_thread_can_be_made_without_a_body(alice: httpx.AsyncClient) -> None:
    assert (await alice.post("/v1/threads")).status_code == 201


async def test_thread_of_another_caller_does_not_exist(alice: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    thread = await new_thread(alice)
    answers = [
        await bob.get(f"{thread}/messages"),
        await bob.post(f"{thread}/messages", json={"message": "let me in"}),
        await bob.post(f"{thread}/messages", json={"message": "let me in", "stream": True}),
        await bob.patch(thread, json={"title": "mine"}),
        await bob.delete(thread),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert (await bob.get("/v1/threads")).json()["data"] == []


async def test_stream(alice: httpx.AsyncClient) -> None:
    thread = await new_thread(alice)
    answer = await alice.post(f"{thread}/messages", json={"message": "to be", "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    assert events(answer.text) == [
        ("metadata", {"type": "metadata", "thread_id": "t1"}),
        ("token", {"type": "token", "text": "1"}),
        ("token", {"type": "token", "text": "to"}),
        ("token", {"type": "token", "text": "be"}),
        ("message", {"type": "message", "content": "1 to be", "finish_reason": "stop", "usage": USAGE}),
    ]


async def test_stream_that_breaks_ends_with_an_error(alice: httpx.AsyncClient, agent: FakeAgent) -> None:
    thread = await new_thread(alice)
    agent.break_after = 3
    answer = await alice.post(f"{thread}/messages", json={"message": "to be", "stream": True})
    *_, (name, data) = events(answer.text)
    assert name == "error"
    assert data["status"] == 503


async def test_thread_is_made_once_for_each_key(alice: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    made = [
        await caller.post("/v1/threads", json={"title": "Tea"}, headers={"Idempotency-Key": key})
        for caller, key in ((alice, "k1"), (alice, "k1"), (alice, "k2"), (bob, "k1"))
    ]
    assert {answer.status_code for answer in made} == {201}
    assert made[0].json() == made[1].json()
    assert len((await alice.get("/v1/threads")).json()["data"]) == 2
    assert len((await bob.get("/v1/threads")).json()["data"]) == 1


async def test_idempotency_key_passes_through(alice: httpx.AsyncClient, agent: FakeAgent) -> None:
    thread = await new_thread(alice)
    sent = [
        await alice.post(f"{thread}/messages", json={"message": "hi"}, headers={"Idempotency-Key": "k1"})
        for _ in range(3)
    ]
    assert {answer.text for answer in sent} == {sent[0].text}
    assert agent.keys[1:] == ["k1"] * 3
    assert len((await alice.get(f"{thread}/messages")).json()["data"]) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_the_agent_logs_under_the_id_of_the_request(
    alice: httpx.AsyncClient, agent: FakeAgent, *, stream: bool
) -> None:
    thread = await new_thread(alice)
    answer = await alice.post(f"{thread}/messages", json={"message": "hi", "stream": stream})
    given = [request.headers["X-Request-ID"] for request in agent.requests]
    assert given[-1] == answer.headers["x-request-id"]
    assert len(set(given)) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_caller_who_leaves_stops_the_agent(alice: httpx.AsyncClient, agent: FakeAgent, *, stream: bool) -> None:
    thread = await new_thread(alice)
    agent.hang = True
    asking = asyncio.create_task(alice.post(f"{thread}/messages", json={"message": "hi", "stream": stream}))
    await agent.working.wait()
    with capture_logs() as logs:
        asking.cancel()
        await until(agent.cancelled.is_set)
        await until(lambda: bool(logs))
    assert logs[-1]["status"] == (200 if stream else 499)


@pytest.mark.parametrize("stream", [False, True])
async def test_agent_away(alice: httpx.AsyncClient, agent: FakeAgent, *, stream: bool) -> None:
    thread = await new_thread(alice)
    await agent.stop()
    answer = await alice.post(f"{thread}/messages", json={"message": "hi", "stream": stream}, timeout=10)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await alice.get("/health")).json() == {"status": "ok", "agent": "away"}
    await agent.start()
    answer = await alice.post(f"{thread}/messages", json={"message": "hi", "stream": stream}, timeout=10)
    assert answer.status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_refusal_of_the_agent(alice: httpx.AsyncClient, agent: FakeAgent, *, stream: bool) -> None:
    thread = await new_thread(alice)
    agent.refuse = (409, "Another message of this thread is still being answered.", {"Retry-After": "2"})
    answer = await alice.post(f"{thread}/messages", json={"message": "hi", "stream": stream})
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "2")
    assert answer.json()["detail"] == "Another message of this thread is still being answered."


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"message": ""}',
        b'{"message": 7}',
        b'{"message": "hi", "surprise": 1}',
        b'{"message": "hi", "\\ud800": 1}',
        b'{"message": "hi", "metadata": {"\\ud800": 1}}',
        b'{"message": "nul \\u0000"}',
        b'{"message": "half \\ud800"}',
        b'{"message": ' + b"[" * 50_000,
    ],
)
async def test_bad_bodies(alice: httpx.AsyncClient, body: bytes) -> None:
    thread = await new_thread(alice)
    answer = await alice.post(f"{thread}/messages", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert "surprise" not in answer.text


async def test_hostile_thread_ids(alice: httpx.AsyncClient) -> None:
    for thread_id in ("..", "%2e%2e", "a%20b", "%00", "x" * 500, "%F0%9F%98%80"):
        answer = await alice.get(f"/v1/threads/{thread_id}/messages")
        assert answer.status_code in {404, 422}
