"""The web interface, running in front of the agent that is not one."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from secrets import token_hex

import httpx
import pytest
import uvicorn

from tests.ports import kept_port
from three_tier.interface.base_settings import InterfaceSettings
from three_tier.interface.http import testing
from three_tier.interface.http.serving import build_server
from three_tier.interface.http.testing import caller
from three_tier.interface.web.app import create_app
from three_tier.interface.web.fake_page_agent import FakePageAgent
from three_tier.interface.web.problems import Connection
from three_tier.interface.web.settings import Settings

PASSWORD = token_hex()
TOKEN = token_hex()


def server(settings: Settings) -> uvicorn.Server:
    """The interface on a port that is free."""
    return build_server(settings.model_copy(update={"port": 0}), create_app(settings), Connection)


def running(settings: Settings) -> AbstractAsyncContextManager[str]:
    """Serve the interface, and yield its address."""
    return testing.running(server(settings))


def connected(settings: Settings) -> AbstractAsyncContextManager[str]:
    """Serve the interface, and yield its address once it has found its agent."""
    return testing.connected(server(settings))


@pytest.fixture
async def agent() -> AsyncIterator[FakePageAgent]:
    """An agent that is up and knows of sessions."""
    with kept_port() as port:
        async with FakePageAgent(port) as running:
            yield running


@pytest.fixture
def web_settings(settings: InterfaceSettings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A page with a password and a link."""
    monkeypatch.setenv("AGENT_PATIENCE", "0.5")
    monkeypatch.setenv("WEB_PASSWORD", PASSWORD)
    monkeypatch.setenv("WEB_LINK_TOKEN", TOKEN)
    monkeypatch.setenv("SESSION_SECRET", "0123456789abcdef")
    assert settings.agent_url
    return Settings()


@pytest.fixture
async def address(web_settings: Settings) -> AsyncIterator[str]:
    """Where the page is."""
    async with connected(web_settings) as url:
        yield url


@pytest.fixture
async def stranger(address: str) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has not signed in."""
    async with caller(address) as client:
        yield client


@pytest.fixture
async def owner(address: str) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has signed in."""
    async with caller(address) as client:
        answer = await client.post("/session", json={"password": PASSWORD})
        assert answer.status_code == 204
        yield client
