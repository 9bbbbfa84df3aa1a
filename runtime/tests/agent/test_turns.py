"""How a turn keeps its thread, loses it, and is counted."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.agent.fakes import EchoLogic, InMemory
from three_tier.agent.contract import (
    FINISH,
    Busy,
    Event,
    LogicBroke,
    Message,
    NoReply,
    Overloaded,
    TookTooLong,
    Turn,
    Unavailable,
)
from three_tier.agent.turns import Turns

pytestmark = pytest.mark.anyio

OWNER = "api:ann"
LEASE = 0.5  # seconds


@pytest.fixture
def turns(memory: InMemory, logic: EchoLogic) -> Turns:
    return Turns(memory, logic, lease=LEASE, wait=2, limit=60, most=10)


@pytest.fixture
async def open_turn(turns: Turns) -> AsyncIterator[Turn]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(turns.open(OWNER, None, None, "hi"))


def count(outcome: str) -> float:
    return REGISTRY.get_sample_value("agent_turns_total", {"outcome": outcome}) or 0


async def stream(turns: Turns, turn: Turn) -> list[Any]:
    return [event async for event in turns.stream(turn)]


async def admit(turns: Turns, question: str, thread_id: str | None = None) -> None:
    async with turns.open(OWNER, thread_id, None, question):
        pass


async def in_use(memory: InMemory, turn: Turn) -> bool:
    try:
        await memory.begin(OWNER, str(turn.thread_id), "k", "?", "another run", create=False, lease=1, wait=0)
    except Busy:
        return True
    return False


@pytest.mark.parametrize("lead", [Turns.answer, stream])
async def test_a_slow_turn_keeps_its_thread(
    turns: Turns, open_turn: Turn, memory: InMemory, logic: EchoLogic, lead: Any
) -> None:
    logic.gate.clear()
    work = asyncio.create_task(lead(turns, open_turn))
    await asyncio.sleep(LEASE * 2.5)
    assert await in_use(memory, open_turn)
    logic.gate.set()
    await work
    assert open_turn.answer is not None


@pytest.mark.parametrize("lead", [Turns.answer, stream])
async def test_a_lost_lease_cancels_the_work(
    turns: Turns, open_turn: Turn, memory: InMemory, logic: EchoLogic, lead: Any
) -> None:
    logic.gate.clear()
    before = count("refused")
    work = asyncio.create_task(lead(turns, open_turn))
    await logic.started.wait()
    memory.kept[OWNER, str(open_turn.thread_id)].run = "another run"
    with pytest.raises(Busy):
        await work
    assert logic.ended.is_set()
    assert count("refused") == before + 1
    assert [message.role for message in await memory.messages(OWNER, str(open_turn.thread_id), 9)] == ["user"]


async def test_an_outage_while_the_logic_works_does_not_end_the_turn(
    turns: Turns, open_turn: Turn, memory: InMemory, logic: EchoLogic, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    async def away(*_: object) -> bool:
        nonlocal tries
        tries += 1
        if tries == 2:
            logic.gate.set()
        raise Unavailable("away")

    monkeypatch.setattr(memory, "renew", away)
    logic.gate.clear()
    async with asyncio.timeout(10):
        assert (await turns.answer(open_turn)).content == "echo hi []"
    assert tries == 2


async def test_a_timeout_of_the_logic_is_not_a_lost_lease(turns: Turns, open_turn: Turn, logic: EchoLogic) -> None:
    logic.error = TimeoutError()
    with pytest.raises(LogicBroke, match="TimeoutError"):
        await turns.answer(open_turn)


@pytest.mark.parametrize("lead", [Turns.answer, stream])
async def test_a_turn_that_takes_too_long_is_ended(turns: Turns, memory: InMemory, logic: EchoLogic, lead: Any) -> None:
    turns.limit = 0.1
    logic.gate.clear()
    async with turns.open(OWNER, None, None, "hi") as turn:
        with pytest.raises(TookTooLong, match="TURN_TIMEOUT"):
            await lead(turns, turn)
    assert logic.ended.is_set()
    assert not await in_use(memory, turn)


async def test_what_a_reader_takes_is_not_the_time_of_the_logic(turns: Turns, open_turn: Turn) -> None:
    turns.limit = 0.2
    said = []
    async for event in turns.stream(open_turn):
        said.append(event["type"])
        await asyncio.sleep(0.15)
    assert said == ["token", "token", "message"]


def block(seconds: float) -> Awaitable[None]:
    """As `asyncio.sleep`, but without giving way to others."""
    time.sleep(seconds)
    done: asyncio.Future[None] = asyncio.Future()
    done.set_result(None)
    return done


@pytest.mark.parametrize("pause", [asyncio.sleep, block])
async def test_all_that_the_logic_takes_counts(
    turns: Turns, open_turn: Turn, logic: EchoLogic, monkeypatch: pytest.MonkeyPatch, pause: Any
) -> None:
    async def events(*_: object) -> AsyncGenerator[Event]:
        for _number in range(100):
            await pause(0.04)
            yield {"type": "token", "text": "and "}

    monkeypatch.setattr(logic, "stream", events)
    turns.limit = 0.2
    with pytest.raises(TookTooLong):
        await stream(turns, open_turn)


async def test_a_lease_that_is_lost_while_the_caller_reads_ends_the_stream(
    turns: Turns, open_turn: Turn, memory: InMemory, logic: EchoLogic
) -> None:
    events = turns.stream(open_turn)
    await anext(events)
    memory.kept[OWNER, str(open_turn.thread_id)].run = "another run"
    await asyncio.sleep(LEASE)
    with pytest.raises(Busy):
        await anext(events)
    assert logic.ended.is_set()


async def test_there_are_so_many_turns_and_the_others_wait(memory: InMemory, logic: EchoLogic) -> None:
    turns = Turns(memory, logic, lease=LEASE, wait=0.1, limit=60, most=2)
    async with turns.place(), turns.open(OWNER, None, None, "one"):
        with pytest.raises(Overloaded):
            await admit(turns, "no place in time")
        turns.wait = 5
        waiting = asyncio.create_task(admit(turns, "in line"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    await waiting
    assert [message.content for kept in memory.kept.values() for _, message in kept.messages] == ["one", "in line"]


async def test_a_stored_answer_holds_no_place(memory: InMemory, logic: EchoLogic) -> None:
    turns = Turns(memory, logic, lease=LEASE, wait=0.1, limit=60, most=1)
    async with turns.open(OWNER, None, "k", "hi") as turn:
        await turns.answer(turn)
    async with turns.open(OWNER, None, "k", "hi"):
        await admit(turns, "another")


async def test_a_message_waits_once_for_its_thread_and_a_place(memory: InMemory, logic: EchoLogic) -> None:
    turns = Turns(memory, logic, lease=9, wait=1, limit=60, most=1)
    thread_id = await memory.create(OWNER)
    started = time.monotonic()
    async with turns.place():
        async with turns._in_line(OWNER, thread_id):
            waiting = asyncio.create_task(admit(turns, "late", thread_id))
            await asyncio.sleep(0.7)
        with pytest.raises(Overloaded):
            await waiting
    assert time.monotonic() - started < 1.5


async def test_a_cancelled_turn_frees_its_thread(turns: Turns, memory: InMemory, logic: EchoLogic) -> None:
    logic.gate.clear()
    found: list[Turn] = []

    async def lead() -> None:
        async with turns.open(OWNER, None, None, "hi") as turn:
            found.append(turn)
            await turns.answer(turn)

    before = count("abandoned")
    work = asyncio.create_task(lead())
    await logic.started.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert count("abandoned") == before + 1
    assert not await in_use(memory, found[0])


async def test_a_stream_that_was_left_keeps_its_thread_no_longer(
    turns: Turns, memory: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its caller and the database went away together, and nobody has closed it."""

    async def away(_: Turn) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(memory, "release", away)
    async with turns.open(OWNER, None, None, "hi") as turn:
        events = turns.stream(turn)
        assert (await anext(events))["type"] == "token"
    assert await in_use(memory, turn)
    await asyncio.sleep(LEASE * 2.5)
    assert not await in_use(memory, turn)
    await events.aclose()


async def test_messages_of_a_thread_are_answered_as_they_came(turns: Turns, memory: InMemory) -> None:
    thread_id = await memory.create(OWNER)

    async def ask(n: int) -> None:
        async with turns.open(OWNER, thread_id, None, f"m{n}") as turn:
            await asyncio.sleep(0.01 * (5 - n))
            await turns.answer(turn)

    await asyncio.gather(*[ask(n) for n in range(5)])
    said = await memory.messages(OWNER, thread_id, 20)
    assert [message.content for message in said[::-1] if message.role == "user"] == ["m0", "m1", "m2", "m3", "m4"]
    assert not turns.lines


async def test_what_a_logic_writes_can_be_stored(
    turns: Turns, open_turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_turn, "question", "a\0b\ud800c")
    assert (await turns.answer(open_turn)).content == "echo ab?c []"


@pytest.mark.parametrize("lead", [Turns.answer, stream])
@pytest.mark.parametrize("said", [[], [Message("assistant", " \n")], [Message("assistant", "\0")]])
async def test_an_empty_reply_is_none(
    turns: Turns,
    open_turn: Turn,
    memory: InMemory,
    logic: EchoLogic,
    monkeypatch: pytest.MonkeyPatch,
    lead: Any,
    said: list[Message],
) -> None:
    async def answer(*_: object) -> list[Message]:
        return said

    async def events(*_: object) -> AsyncGenerator[Message]:
        for message in said:
            yield message

    monkeypatch.setattr(logic, "answer", answer)
    monkeypatch.setattr(logic, "stream", events)
    before = count("failed")
    with pytest.raises(NoReply):
        await lead(turns, open_turn)
    assert count("failed") == before + 1
    assert [message.role for message in await memory.messages(OWNER, str(open_turn.thread_id), 9)] == ["user"]


@pytest.mark.parametrize("lead", [Turns.answer, stream])
async def test_an_incomplete_reply_is_counted_as_such(
    turns: Turns, logic: EchoLogic, monkeypatch: pytest.MonkeyPatch, lead: Any
) -> None:
    async def answer(*_: object) -> list[Message]:
        return [Message("assistant", "Once upon", {FINISH: "length"})]

    async def events(*_: object) -> AsyncGenerator[Message]:
        yield Message("assistant", "Once upon", {FINISH: "length"})

    monkeypatch.setattr(logic, "answer", answer)
    monkeypatch.setattr(logic, "stream", events)
    before = count("incomplete")
    async with turns.open(OWNER, None, "k", "hi") as turn:
        answered = await lead(turns, turn)
    assert count("incomplete") == before + 1
    if lead is stream:
        assert answered == [{"type": "message", "content": "Once upon", "finish_reason": "length", "usage": None}]
    async with turns.open(OWNER, None, "k", "hi") as again:
        assert (await turns.answer(again)).finish_reason == "length"
