"""What the tests share: an agent that is not one, and a client that talks to it."""

import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from agent_client import AgentClient
from base_settings import InterfaceSettings
from tests.fake_agent import TOKEN, FakeAgent


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio."""
    return "asyncio"


@pytest.fixture
async def agent() -> AsyncIterator[FakeAgent]:
    """An agent that is up."""
    async with FakeAgent() as running:
        yield running


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, agent: FakeAgent) -> InterfaceSettings:
    """The settings of an interface that belongs to the agent."""
    monkeypatch.setattr("agent_client.LOOK_EVERY", 0.1)
    monkeypatch.setenv("AGENT_NAME", "parrot")
    monkeypatch.setenv("AGENT_URL", agent.url)
    monkeypatch.setenv("AGENT_TOKEN", TOKEN)
    monkeypatch.setenv("AGENT_PATIENCE", "2")
    return InterfaceSettings()


@pytest.fixture
def port() -> Iterator[int]:
    """A free port, which nobody else is given until a process of the test listens there."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
async def client(settings: InterfaceSettings) -> AsyncIterator[AgentClient]:
    """A client of the agent."""
    async with AgentClient(settings) as connected:
        yield connected
