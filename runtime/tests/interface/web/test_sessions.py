"""Signing in and out, what a session opens, and when it ends."""

import asyncio
import hashlib
import time
from http.cookies import SimpleCookie

import httpx
import pytest
from itsdangerous import TimestampSigner, URLSafeSerializer
from pydantic import SecretStr
from structlog.testing import capture_logs

from tests.interface.web.conftest import PASSWORD, TOKEN, running
from three_tier.interface.http.testing import caller
from three_tier.interface.web.fake_page_agent import FakePageAgent
from three_tier.interface.web.settings import Settings

pytestmark = pytest.mark.anyio

PRIVATE = [
    ("GET", "/agent", None),
    ("DELETE", "/sessions", None),
    ("GET", "/threads", None),
    ("POST", "/threads", {"title": "Tea"}),
    ("PATCH", "/threads/t1", {"title": "Tea"}),
    ("DELETE", "/threads/t1", None),
    ("GET", "/threads/t1/messages", None),
    ("POST", "/threads/t1/messages", {"message": "hi"}),
]


@pytest.mark.parametrize(("method", "path", "body"), PRIVATE)
@pytest.mark.parametrize("kind", ["none", "forged", "expired", "of another secret", "signed out"])
async def test_nothing_without_a_session(
    stranger: httpx.AsyncClient,
    owner: httpx.AsyncClient,
    agent: FakePageAgent,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: dict[str, str] | None,
    kind: str,
) -> None:
    """Every private call, with every session that does not count."""
    ((name, value),) = owner.cookies.items()
    said = "not valid any more"
    if kind == "none":
        said = "Sign in first."
    elif kind == "forged":
        signed, _, signature = value.rpartition(".")
        stranger.cookies.set(name, f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}")
    elif kind == "of another secret":
        stranger.cookies.set(name, str(URLSafeSerializer("another-secret-of-the-tests").dumps(["one", 0, 2**42])))
    elif kind == "signed out":
        said = "was signed out"
        stranger.cookies.set(name, value)
        await owner.delete("/session")
    else:
        said = "has ended"
        stranger.cookies.set(name, value)
        in_eight_days = time.time_ns() + 8 * 86400 * 10**9
        monkeypatch.setattr("three_tier.interface.web.sessions.time.time_ns", lambda: in_eight_days)
    with capture_logs() as logs:
        answer = await stranger.request(method, path, json=body)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]
    assert agent.requests == []
    assert [line["reason"] for line in logs] == [answer.json()["detail"]]


async def test_cookie_of_version_0_1_asks_to_sign_in_once_more(
    owner: httpx.AsyncClient, web_settings: Settings
) -> None:
    """It has no id, so it could not be signed out; it is signed with the same key."""
    known = (web_settings.web_password, web_settings.web_link_token)
    salt = b"".join(hashlib.sha256(secret.get_secret_value().encode()).digest() for secret in known)
    secret = web_settings.session_secret.get_secret_value()
    signer = TimestampSigner(secret, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)
    ((name, _),) = owner.cookies.items()
    owner.cookies = httpx.Cookies({name: signer.sign("web:owner").decode()})
    assert (await owner.get("/session")).json()["signed_in"] is False
    answer = await owner.get("/threads")
    assert (answer.status_code, "not valid any more" in answer.json()["detail"]) == (401, True)


@pytest.mark.parametrize("entry", [{"password": PASSWORD}, {"token": TOKEN}])
async def test_sign_in(stranger: httpx.AsyncClient, entry: dict[str, str]) -> None:
    assert (await stranger.get("/session")).json() == {"agent": "parrot", "signed_in": False}
    answer = await stranger.post("/session", json=entry)
    assert answer.status_code == 204
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "strict", "604800")
    assert cookie["path"] == ""  # the folder that the browser sees
    assert cookie["secure"] == ""
    assert (await stranger.get("/session")).json() == {"agent": "parrot", "signed_in": True}
    assert (await stranger.get("/threads")).status_code == 200


async def test_cookie_is_secure_over_https(stranger: httpx.AsyncClient) -> None:
    headers = {"Origin": "https://example.com", "Host": "example.com"}
    answer = await stranger.post("/session", json={"password": PASSWORD}, headers=headers)
    assert "Secure" in answer.headers["set-cookie"]


async def test_sign_out(owner: httpx.AsyncClient, stranger: httpx.AsyncClient, agent: FakePageAgent) -> None:
    """Also for whoever has a copy of the cookie; another session goes on."""
    copy = httpx.Cookies(owner.cookies)
    await stranger.post("/session", json={"password": PASSWORD})
    assert (await owner.delete("/session")).status_code == 204
    assert not owner.cookies
    assert (await owner.get("/threads")).status_code == 401
    owner.cookies = copy
    assert (await owner.get("/session")).json()["signed_in"] is False
    assert (await owner.get("/threads")).json()["detail"] == "This session was signed out. Sign in again."
    assert (await stranger.get("/threads")).status_code == 200
    (revocation,) = agent.revocations
    assert revocation["owner"] == "web:owner"
    assert revocation["expires_at"] - revocation["opened_by"] == 168 * 3_600_000


async def test_sign_out_without_a_session(stranger: httpx.AsyncClient, agent: FakePageAgent) -> None:
    assert (await stranger.delete("/session")).status_code == 204
    assert not agent.revocations


async def test_sign_out_everywhere(owner: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    """Ends all sessions that are open by then, and none that is opened later."""
    copy = httpx.Cookies(owner.cookies)
    await stranger.post("/session", json={"password": PASSWORD})
    assert (await stranger.delete("/sessions")).status_code == 204
    assert not stranger.cookies
    owner.cookies = copy
    for path in ("/threads", "/agent"):
        assert (await owner.get(path)).status_code == 401
    await owner.post("/session", json={"password": PASSWORD})
    assert (await owner.get("/threads")).status_code == 200


@pytest.mark.parametrize("path", ["/session", "/sessions"])
async def test_agent_that_is_away_does_not_take_a_sign_out(
    owner: httpx.AsyncClient, agent: FakePageAgent, path: str
) -> None:
    """The cookie stays, so that it can be tried again; to take it alone would leave its copies."""
    await agent.stop()
    answer = await owner.delete(path)
    assert (answer.status_code, "set-cookie" in answer.headers) == (503, False)
    await agent.start()
    assert (await owner.delete(path)).status_code == 204
    assert len(agent.revocations) == 1


async def test_nobody_gets_in_while_nobody_says_whether_a_session_was_signed_out(
    owner: httpx.AsyncClient, agent: FakePageAgent
) -> None:
    agent.refuse = (503, "The agent's database does not answer.", {})
    assert (await owner.get("/threads")).status_code == 503
    assert agent.requests == []
    assert (await owner.get("/session")).json()["signed_in"] is True
    assert (await owner.get("/agent")).status_code == 200


async def test_page_begins_at_once_while_the_agent_hangs(
    owner: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object, **__: object) -> bool:
        await asyncio.sleep(60)
        return True

    monkeypatch.setattr("three_tier.interface.web.page_agent.PageAgent.is_revoked", hang)
    monkeypatch.setattr("three_tier.interface.web.signin.AT_ONCE", 0.2)
    start = time.monotonic()
    assert (await owner.get("/session")).json()["signed_in"] is True
    assert (await owner.get("/agent")).status_code == 200
    assert 0.39 < time.monotonic() - start < 8


async def test_fewer_hours_end_older_sessions(web_settings: Settings, owner: httpx.AsyncClient) -> None:
    fewer = web_settings.model_copy(update={"session_hours": 0.5 / 3600})
    async with running(fewer) as url, caller(url, cookies=owner.cookies) as client:
        await asyncio.sleep(0.5)
        assert "has ended" in (await client.get("/threads")).json()["detail"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"password": PASSWORD[1:]}, "password is wrong"),
        ({"password": ""}, "password is wrong"),
        ({}, "password is wrong"),
        ({"token": TOKEN[1:]}, "link does not work"),
    ],
)
async def test_wrong_entry(stranger: httpx.AsyncClient, entry: dict[str, str], words: str) -> None:
    """Is told so, and leaves one line in the log that does not hold it."""
    with capture_logs() as logs:
        answer = await stranger.post("/session", json=entry)
    assert answer.status_code == 401
    assert words in answer.json()["detail"]
    assert "set-cookie" not in answer.headers
    (line,) = [line for line in logs if line.get("route") == "/session"]
    assert line["status"] == 401
    assert words in line["reason"]


async def test_entry_that_is_no_text(stranger: httpx.AsyncClient) -> None:
    for body in (
        rb'{"password": "\ud800"}',
        b'{"password": 1}',
        b'{"token": ["x"]}',
        b'{"password": "x", "name": "y"}',
    ):
        answer = await stranger.post("/session", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422


async def test_blank_link_token_opens_nothing(web_settings: Settings) -> None:
    without = web_settings.model_copy(update={"web_link_token": SecretStr("")})
    async with running(without) as url, caller(url) as client:
        for entry in ({"token": ""}, {"password": ""}, {"token": TOKEN}):
            assert (await client.post("/session", json=entry)).status_code == 401


async def test_attempts_are_limited(stranger: httpx.AsyncClient) -> None:
    """Also with the right password, and they do not fill the log."""
    with capture_logs() as logs:
        answers = [await stranger.post("/session", json={"password": PASSWORD[1:]}) for _ in range(20)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 15
    assert "Try again in" in answers[-1].json()["detail"]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert [line["event"] for line in logs].count("request") == 5
    (closed,) = [line for line in logs if line["event"] != "request"]
    assert (closed["network"], closed["seconds"]) == ("127.0.0.1", 60)
    assert (await stranger.post("/session", json={"password": PASSWORD})).status_code == 429


async def test_right_password_forgives_the_wrong_ones(stranger: httpx.AsyncClient) -> None:
    for _ in range(3):
        for _ in range(4):
            assert (await stranger.post("/session", json={"password": PASSWORD[1:]})).status_code == 401
        assert (await stranger.post("/session", json={"password": PASSWORD})).status_code == 204


async def failures(client: httpx.AsyncClient, *hosts: str) -> list[int]:
    """What becomes of wrong attempts that a proxy passes on for these hosts."""
    passed_on = [{"X-Forwarded-For": host} for host in hosts]
    return [
        (await client.post("/session", json={"password": "x"}, headers=headers)).status_code for headers in passed_on
    ]


@pytest.mark.parametrize(("trusted", "last"), [("127.0.0.1", 401), ("10.0.0.1", 429)])
async def test_attempts_count_for_the_caller_that_a_trusted_proxy_names(
    web_settings: Settings, monkeypatch: pytest.MonkeyPatch, trusted: str, last: int
) -> None:
    """Where it is not trusted, all its callers count as one, and the log says what to do about it."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    async with running(web_settings) as url, caller(url) as client:
        with capture_logs() as logs:
            assert (await failures(client, *[f"192.0.2.{number}" for number in range(6)]))[-1] == last
    hints = [line["hint"] for line in logs if "hint" in line]
    assert ["FORWARDED_ALLOW_IPS" in hint for hint in hints] == ([True] if last == 429 else [])


async def test_strangers_do_not_lock_the_owner_out(web_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many networks they come from: whoever has not failed from there gets in."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "127.0.0.1")
    networks = [*[f"192.0.2.{number}" for number in range(60)], *[f"2001:db8:0:{n:x}::1" for n in range(60)]]
    async with running(web_settings) as url, caller(url) as client:
        assert await failures(client, *networks * 5) == [401] * 600
        assert set(await failures(client, *networks)) == {429}
        for owner in ({"X-Forwarded-For": "198.51.100.7"}, {"X-Forwarded-For": "2001:db8:1::7"}, {}):
            answer = await client.post("/session", json={"password": PASSWORD}, headers=owner)
            assert answer.status_code == 204


@pytest.mark.parametrize("changed", ["web_password", "web_link_token", "session_secret"])
async def test_change_of_a_secret_ends_all_sessions(
    web_settings: Settings, owner: httpx.AsyncClient, changed: str
) -> None:
    other = web_settings.model_copy(update={changed: SecretStr("another-secret-of-the-tests")})
    ((_, value),) = owner.cookies.items()
    async with running(other) as url, caller(url) as client:
        await client.post("/session", json={"password": other.web_password.get_secret_value()})
        ((name, _),) = client.cookies.items()
        assert (await client.get("/threads")).status_code == 200
        client.cookies = httpx.Cookies({name: value})
        assert (await client.get("/threads")).status_code == 401


async def test_agents_on_one_host_have_cookies_of_their_own(web_settings: Settings, owner: httpx.AsyncClient) -> None:
    """Cookies know no ports."""
    other = web_settings.model_copy(update={"session_secret": SecretStr("another-secret-of-the-tests")})
    async with running(other) as url, caller(url) as client:
        await client.post("/session", json={"password": PASSWORD})
        assert set(client.cookies).isdisjoint(owner.cookies)
