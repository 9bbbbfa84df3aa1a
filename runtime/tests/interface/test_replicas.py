"""Several replicas of the agent, which come, die and come back."""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs
from yarl import URL

from tests.ports import kept_port
from three_tier.interface.agent_client import AgentClient, Away
from three_tier.interface.agent_types import Question
from three_tier.interface.base_settings import InterfaceSettings
from three_tier.interface.replicas import Replicas
from three_tier.interface.testing.fake_agent import FakeAgent
from three_tier.interface.testing.waiting import until

pytestmark = pytest.mark.anyio

OWNER = "api:someone"


@pytest.fixture
async def agents(monkeypatch: pytest.MonkeyPatch, agent: FakeAgent) -> AsyncIterator[list[FakeAgent]]:
    """Two replicas, at the addresses that the name of the agent stands for."""
    if sys.platform == "darwin":
        pytest.skip("of the addresses 127.x, macOS has 127.0.0.1 alone")
    monkeypatch.setattr("three_tier.interface.replicas.LOOK_UP_EVERY", 0.0)
    with kept_port("127.0.0.2", agent.port) as port:
        async with FakeAgent(port, host="127.0.0.2", replies=agent.replies) as other:
            found = [agent, other]

            async def addresses_of(_: str) -> list[str]:
                return [replica.host for replica in found]

            monkeypatch.setattr("three_tier.interface.replicas.addresses_of", addresses_of)
            yield found


@pytest.fixture
async def client(settings: InterfaceSettings, agents: list[FakeAgent]) -> AsyncIterator[AgentClient]:
    """A client of both."""
    assert len(agents) == 2
    async with AgentClient(settings) as connected:
        await until(lambda: connected.connected)
        yield connected


async def ask(client: AgentClient, text: str) -> str:
    """The reply to a message that is not stored."""
    return (await client.invoke(OWNER, Question(message=text, history=[]))).reply


def counts(agents: list[FakeAgent]) -> list[int]:
    """How many messages each was asked."""
    return [len(agent.bodies) for agent in agents]


async def test_calls_are_spread(client: AgentClient, agents: list[FakeAgent]) -> None:
    """Also those that come one after the other, for which one connection would do."""
    for number in range(20):
        await ask(client, str(number))
    assert sum(counts(agents)) == 20
    assert min(counts(agents)) >= 5


async def test_death_of_a_replica_fails_no_call(client: AgentClient, agents: list[FakeAgent]) -> None:
    """Those that it was asked are asked of the other one with their keys; nobody hears of an agent that is away."""
    for agent in agents:
        agent.slow = 0.5
    with capture_logs() as logs:
        asking = [asyncio.create_task(ask(client, str(number))) for number in range(10)]
        await until(lambda: sum(counts(agents)) == 10)
        await agents[1].stop()
        replies = [reply.split(" ")[1] for reply in await asyncio.gather(*asking)]
        assert replies == [str(number) for number in range(10)]
        assert await ask(client, "later")
    assert client.connected
    assert logs == []
    await agents[1].start()


async def test_replica_that_fails_is_left_out(client: AgentClient, agents: list[FakeAgent]) -> None:
    """For a while, or every call would try it first."""
    agents[1].drop = 1000
    for number in range(10):
        await ask(client, str(number))
    assert len(agents[1].requests) == 1


async def test_replica_that_came_back_is_asked_again(
    client: AgentClient, agents: list[FakeAgent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets its share as before."""
    monkeypatch.setattr("three_tier.interface.replicas.AVOID", 0.1)
    agents[1].drop = 1
    await ask(client, "first")
    await ask(client, "second")
    await asyncio.sleep(0.2)
    before = len(agents[1].bodies)
    for number in range(10):
        await ask(client, str(number))
    assert len(agents[1].bodies) - before >= 3


async def test_new_replica_is_found(client: AgentClient, agents: list[FakeAgent]) -> None:
    """Without a new start of the interface."""
    newcomer = agents.pop()
    for number in range(4):
        await ask(client, str(number))
    before = len(newcomer.bodies)
    agents.append(newcomer)
    for number in range(4):
        await ask(client, str(number))
    assert len(newcomer.bodies) - before == 2


async def test_all_replicas_dead_is_an_agent_that_is_away(client: AgentClient, agents: list[FakeAgent]) -> None:
    """As it is with a single one; when one is back, it gets all the calls, whatever happened to it before."""
    for agent in agents:
        await agent.stop()
    with pytest.raises(Away):
        await ask(client, "hello")
    assert not client.connected
    await agents[1].start()
    await until(lambda: client.connected)
    with capture_logs() as logs:
        for number in range(10):
            await ask(client, str(number))
    assert logs == []


async def test_name_without_an_address(settings: InterfaceSettings) -> None:
    """While no container has the name, that is an agent that is away."""
    nowhere = settings.model_copy(update={"agent_url": "http://agent.invalid:8000", "agent_patience": 0.3})
    async with AgentClient(nowhere) as client:
        with pytest.raises(Away):
            await ask(client, "hello")
        assert not client.connected


async def test_known_addresses_outlive_a_failed_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that is away is no reason to lose an agent that is there."""
    monkeypatch.setattr("three_tier.interface.replicas.LOOK_UP_EVERY", 0.0)
    replicas = Replicas(URL("http://127.0.0.1:8000/agent"))
    assert await replicas.next() == "http://127.0.0.1:8000/agent"

    async def fail(_: str) -> list[str]:
        raise OSError

    monkeypatch.setattr("three_tier.interface.replicas.addresses_of", fail)
    assert await replicas.next() == "http://127.0.0.1:8000/agent"
