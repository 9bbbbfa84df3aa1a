"""What the tests share: an agent that is not one, and a client that talks to it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.ports import kept_port
from three_tier.interface.agent_client import AgentClient
from three_tier.interface.base_settings import InterfaceSettings
from three_tier.interface.testing.fake_agent import TOKEN, FakeAgent


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio."""
    return "asyncio"


@pytest.fixture
async def agent() -> AsyncIterator[FakeAgent]:
    """An agent that is up."""
    with kept_port() as port:
        async with FakeAgent(port) as running:
            yield running


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, agent: FakeAgent) -> InterfaceSettings:
    """The settings of an interface that belongs to the agent."""
    monkeypatch.setattr("three_tier.interface.agent_client.LOOK_EVERY", 0.1)
    monkeypatch.setattr("three_tier.interface.agent_client.LONGEST_PAUSE", 0.3)
    monkeypatch.setenv("AGENT_NAME", "parrot")
    monkeypatch.setenv("AGENT_URL", agent.url)
    monkeypatch.setenv("AGENT_TOKEN", TOKEN)
    monkeypatch.setenv("AGENT_PATIENCE", "2")
    return InterfaceSettings()


@pytest.fixture
def port() -> Iterator[int]:
    """Where a process of the test may listen."""
    with kept_port() as found:
        yield found


@pytest.fixture
async def client(settings: InterfaceSettings) -> AsyncIterator[AgentClient]:
    """A client of the agent."""
    async with AgentClient(settings) as connected:
        yield connected
