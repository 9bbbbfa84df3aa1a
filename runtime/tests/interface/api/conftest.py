"""The API, running in front of the agent that is not one."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
import uvicorn
from openai import AsyncOpenAI

from three_tier.interface.api.app import create_app
from three_tier.interface.api.problems import Connection
from three_tier.interface.api.routes import Router
from three_tier.interface.api.settings import Settings
from three_tier.interface.base_settings import InterfaceSettings
from three_tier.interface.http import testing
from three_tier.interface.http.serving import build_server
from three_tier.interface.http.testing import caller

KEY = "alice" * 5
NEW_KEY = "new-key-of-alice-0123456"
OTHER_KEY = "bob" * 8


def server(settings: Settings, *own: Router) -> uvicorn.Server:
    """The interface on a port that is free."""
    return build_server(settings.model_copy(update={"port": 0}), create_app(settings, *own), Connection)


def running(settings: Settings, *own: Router) -> AbstractAsyncContextManager[str]:
    """Serve the interface, and yield its address."""
    return testing.running(server(settings, *own))


def connected(settings: Settings) -> AbstractAsyncContextManager[str]:
    """Serve the interface, and yield its address once it has found its agent."""
    return testing.connected(server(settings))


@pytest.fixture
def api_settings(settings: InterfaceSettings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Two callers, one of them with two keys."""
    monkeypatch.setenv("API_KEYS", f"alice:{KEY},alice:{NEW_KEY},bob:{OTHER_KEY}")
    monkeypatch.setenv("RATE_LIMIT", "")
    monkeypatch.setenv("AGENT_PATIENCE", "0.5")
    assert settings.agent_url
    return Settings()


@pytest.fixture
async def address(api_settings: Settings) -> AsyncIterator[str]:
    """Where the API is."""
    async with connected(api_settings) as url:
        yield url


@pytest.fixture
async def alice(address: str) -> AsyncIterator[httpx.AsyncClient]:
    """A caller with a key."""
    async with caller(address, headers={"Authorization": f"Bearer {KEY}"}) as client:
        yield client


@pytest.fixture
async def bob(address: str) -> AsyncIterator[httpx.AsyncClient]:
    """Another caller."""
    async with caller(address, headers={"Authorization": f"Bearer {OTHER_KEY}"}) as client:
        yield client


@pytest.fixture
async def openai(address: str) -> AsyncIterator[AsyncOpenAI]:
    """OpenAI's own client."""
    async with AsyncOpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0) as client:
        yield client
