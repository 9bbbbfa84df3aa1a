"""Keys, rate limits and sizes, and what answers and logs look like from outside."""

import asyncio
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from structlog.testing import capture_logs

from tests.interface.api.conftest import KEY, NEW_KEY, OTHER_KEY, running
from three_tier.interface.agent_client import AgentClient
from three_tier.interface.api.settings import Settings
from three_tier.interface.http.testing import caller
from three_tier.interface.testing.fake_agent import TOKEN, FakeAgent
from three_tier.interface.testing.waiting import until

pytestmark = pytest.mark.anyio


def bearer(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        bearer("wrong"),
        bearer(KEY[:-1]),
        bearer(f"alice:{KEY}"),
        {"Authorization": f"Basic {KEY}"},
    ],
)
async def test_no_way_in_without_a_key(address: str, agent: FakeAgent, headers: dict[str, str]) -> None:
    async with caller(address, headers=headers) as stranger:
        for answer in (
            await stranger.get("/v1/models"),
            await stranger.get("/v1/threads"),
            await stranger.post("/v1/threads/x/messages", json={"message": "hi"}),
            await stranger.post("/v1/chat/completions", content=b"not even json"),
        ):
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["code"] == "invalid_api_key"
    assert agent.requests == []


async def test_two_keys_of_a_name_are_one_owner(alice: httpx.AsyncClient) -> None:
    thread_id = (await alice.post("/v1/threads")).json()["thread_id"]
    for key, status in ((KEY, 200), (NEW_KEY, 200), (OTHER_KEY, 404)):
        answer = await alice.get(f"/v1/threads/{thread_id}/messages", headers=bearer(key))
        assert answer.status_code == status


async def test_rate_limit_of_a_name(api_settings: Settings) -> None:
    async with (
        running(api_settings.model_copy(update={"rate_limit": "3/2 seconds"})) as url,
        caller(url) as client,
    ):
        first = [await client.get("/v1/models", headers=bearer(key)) for key in (KEY, NEW_KEY, KEY, NEW_KEY)]
        assert [answer.status_code for answer in first] == [200, 200, 200, 429]
        assert first[-1].json()["error"]["code"] == "rate_limit_exceeded"
        assert (await client.get("/v1/models", headers=bearer(OTHER_KEY))).status_code == 200
        await asyncio.sleep(float(first[-1].headers["retry-after"]))
        assert (await client.get("/v1/models", headers=bearer(KEY))).status_code == 200


async def test_verification_is_counted_with_nobody_and_only_let_in_from_inside(api_settings: Settings) -> None:
    async with (
        running(api_settings.model_copy(update={"rate_limit": "1/minute"})) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        for _ in range(3):
            assert (await client.get("/v1/models", headers=bearer(TOKEN))).status_code == 200
        assert (await client.get("/v1/models", headers=bearer(KEY))).status_code == 200
        elsewhere = {**bearer(TOKEN), "X-Forwarded-For": "203.0.113.7"}
        assert (await client.get("/v1/models", headers=elsewhere)).status_code == 401


async def test_flood_of_strangers(alice: httpx.AsyncClient) -> None:
    """Is told to slow down, fills no log, and holds up nobody who has a key."""
    with capture_logs() as logs:
        flood = [await alice.get("/v1/models", headers=bearer("wrong")) for _ in range(100)]
    assert [answer.status_code for answer in flood] == [401] * 60 + [429] * 40
    assert int(flood[-1].headers["retry-after"]) >= 1
    assert len([line for line in logs if line["event"] == "request"]) == 60
    assert (await alice.get("/v1/models")).status_code == 200


async def test_body_that_is_too_long(alice: httpx.AsyncClient, agent: FakeAgent) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(33):
            yield b" " * 2**15

    for content in (b" " * (2**20 + 1), unannounced()):
        answer = await alice.post("/v1/threads", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
    assert agent.requests == []


@pytest.mark.parametrize("path", ["/v1/nothing", "/nothing", "/.env", "/docs/assets/nothing"])
async def test_unknown_paths(alice: httpx.AsyncClient, path: str) -> None:
    answer = await alice.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == answer.json()["error"]["message"]
    assert "nothing" not in answer.text


async def test_wrong_method(alice: httpx.AsyncClient) -> None:
    answer = await alice.put("/v1/threads")
    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]


async def test_every_answer_has_security_headers(alice: httpx.AsyncClient) -> None:
    for path in ("/health", "/live", "/docs", "/openapi.json", "/v1/models", "/nothing"):
        headers = (await alice.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers


async def test_documentation_page_needs_nothing_from_elsewhere(alice: httpx.AsyncClient) -> None:
    page = (await alice.get("/docs")).text
    assert "http" not in page
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert (await alice.get(f"/{address}")).status_code == 200
    schema = (await alice.get("/openapi.json")).json()
    assert schema["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert set(schema["paths"]) == {
        "/health",
        "/live",
        "/v1/threads",
        "/v1/threads/{thread_id}",
        "/v1/threads/{thread_id}/messages",
        "/v1/models",
        "/v1/models/{model}",
        "/v1/chat/completions",
    }


async def test_log_has_one_line_a_request_without_text_or_key(alice: httpx.AsyncClient) -> None:
    thread_id = (await alice.post("/v1/threads")).json()["thread_id"]
    with capture_logs() as logs:
        await alice.post(f"/v1/threads/{thread_id}/messages", json={"message": "my secret"})
        await alice.get("/health")
        await alice.get("/nothing/my-secret")
    first, second = logs
    assert first["caller"] == "alice"
    assert first["route"] == "/v1/threads/{thread_id}/messages"
    assert (first["method"], first["status"]) == ("POST", 200)
    assert first["ms"] > 0
    assert (second["route"], second["status"]) == (None, 404)
    assert "secret" not in str(logs)
    assert KEY not in str(logs)


async def test_health_waits_for_the_agent(api_settings: Settings, agent: FakeAgent) -> None:
    await agent.stop()
    async with running(api_settings) as url, caller(url) as client:
        waiting = await client.get("/health")
        assert (waiting.status_code, waiting.json()) == (503, {"status": "waiting", "agent": "away"})
        assert (await client.get("/live")).status_code == 200
        await agent.start()

        async def healthy() -> bool:
            return (await client.get("/health")).is_success

        await until(healthy)
        assert (await client.get("/health")).json() == {"status": "ok", "agent": "ok"}


async def test_references_in_the_schema_lead_somewhere(alice: httpx.AsyncClient) -> None:
    answer = await alice.get("/openapi.json")
    wanted = set(re.findall(r'"#/components/schemas/([^"]+)"', answer.text))
    assert "$defs" not in answer.text
    assert wanted == set(answer.json()["components"]["schemas"])


async def test_defect_of_ours(alice: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is a problem document like any other error, and keeps its words to itself."""

    async def break_down(*_: object, **__: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(AgentClient, "threads", break_down)
    with capture_logs() as logs:
        answer = await alice.get("/v1/threads")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "secret" not in answer.text
    assert [line["status"] for line in logs] == [500]


async def test_agent_that_says_nonsense(alice: httpx.AsyncClient, agent: FakeAgent) -> None:
    agent.page = "<html>a proxy's page</html>"
    answer = await alice.get("/v1/threads")
    assert answer.status_code == 502
    assert "html" not in answer.text
