"""Which pages a browser lets call, as it asks and as it reads the answers."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.interface.api.conftest import KEY, connected
from three_tier.interface.api.settings import Settings
from three_tier.interface.http.testing import caller
from three_tier.interface.testing.fake_agent import FakeAgent

pytestmark = pytest.mark.anyio

PAGE = "https://app.example.com"
OTHER_PAGE = "https://app.example.com.evil.test"


@pytest.fixture
async def browser(api_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of an API that is open to one page."""
    changes = {"cors_origins": f"{PAGE}, http://localhost:3000", "rate_limit": "9/minute"}
    settings = api_settings.model_copy(update=changes)
    async with connected(settings) as url, caller(url) as client:
        yield client


async def preflight(client: httpx.AsyncClient, page: str, method: str = "POST") -> httpx.Response:
    """Ask as a browser does before it sends a key and JSON."""
    headers = {
        "Origin": page,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,x-stainless-lang",
    }
    return await client.options("/v1/chat/completions", headers=headers)


def may_read(answer: httpx.Response) -> bool:
    """Whether a browser hands the answer to the page, without cookies in any case."""
    assert "access-control-allow-credentials" not in answer.headers
    return answer.headers.get("access-control-allow-origin") in {PAGE, "*"}


async def test_closed_by_default(alice: httpx.AsyncClient) -> None:
    for answer in (
        await preflight(alice, PAGE),
        await alice.get("/v1/models", headers={"Origin": PAGE}),
        await alice.get("/nothing", headers={"Origin": PAGE}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_preflight(browser: httpx.AsyncClient, method: str) -> None:
    answer = await preflight(browser, PAGE, method)
    assert answer.status_code == 200
    assert may_read(answer)
    assert method in answer.headers["access-control-allow-methods"]
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type", "idempotency-key", "x-stainless-lang"} <= allowed


@pytest.mark.parametrize("page", [OTHER_PAGE, "http://app.example.com", f"{PAGE}:8443", "null"])
async def test_another_page_may_not(browser: httpx.AsyncClient, page: str) -> None:
    assert (await preflight(browser, page)).status_code == 400
    headers = {"Origin": page, "Authorization": f"Bearer {KEY}"}
    for answer in (await preflight(browser, page), await browser.get("/v1/models", headers=headers)):
        assert not may_read(answer)


async def test_every_answer_can_be_read(browser: httpx.AsyncClient, agent: FakeAgent) -> None:
    headers = {"Origin": PAGE, "Authorization": f"Bearer {KEY}"}
    body = {"model": "parrot", "messages": [{"role": "user", "content": "hello"}]}
    answers = [
        await browser.get("/v1/models", headers=headers),
        await browser.get("/v1/models", headers={"Origin": PAGE}),
        await browser.get("/v1/nothing", headers=headers),
        await browser.post("/v1/chat/completions", headers=headers, json=body),
        await browser.post("/v1/chat/completions", headers=headers, json={**body, "stream": True}),
        await browser.post("/v1/chat/completions", headers=headers, json={}),
        await browser.post("/v1/threads", headers=headers, content=b" " * (2**20 + 1)),
    ]
    agent.refuse = (503, "The database does not answer.", {"Retry-After": "2"})
    answers.append(await browser.get("/v1/threads", headers=headers))
    answers += [await browser.get("/v1/models", headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 401, 404, 200, 200, 422, 413, 503, 200, 200, 200, 429]
    for answer in answers:
        assert may_read(answer)
        assert "Origin" in answer.headers["vary"]
        shown = answer.headers["access-control-expose-headers"]
        assert {name.strip() for name in shown.split(",")} == {"Retry-After", "X-Request-ID"}
        assert answer.headers["x-request-id"]
    assert answers[4].text.endswith("data: [DONE]\n\n")


async def test_defect_of_ours_can_be_read(browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_down(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("three_tier.interface.agent_client.AgentClient.threads", break_down)
    answer = await browser.get("/v1/threads", headers={"Origin": PAGE, "Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 500
    assert may_read(answer)


async def test_open_to_every_page(api_settings: Settings) -> None:
    async with (
        connected(api_settings.model_copy(update={"cors_origins": "*"})) as url,
        caller(url, headers={"Authorization": f"Bearer {KEY}"}) as client,
    ):
        for answer in (await preflight(client, OTHER_PAGE), await client.get("/v1/models", headers={"Origin": "null"})):
            assert answer.status_code == 200
            assert may_read(answer)
