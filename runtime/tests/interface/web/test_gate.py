"""Requests from other sites, long ones, paths under a proxy, and what every answer carries."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from structlog.testing import capture_logs

from tests.interface.web.conftest import PASSWORD, running
from three_tier.interface.agent_client import AgentClient
from three_tier.interface.http.testing import caller
from three_tier.interface.testing.fake_agent import FakeAgent
from three_tier.interface.testing.waiting import until
from three_tier.interface.web.settings import Settings

pytestmark = pytest.mark.anyio

FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},  # another port or another name of the same site
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "null"},
]
OURS: list[dict[str, str]] = [
    {},  # a program
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind-a-proxy.example"},
    {"Origin": "http://chat.example:8080", "Host": "chat.example:8080"},
    {"Origin": "https://chat.example", "X-Forwarded-Host": "chat.example"},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_other_sites_change_nothing(owner: httpx.AsyncClient, agent: FakeAgent, headers: dict[str, str]) -> None:
    """Not even with the owner's cookie, nor can they sign anybody in or out."""
    for method, path, body in (
        ("POST", "/threads", {"title": "Tea"}),
        ("PATCH", "/threads/t1", {"title": "Tea"}),
        ("DELETE", "/threads/t1", None),
        ("POST", "/threads/t1/messages", {"message": "hi"}),
        ("POST", "/session", {"password": PASSWORD}),
        ("DELETE", "/session", None),
        ("DELETE", "/sessions", None),
    ):
        answer = await owner.request(method, path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (403, "This request came from another site.")
        assert "set-cookie" not in answer.headers
    assert agent.requests == []


@pytest.mark.parametrize("headers", OURS)
async def test_our_own_page_and_programs_may(owner: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await owner.post("/threads", json={"title": "Tea"}, headers=headers)).status_code == 201


async def test_body_that_is_no_json_is_refused(owner: httpx.AsyncClient, agent: FakeAgent) -> None:
    """Forms of other sites can send only such."""
    answer = await owner.post("/threads", content='{"title": "Tea"}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 422
    assert agent.requests == []


async def test_body_that_is_too_long(owner: httpx.AsyncClient, agent: FakeAgent) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(33):
            yield b" " * 2**15

    for path in ("/threads", "/session"):
        for content in (b" " * (2**20 + 1), unannounced()):
            answer = await owner.post(path, content=content, headers={"Content-Type": "application/json"})
            assert answer.status_code == 413
            assert answer.headers["content-type"] == "application/problem+json"
    assert agent.requests == []


async def test_page_needs_nothing_from_elsewhere(stranger: httpx.AsyncClient) -> None:
    """All that it names is relative and there, and its policy allows nothing else."""
    answer = await stranger.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';")
    assert "http" not in re.sub(r"http-equiv", "", answer.text)
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", answer.text)
    files = re.findall(r'(?:src|href)="([^"#]+)"', answer.text)
    assert len(files) >= 4
    for file in files:
        assert not file.startswith(("/", "http"))
        assert (await stranger.get(f"/{file}")).status_code == 200


async def test_modules_find_each_other(stranger: httpx.AsyncClient) -> None:
    seen, wanted = set(), ["/static/app.js"]
    while wanted:
        path = wanted.pop()
        answer = await stranger.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith("text/javascript")
        seen.add(path)
        folder = path.rpartition("/")[0]
        imports = re.findall(r"^import .*? from '\./([\w./]+)';$", answer.text, re.MULTILINE | re.DOTALL)
        wanted += [found for name in imports if (found := f"{folder}/{name}") not in seen]
    assert len(seen) > 8


async def test_files_are_asked_for_again_and_not_logged(stranger: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        first = await stranger.get("/static/style.css")
        second = await stranger.get("/static/style.css", headers={"If-None-Match": first.headers["etag"]})
    assert first.headers["cache-control"] == "no-cache"
    assert second.status_code == 304
    assert logs == []


@pytest.mark.parametrize(
    "path", ["/nothing", "/.env", "/static/nothing", "/static/../settings.py", "/static/%2e%2e/main.py", "/docs"]
)
async def test_unknown_paths(owner: httpx.AsyncClient, path: str) -> None:
    answer = await owner.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_every_answer_has_security_headers(owner: httpx.AsyncClient) -> None:
    for path in ("/", "/static/app.js", "/health", "/live", "/session", "/threads", "/nothing"):
        headers = (await owner.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers


@pytest.mark.parametrize("root_path", ["/chat", "/a/b"])
async def test_path_that_a_proxy_passes_on(web_settings: Settings, root_path: str) -> None:
    """And one that it takes away, as with most of them: both work at once."""
    settings = web_settings.model_copy(update={"root_path": root_path})
    async with running(settings) as url, caller(url) as client:
        to_folder = await client.get(root_path)
        assert (to_folder.status_code, to_folder.headers["location"]) == (307, f"{root_path}/")
        for prefix in (root_path, ""):
            assert (await client.get(f"{prefix}/")).headers["content-type"].startswith("text/html")
            assert (await client.get(f"{prefix}/static/app.js")).status_code == 200
            assert (await client.get(f"{prefix}/session")).json()["agent"] == "parrot"
            assert (await client.get(f"{prefix}/health")).status_code == 200


async def test_health_waits_for_the_agent(web_settings: Settings, agent: FakeAgent) -> None:
    await agent.stop()
    async with running(web_settings) as url, caller(url) as client:
        waiting = await client.get("/health")
        assert (waiting.status_code, waiting.json()) == (503, {"status": "waiting", "agent": "away"})
        assert (await client.get("/live")).status_code == 200
        assert (await client.get("/")).status_code == 200
        await agent.start()

        async def healthy() -> bool:
            return (await client.get("/health")).is_success

        await until(healthy)
        assert (await client.get("/health")).json() == {"status": "ok", "agent": "ok"}


async def test_defect_of_ours(owner: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is a problem document like any other error, and keeps its words to itself."""

    async def break_down(*_: object, **__: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(AgentClient, "threads", break_down)
    with capture_logs() as logs:
        answer = await owner.get("/threads")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert [line["status"] for line in logs] == [500]
