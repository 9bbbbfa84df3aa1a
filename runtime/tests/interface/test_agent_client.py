"""The client of the agent, against a server that misbehaves on request."""

import asyncio
import socket
from contextlib import aclosing

import pytest
from aiohttp import AddrInfoType, ClientSession, ConnectionTimeoutError
from pydantic import SecretStr
from structlog.testing import capture_logs

from three_tier.interface import agent_client
from three_tier.interface.agent_client import AgentClient, Away, Refused, WrongAgent, watched_socket
from three_tier.interface.agent_types import Event, Question
from three_tier.interface.base_settings import InterfaceSettings
from three_tier.interface.testing.fake_agent import FakeAgent
from three_tier.interface.testing.waiting import until

pytestmark = pytest.mark.anyio

OWNER = "api:someone"


async def ask(client: AgentClient, text: str, key: str | None = None) -> str:
    """The reply to a message that is not stored."""
    reply = await client.invoke(OWNER, Question(message=text, history=[]), key)
    return reply.reply


async def events(client: AgentClient, question: Question, key: str | None = None) -> list[Event]:
    """Every event of a streamed answer."""
    async with aclosing(client.stream(OWNER, question, key)) as stream:
        return [event async for event in stream]


async def test_threads_from_beginning_to_end(client: AgentClient) -> None:
    """Made, listed, renamed, written to, read page by page and deleted."""
    thread_id = (await client.create_thread(OWNER, "Tea")).thread_id
    await client.rename_thread(OWNER, thread_id, "Coffee")
    assert [thread.title for thread in (await client.threads(OWNER)).data] == ["Coffee"]
    await client.invoke(OWNER, Question(message="black", thread_id=thread_id))
    page = await client.messages(OWNER, thread_id, limit=1)
    assert [message.role for message in page.data] == ["assistant"]
    assert page.has_more
    older = await client.messages(OWNER, thread_id, before=page.data[0].id)
    assert [message.content for message in older.data] == ["black"]
    await client.delete_thread(OWNER, thread_id)
    with pytest.raises(Refused) as refused:
        await client.messages(OWNER, thread_id)
    assert refused.value.status == 404


@pytest.mark.parametrize("thread_id", ["..", ".", "a/b", "a?b#c", "a%2Fb", "ä ö", "a:b@c"])
async def test_any_thread_id_travels_as_it_is(client: AgentClient, agent: FakeAgent, thread_id: str) -> None:
    """A thread id is one segment of the path, whatever it holds."""
    with pytest.raises(Refused) as refused:
        await client.delete_thread(OWNER, thread_id)
    assert refused.value.status == 404
    assert agent.requests[-1].match_info["id"] == thread_id


async def test_history_is_sent_even_when_empty(client: AgentClient, agent: FakeAgent) -> None:
    """An empty history and none are different things: only without one a thread is made."""
    await ask(client, "hello")
    assert agent.bodies[-1] == {"message": "hello", "history": []}


async def test_lost_connection_is_retried_with_the_same_key(client: AgentClient, agent: FakeAgent) -> None:
    """Also when the caller gave no key."""
    agent.drop = 2
    assert await ask(client, "hello") == "1 hello"
    assert len(agent.keys) == 3
    assert len(set(agent.keys)) == 1


async def test_thread_whose_answer_was_lost_is_made_once(client: AgentClient, agent: FakeAgent) -> None:
    """Whether the caller gave a key or not."""
    for number, key in enumerate((None, "key-1"), 1):
        agent.lose = 2
        made = await client.create_thread(OWNER, "Tea", key)
        assert len((await client.threads(OWNER)).data) == number
        assert len(agent.keys) == 3 * number
        assert made == await client.create_thread(OWNER, "Tea", agent.keys[-1])
        agent.requests.pop()


async def test_key_of_the_caller_is_used(client: AgentClient, agent: FakeAgent) -> None:
    """The same key gets the same reply, another key another one."""
    assert await ask(client, "hello", "key-1") == await ask(client, "hello", "key-1")
    assert await ask(client, "hello", "key-2") == "2 hello"
    assert agent.keys == ["key-1", "key-1", "key-2"]


async def test_restart_of_the_agent_is_ridden_out(client: AgentClient, agent: FakeAgent) -> None:
    """A call that meets an agent on its way up waits for it."""
    await until(lambda: client.connected)
    await agent.stop()
    asking = asyncio.create_task(ask(client, "hello"))
    await asyncio.sleep(0.5)
    assert not asking.done()
    await agent.start()
    assert await asking == "1 hello"


async def test_agent_that_dies_of_a_message_is_not_asked_for_ever(client: AgentClient, agent: FakeAgent) -> None:
    """Each time it comes back, and each time the same message ends it."""
    agent.drop = 1000
    with pytest.raises(Away):
        await ask(client, "hello")
    assert 3 <= len(agent.requests) <= 20


async def test_patience_ends(settings: InterfaceSettings, agent: FakeAgent) -> None:
    """It is counted from the moment the agent went away, so that in a long outage calls fail at once."""
    await agent.stop()
    async with AgentClient(settings.model_copy(update={"agent_patience": 1})) as client:
        with pytest.raises(Away):
            await ask(client, "hello")
        await asyncio.sleep(0.5)
        start = asyncio.get_running_loop().time()
        with pytest.raises(Away) as away:
            await ask(client, "hello")
        assert asyncio.get_running_loop().time() - start < 0.5
    assert away.value.status == 503
    assert away.value.retry_after
    await agent.start()


async def test_call_that_never_connected_has_asked_nothing(
    client: AgentClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def request(*_: object, **__: object) -> None:
        raise ConnectionTimeoutError

    monkeypatch.setattr(ClientSession, "request", request)
    with pytest.raises(Away) as away:
        await ask(client, "hello")
    assert not away.value.asked


async def test_reconnects(client: AgentClient, agent: FakeAgent) -> None:
    """What the log says of it is what operators look for."""
    await until(lambda: client.connected)
    with capture_logs() as logs:
        await agent.stop()
        with pytest.raises(Away):
            await ask(client, "hello")
        assert not client.connected
        await agent.start()
        await until(lambda: client.connected)
    assert [line["event"] for line in logs] == ["Not connected", "Connected"]


async def test_refusals_are_passed_on(client: AgentClient, agent: FakeAgent) -> None:
    """Status, words and the time to wait, after one try."""
    agent.refuse = (503, "The database does not answer.", {"Retry-After": "7"})
    with pytest.raises(Refused) as refused:
        await ask(client, "hello")
    assert (refused.value.status, refused.value.detail) == (503, "The database does not answer.")
    assert refused.value.retry_after == "7"
    assert len(agent.requests) == 1


async def test_wrong_token_is_not_the_callers_fault(settings: InterfaceSettings) -> None:
    """The agent's 401 would tell people that their own key is wrong."""
    wrong = settings.model_copy(update={"agent_token": SecretStr("another-token-of-the-tests")})
    with capture_logs() as logs:
        async with AgentClient(wrong) as client:
            with pytest.raises(WrongAgent) as refused:
                await ask(client, "hello")
            await until(lambda: bool(logs))
            assert client.info is None
    assert refused.value.status == 502
    assert "AGENT_TOKEN" in refused.value.detail
    assert [line["event"] for line in logs] == ["Not connected"]


async def test_something_else_at_the_address(client: AgentClient, agent: FakeAgent) -> None:
    """A proxy's error page, say, is not an answer of the agent."""
    agent.page = "<html>welcome</html>"
    with pytest.raises(WrongAgent) as refused:
        await ask(client, "hello")
    assert refused.value.status == 502


async def test_a_connection_whose_other_side_is_cut_off_ends_within_seconds(
    agent: FakeAgent, settings: InterfaceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[socket.socket] = []

    def noted(address: AddrInfoType) -> socket.socket:
        made.append(watched_socket(address))
        return made[-1]

    monkeypatch.setattr(agent_client, "watched_socket", noted)
    async with AgentClient(settings) as client:
        await ask(client, "hello")
        assert agent.requests
        assert made
        for found in made:
            options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
            idle, interval, count, patience = (found.getsockopt(socket.IPPROTO_TCP, option) for option in options)
            assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert idle + interval * count <= 5
            assert 0 < patience <= 5000


async def test_stream(client: AgentClient) -> None:
    """The events come in the agent's order, heartbeats among them."""
    found = await events(client, Question(message="to be or", history=[]))
    assert [event.type for event in found] == ["metadata", "token", "ping", "token", "token", "token", "message"]
    assert " ".join(event.text for event in found if event.type == "token") == "1 to be or"
    assert found[-1].content == "1 to be or"
    assert found[-1].usage
    assert found[-1].usage.total_tokens == 7


async def test_stream_that_breaks_early_is_asked_for_again(client: AgentClient, agent: FakeAgent) -> None:
    """Nobody has seen any of the answer yet, so the second attempt takes its place."""
    agent.break_after = 1
    found = await events(client, Question(message="hello", history=[]))
    assert [event.type for event in found if event.type != "ping"] == ["metadata", "token", "token", "message"]
    assert len(set(agent.keys)) == 1
    assert len(agent.keys) == 2


async def test_stream_that_breaks_late_is_an_error(client: AgentClient, agent: FakeAgent) -> None:
    """Half of an answer was seen; another attempt could say something else."""
    agent.break_after = 2
    with pytest.raises(Away):
        await events(client, Question(message="hello", history=[]))
    assert len(agent.keys) == 1


async def test_closing_a_stream_stops_the_agent(client: AgentClient, agent: FakeAgent) -> None:
    """The agent notices that nobody listens any more."""
    agent.hang = True
    async with aclosing(client.stream(OWNER, Question(message="hello", history=[]))) as stream:
        async for event in stream:
            if event.type == "token":
                break
    async with asyncio.timeout(5):
        await agent.cancelled.wait()
