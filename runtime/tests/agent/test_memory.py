"""The memory contract. Runs unchanged against the memory of the tests and against the real database.

The real one takes part when TEST_DATABASE_URL (with its port, without the password) and TEST_DATABASE_PASSWORD are
set; the database must hold the tables. The tests delete nothing but what they made.
"""

import asyncio
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from tests.agent.databases import age, build_memory
from tests.agent.fakes import InMemory
from tests.agent.proxy import Proxy
from three_tier.agent.contract import (
    ALL,
    FINISH,
    Busy,
    KeyReused,
    Memory,
    Message,
    NotFound,
    NotStorable,
    Revocation,
    Thread,
    Turn,
    Unavailable,
)
from three_tier.agent.settings import Settings
from three_tier.agent.transfer import move_all

pytestmark = pytest.mark.anyio

WINDOW = 6
LARGEST = 1_000_000  # bytes of a message
CENTURIES = 100_000  # days; so old is no thread but those of these tests


@dataclass
class Backend:
    """A memory under test, with an owner of its own."""

    memory: Memory
    age: Callable[[str, str, int], Awaitable[None]]
    owner: str

    async def begin(self, thread_id: str, key: str, question: str = "hi", **options: Any) -> Turn:
        timing = {"create": False, "lease": 10.0, "wait": 10.0, **options}
        return await self.memory.begin(self.owner, thread_id, key, question, uuid.uuid4().hex, **timing)

    async def turn(self, thread_id: str, key: str, question: str = "hi", reply: str = "ho", **options: Any) -> Turn:
        """A whole turn, as the agent leads it."""
        turn = await self.begin(thread_id, key, question, **options)
        if turn.answer is None:
            await self.memory.finish(turn, [Message("assistant", reply)])
        else:
            await self.memory.release(turn)
        return turn

    async def said(self, thread_id: str) -> list[tuple[str, str]]:
        messages = await self.memory.messages(self.owner, thread_id, 1000)
        return [(message.role, message.content) for message in reversed(messages)]


@pytest.fixture
def real(real: Settings) -> Settings:
    """The settings of the real database, with limits that a test reaches soon."""
    return real.model_copy(update={"history_window": WINDOW, "max_content": LARGEST})


@pytest.fixture(params=["in-memory", "database"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    owner = f"test:{uuid.uuid4()}"
    if request.param == "in-memory":
        fake = InMemory(WINDOW, LARGEST)
        yield Backend(fake, fake.age, owner)
        return
    settings: Settings = request.getfixturevalue("real")
    memory = build_memory(settings)
    yield Backend(memory, lambda *of: age(settings, *of), owner)
    await memory.close()


@pytest.fixture
async def thread_id(backend: Backend) -> str:
    return await backend.memory.create(backend.owner)


class TestTurns:
    async def test_a_turn_is_stored_and_remembered(self, backend: Backend, thread_id: str) -> None:
        first = await backend.begin(thread_id, "k1", "one")
        assert (first.owner, first.thread_id, first.key, first.question) == (backend.owner, thread_id, "k1", "one")
        assert (first.history, first.answer) == ([], None)
        assert await backend.said(thread_id) == [("user", "one")]
        reply = Message("assistant", "two", usage={"total_tokens": 3, "input_tokens": 1})
        await backend.memory.finish(first, [reply])
        assert first.answer == reply
        second = await backend.begin(thread_id, "k2")
        assert [(message.role, message.content) for message in second.history] == [
            ("user", "one"),
            ("assistant", "two"),
        ]

    async def test_tool_messages_keep_their_data(self, backend: Backend, thread_id: str) -> None:
        turn = await backend.begin(thread_id, "k1")
        data = {"calls": [{"name": "add", "args": {"a": 1, "text": "\0 \ud800 🙂"}}], "b": None, "a": 1.5}
        await backend.memory.finish(
            turn, [Message("assistant", "", data), Message("tool", "3", {"id": 1}), Message("assistant", "three")]
        )
        history = (await backend.begin(thread_id, "k2")).history
        assert [(m.role, m.content, m.data) for m in history] == [
            ("user", "hi", None),
            ("assistant", "", data),
            ("tool", "3", {"id": 1}),
            ("assistant", "three", None),
        ]
        assert await backend.said(thread_id) == [("user", "hi"), ("assistant", "three"), ("user", "hi")]

    async def test_an_unknown_thread_is_not_found_and_not_made(self, backend: Backend) -> None:
        with pytest.raises(NotFound):
            await backend.begin("none", "k1")
        assert await backend.memory.threads(backend.owner, 10) == []

    async def test_a_thread_is_made_when_asked(self, backend: Backend) -> None:
        await backend.turn("mine", "k1", create=True)
        assert [thread.id for thread in await backend.memory.threads(backend.owner, 10)] == ["mine"]

    async def test_ten_turns_at_once_are_ten_pairs_in_order(self, backend: Backend, thread_id: str) -> None:
        turns = [backend.turn(thread_id, f"k{n}", f"question {n}", f"reply {n}") for n in range(10)]
        await asyncio.gather(*turns)
        said = await backend.said(thread_id)
        pairs = list(zip(said[::2], said[1::2], strict=True))
        assert {question for (_, question), _ in pairs} == {f"question {n}" for n in range(10)}
        for (asking, question), (answering, reply) in pairs:
            assert (asking, answering) == ("user", "assistant")
            assert reply == question.replace("question", "reply")

    async def test_each_turn_sees_all_before_it(self, backend: Backend, thread_id: str) -> None:
        turns = await asyncio.gather(*[backend.turn(thread_id, f"k{n}", f"q{n}", f"r{n}") for n in range(10)])
        order = [question for role, question in await backend.said(thread_id) if role == "user"]
        for turn in turns:
            place = order.index(turn.question)
            seen = [message.content for message in turn.history if message.role == "user"]
            assert seen == order[max(0, place - WINDOW // 2) : place]


class TestIdempotency:
    async def test_the_same_key_ten_times_at_once_is_one_pair(self, backend: Backend) -> None:
        turns = await asyncio.gather(*[backend.turn("new", "k", "hi", f"reply {n}", create=True) for n in range(10)])
        replies = {turn.answer.content for turn in turns if turn.answer}
        assert len(replies) == 1
        assert await backend.said("new") == [("user", "hi"), ("assistant", replies.pop())]

    async def test_a_replay_is_equal(self, backend: Backend, thread_id: str) -> None:
        turn = await backend.begin(thread_id, "k")
        usage = {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2}
        reply = Message("assistant", " odd \r\n\t 🙂 ", usage=usage)
        await backend.memory.finish(turn, [Message("assistant", "", {"x": 1}), Message("tool", "t", {"y": 2}), reply])
        again = (await backend.begin(thread_id, "k")).answer
        assert again is not None
        assert (again.role, again.content, again.usage) == ("assistant", reply.content, usage)
        assert list(again.usage or ()) == list(usage)

    async def test_another_question_is_refused(self, backend: Backend, thread_id: str) -> None:
        await backend.turn(thread_id, "k", "one")
        with pytest.raises(KeyReused):
            await backend.begin(thread_id, "k", "two")
        await backend.turn(thread_id, "k2", wait=0)  # the thread is free
        assert [content for _, content in await backend.said(thread_id)] == ["one", "ho", "hi", "ho"]

    async def test_another_thread_is_refused_and_none_left_behind(self, backend: Backend, thread_id: str) -> None:
        await backend.turn(thread_id, "k")
        empty = await backend.memory.create(backend.owner)
        with pytest.raises(KeyReused):
            await backend.begin("new", "k", create=True)
        with pytest.raises(KeyReused):
            await backend.begin(empty, "k")
        assert {thread.id for thread in await backend.memory.threads(backend.owner, 10)} == {thread_id, empty}
        assert await backend.said(empty) == []

    async def test_owners_do_not_share_keys(self, backend: Backend, thread_id: str) -> None:
        await backend.turn(thread_id, "k", "one")
        other = Backend(backend.memory, backend.age, f"{backend.owner}-other")
        turn = await other.turn(thread_id, "k", "two", create=True)
        assert turn.history == []
        assert await backend.said(thread_id) == [("user", "one"), ("assistant", "ho")]


class TestLease:
    async def test_a_second_run_waits_and_is_refused_in_the_end(self, backend: Backend, thread_id: str) -> None:
        await backend.begin(thread_id, "k1")
        started = time.monotonic()
        with pytest.raises(Busy):
            await backend.begin(thread_id, "k2", wait=0.3)
        assert 0.2 < time.monotonic() - started < 1.5
        assert await backend.said(thread_id) == [("user", "hi")]

    async def test_a_second_run_follows_when_the_first_is_done(self, backend: Backend, thread_id: str) -> None:
        first = await backend.begin(thread_id, "k1", "one")
        second = asyncio.create_task(backend.begin(thread_id, "k2", "two"))
        await asyncio.sleep(0.1)
        assert not second.done()
        await backend.memory.finish(first, [Message("assistant", "ho")])
        assert [message.content for message in (await second).history] == ["one", "ho"]

    async def test_a_released_thread_is_free(self, backend: Backend, thread_id: str) -> None:
        turn = await backend.begin(thread_id, "k1")
        await backend.memory.release(turn)
        await backend.begin(thread_id, "k2", wait=0)

    async def test_a_lost_lease_writes_nothing(self, backend: Backend, thread_id: str) -> None:
        late = await backend.begin(thread_id, "k1", "late", lease=0.2)
        quick = await backend.begin(thread_id, "k2", "quick")
        assert await backend.memory.renew(late, 10) is False
        with pytest.raises(Busy):
            await backend.memory.finish(late, [Message("assistant", "too late")])
        await backend.memory.release(late)  # not its lease: changes nothing
        with pytest.raises(Busy):
            await backend.begin(thread_id, "k3", wait=0)
        await backend.memory.finish(quick, [Message("assistant", "in time")])
        assert [content for _, content in await backend.said(thread_id)] == ["late", "quick", "in time"]

    async def test_a_renewed_lease_holds(self, backend: Backend, thread_id: str) -> None:
        turn = await backend.begin(thread_id, "k1", lease=0.3)
        for _ in range(3):
            await asyncio.sleep(0.15)
            assert await backend.memory.renew(turn, 0.3) is True
        with pytest.raises(Busy):
            await backend.begin(thread_id, "k2", wait=0)
        await backend.memory.finish(turn, [Message("assistant", "ho")])

    async def test_a_turn_that_another_run_finished_takes_its_answer(self, backend: Backend, thread_id: str) -> None:
        slow = await backend.begin(thread_id, "k", lease=0.2)
        await asyncio.sleep(0.25)
        await backend.turn(thread_id, "k", reply="first")
        await backend.memory.finish(slow, [Message("assistant", "second")])
        assert slow.answer is not None
        assert slow.answer.content == "first"
        assert await backend.said(thread_id) == [("user", "hi"), ("assistant", "first")]

    async def test_after_a_crash_a_retry_finishes_the_turn(self, backend: Backend, thread_id: str) -> None:
        await backend.begin(thread_id, "k1", "lost", lease=0.2)  # and the agent is gone
        await backend.turn(thread_id, "k2", "between")
        turn = await backend.turn(thread_id, "k1", "lost", "found")
        assert "lost" not in [message.content for message in turn.history]
        assert [content for _, content in await backend.said(thread_id)] == ["lost", "between", "ho", "found"]
        again = await backend.begin(thread_id, "k1", "lost")
        assert again.answer is not None
        assert again.answer.content == "found"

    async def test_a_caller_that_leaves_while_waiting_leaves_nothing(self, backend: Backend, thread_id: str) -> None:
        first = await backend.begin(thread_id, "k1", "one")
        second = asyncio.create_task(backend.begin(thread_id, "k2", "two"))
        await asyncio.sleep(0.1)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await backend.memory.finish(first, [Message("assistant", "ho")])
        await backend.turn(thread_id, "k3", "three", wait=0)
        assert "two" not in [content for _, content in await backend.said(thread_id)]


class TestWindow:
    async def test_the_window_is_the_newest_messages(self, backend: Backend, thread_id: str) -> None:
        for n in range(5):
            await backend.turn(thread_id, f"k{n}", f"q{n}", f"r{n}")
        history = (await backend.begin(thread_id, "last")).history
        assert [message.content for message in history] == ["q2", "r2", "q3", "r3", "q4", "r4"]

    async def test_the_window_starts_at_a_users_message(self, backend: Backend, thread_id: str) -> None:
        turn = await backend.begin(thread_id, "k0", "with tools")
        steps = [Message("assistant", "", {"n": n}) if n % 2 else Message("tool", "x", {"n": n}) for n in range(1, 5)]
        await backend.memory.finish(turn, [*steps, Message("assistant", "r0")])
        await backend.turn(thread_id, "k1", "q1", "r1")
        history = (await backend.begin(thread_id, "k2")).history
        assert [message.content for message in history] == ["q1", "r1"]

    async def test_a_turn_longer_than_the_window_leaves_it_empty(self, backend: Backend, thread_id: str) -> None:
        turn = await backend.begin(thread_id, "k0")
        await backend.memory.finish(turn, [Message("assistant", str(n), {"n": n}) for n in range(WINDOW + 2)])
        assert (await backend.begin(thread_id, "k1")).history == []


class TestThreads:
    async def test_a_thread_is_made_once(self, backend: Backend) -> None:
        made = await asyncio.gather(*[backend.memory.create(backend.owner, "title", "mine") for _ in range(10)])
        assert made == ["mine"] * 10
        await backend.turn("mine", "k")
        assert await backend.memory.create(backend.owner, "title", "mine") == "mine"
        for title in ("another", "", None):
            with pytest.raises(KeyReused):
                await backend.memory.create(backend.owner, title, "mine")
        assert [thread.title for thread in await backend.memory.threads(backend.owner, 5)] == ["title"]
        assert await backend.said("mine") == [("user", "hi"), ("assistant", "ho")]

    async def test_a_thread_without_a_title_is_made_once(self, backend: Backend) -> None:
        for _ in range(2):
            await backend.memory.create(backend.owner, None, "mine")
        with pytest.raises(KeyReused):
            await backend.memory.create(backend.owner, "title", "mine")
        assert [thread.title for thread in await backend.memory.threads(backend.owner, 5)] == [None]

    async def test_pages_of_threads(self, backend: Backend) -> None:
        ids = [await backend.memory.create(backend.owner, f"title {n}") for n in range(7)]
        first = await backend.memory.threads(backend.owner, 3)
        second = await backend.memory.threads(backend.owner, 3, first[-1].id)
        third = await backend.memory.threads(backend.owner, 3, second[-1].id)
        assert [thread.id for thread in (*first, *second, *third)] == ids[::-1]
        assert first[0].title == "title 6"
        assert first[0].created_at <= first[0].updated_at
        assert first[0].created_at.tzinfo is not None
        assert await backend.memory.threads(backend.owner, 3, "unknown") == []

    async def test_pages_of_messages(self, backend: Backend, thread_id: str) -> None:
        for n in range(4):
            await backend.turn(thread_id, f"k{n}", f"q{n}", f"r{n}")
        first = await backend.memory.messages(backend.owner, thread_id, 5)
        rest = await backend.memory.messages(backend.owner, thread_id, 5, first[-1].id)
        contents = [message.content for message in (*first, *rest)]
        assert contents == ["r3", "q3", "r2", "q2", "r1", "q1", "r0", "q0"]
        ids = [message.id for message in (*first, *rest)]
        assert ids == sorted(set(ids), reverse=True)
        assert all(message.created_at and message.created_at.tzinfo for message in first)
        assert await backend.memory.messages(backend.owner, thread_id, 5, rest[-1].id) == []

    async def test_pages_say_how_replies_ended(self, backend: Backend, thread_id: str) -> None:
        text = "\0 \ud800 finish_reason"
        for n, data in enumerate(({FINISH: "length", "text": text}, {"finish": text}, {"text": f'"{FINISH}"'}, None)):
            turn = await backend.begin(thread_id, f"k{n}", f"q{n}")
            await backend.memory.finish(turn, [Message("assistant", f"r{n}", data)])
        found = await backend.memory.messages(backend.owner, thread_id, 9)
        assert [message.finish_reason for message in found[::-1]] == ["stop", "length", *["stop"] * 6]
        again = (await backend.begin(thread_id, "k0", "q0")).answer
        assert again
        assert again.data == {FINISH: "length", "text": text}

    async def test_titles(self, backend: Backend, thread_id: str) -> None:
        for title in ("one", "🙂 " * 60, None):
            await backend.memory.rename(backend.owner, thread_id, title)
            assert [thread.title for thread in await backend.memory.threads(backend.owner, 5)] == [title]

    async def test_another_owner_has_other_threads(self, backend: Backend, thread_id: str) -> None:
        await backend.turn(thread_id, "k1")
        other = Backend(backend.memory, backend.age, f"{backend.owner}-other")
        with pytest.raises(NotFound):
            await other.begin(thread_id, "k1")
        with pytest.raises(NotFound):
            await other.said(thread_id)
        with pytest.raises(NotFound):
            await other.memory.rename(other.owner, thread_id, "mine")
        with pytest.raises(NotFound):
            await other.memory.delete(other.owner, thread_id)
        assert await other.memory.threads(other.owner, 5) == []
        await other.turn(thread_id, "k1", "the same id", create=True)
        assert await backend.said(thread_id) == [("user", "hi"), ("assistant", "ho")]
        await other.memory.delete(other.owner, thread_id)
        assert await backend.said(thread_id) == [("user", "hi"), ("assistant", "ho")]

    async def test_a_deleted_thread_is_gone(self, backend: Backend, thread_id: str) -> None:
        await backend.turn(thread_id, "k1")
        running = await backend.begin(thread_id, "k2")
        await backend.memory.delete(backend.owner, thread_id)
        assert await backend.memory.renew(running, 10) is False
        for call in (
            backend.memory.finish(running, [Message("assistant", "ho")]),
            backend.said(thread_id),
            backend.begin(thread_id, "k3"),
            backend.memory.delete(backend.owner, thread_id),
            backend.memory.rename(backend.owner, thread_id, "title"),
        ):
            with pytest.raises(NotFound):
                await call
        await backend.memory.release(running)
        await backend.turn("again", "k1", "a key of a deleted thread is free", create=True)

    @pytest.mark.parametrize(
        "content",
        [
            "🙂👩‍👩‍👧‍👦 \U0001d518\U0001d52b",
            "שלום مرحبا \u202e reversed",
            "'; drop table threads; -- $1 %s {} \\",
            " \t\r\n ",
            "\u2028\u0085\ufeff\uffff",
            "é\u0301",
            "x" * LARGEST,
            "🙂" * (LARGEST // 4),
        ],
        ids=["emoji", "right to left", "quotes", "blank", "separators", "combining", "long", "long emoji"],
    )
    async def test_odd_content_comes_back_as_it_was(self, backend: Backend, thread_id: str, content: str) -> None:
        await backend.turn(thread_id, "k1", content, content)
        assert await backend.said(thread_id) == [("user", content), ("assistant", content)]
        assert [message.content for message in (await backend.begin(thread_id, "k2")).history] == [content, content]

    @pytest.mark.parametrize(
        "content",
        ["x" * (LARGEST + 1), "🙂" * (LARGEST // 4 + 1), "a\0b", "a\ud800b", "\udc00"],
        ids=["too long", "too long in bytes", "NUL", "lone surrogate", "lone low surrogate"],
    )
    async def test_content_that_cannot_be_kept_is_refused(self, backend: Backend, thread_id: str, content: str) -> None:
        with pytest.raises(NotStorable):
            await backend.begin("new", "k1", content, create=True)
        with pytest.raises(NotStorable):
            await backend.begin(thread_id, "k1", content)
        assert [thread.id for thread in await backend.memory.threads(backend.owner, 5)] == [thread_id]
        turn = await backend.begin(thread_id, "k1", wait=0)
        for messages in ([Message("assistant", content)], [Message("tool", content), Message("assistant", "ho")]):
            with pytest.raises(NotStorable):
                await backend.memory.finish(turn, messages)
        await backend.memory.finish(turn, [Message("assistant", "ho")])
        assert await backend.said(thread_id) == [("user", "hi"), ("assistant", "ho")]

    async def test_data_is_bounded_too(self, backend: Backend, thread_id: str) -> None:
        turn = await backend.begin(thread_id, "k1")
        with pytest.raises(NotStorable, match="MAX_CONTENT"):
            await backend.memory.finish(turn, [Message("assistant", "ho", {"text": "x" * LARGEST})])
        await backend.memory.finish(turn, [Message("assistant", "ho", {"text": "x" * (LARGEST - 100)})])


class TestRetention:
    async def test_old_threads_are_forgotten_and_others_kept(self, backend: Backend) -> None:
        for name in ("old", "used", "new"):
            await backend.turn(name, name, create=True)
        await backend.age(backend.owner, "old", CENTURIES + 2)
        await backend.age(backend.owner, "used", CENTURIES + 2)
        await backend.age(backend.owner, "new", CENTURIES - 2)
        await backend.turn("used", "k2")
        assert await backend.memory.forget(CENTURIES, 100) == 1
        assert {thread.id for thread in await backend.memory.threads(backend.owner, 10)} == {"used", "new"}
        with pytest.raises(NotFound):
            await backend.said("old")
        assert await backend.memory.forget(CENTURIES, 100) == 0

    async def test_batches_are_bounded(self, backend: Backend) -> None:
        for n in range(5):
            await backend.turn(f"t{n}", f"k{n}", create=True)
            await backend.age(backend.owner, f"t{n}", CENTURIES + 2)
        assert [await backend.memory.forget(CENTURIES, 2) for _ in range(4)] == [2, 2, 1, 0]

    async def test_a_thread_in_use_is_spared(self, backend: Backend, thread_id: str) -> None:
        turn = await backend.begin(thread_id, "k1")
        await backend.age(backend.owner, thread_id, CENTURIES + 2)
        assert await backend.memory.forget(CENTURIES, 100) == 0
        await backend.memory.finish(turn, [Message("assistant", "ho")])
        assert await backend.said(thread_id) == [("user", "hi"), ("assistant", "ho")]


def at(year: int, second: int = 0) -> datetime:
    return datetime(year, 5, 6, 7, 8, second, 123_000, UTC)


def pair(number: int, key: str, question: str = "hi", reply: str = "ho", year: int = 2024) -> list[Message]:
    """A question and its answer, as a memory gives them out."""
    return [
        Message("user", question, id=number, turn=key, created_at=at(year, 1)),
        Message("assistant", reply, None, {"total_tokens": 3}, number + 1, at(year, 2), key),
    ]


class TestRevocations:
    async def revoked(self, backend: Backend, session: str, opened_at: datetime) -> bool:
        return await backend.memory.is_revoked(backend.owner, session, opened_at)

    async def everything(self, backend: Backend) -> list[Revocation]:
        found = [each async for each in backend.memory.every_revocation()]
        return sorted((each for each in found if each.owner == backend.owner), key=lambda each: each.session)

    async def test_a_session_that_was_ended(self, backend: Backend) -> None:
        assert not await self.revoked(backend, "one", at(2024))
        for _ in range(2):
            await backend.memory.revoke(Revocation(backend.owner, "one", at(2024), at(2200)))
        assert await self.revoked(backend, "one", at(2024))
        assert not await self.revoked(backend, "another", at(2024))
        assert not await backend.memory.is_revoked(f"{backend.owner}-other", "one", at(2024))

    async def test_all_sessions_that_were_open_by_then(self, backend: Backend) -> None:
        await backend.memory.revoke(Revocation(backend.owner, ALL, at(2024, 5), at(2200)))
        for session in ("one", "another"):
            assert await self.revoked(backend, session, at(2023))
            assert await self.revoked(backend, session, at(2024, 5))
            assert not await self.revoked(backend, session, at(2024, 5) + timedelta(milliseconds=1))
        assert not await backend.memory.is_revoked(f"{backend.owner}-other", "one", at(2023))

    async def test_later_times_count(self, backend: Backend) -> None:
        for opened, expires in ((5, 2200), (7, 2100), (6, 2150)):
            await backend.memory.revoke(Revocation(backend.owner, ALL, at(2024, opened), at(expires)))
        assert await self.everything(backend) == [Revocation(backend.owner, ALL, at(2024, 7), at(2200))]

    async def test_ten_at_once(self, backend: Backend) -> None:
        ended = [Revocation(backend.owner, "one", at(2024, n), at(2200)) for n in range(10)]
        await asyncio.gather(*[backend.memory.revoke(each) for each in ended])
        assert await self.everything(backend) == ended[-1:]

    async def test_what_has_expired_is_forgotten(self, backend: Backend) -> None:
        for n in range(3):
            await backend.memory.revoke(Revocation(backend.owner, f"old {n}", at(2024), at(2024, 9)))
        kept = Revocation(backend.owner, "new", at(2024), at(2200))
        await backend.memory.revoke(kept)
        assert await backend.memory.forget_revocations(2) == 2
        while await backend.memory.forget_revocations(2):
            pass
        assert await self.everything(backend) == [kept]
        assert not await self.revoked(backend, "old 1", at(2024))

    async def test_all_come_out_and_in_again(self, backend: Backend) -> None:
        ended = [Revocation(backend.owner, f"s{n:02}", at(2024, n % 60), at(2200)) for n in range(60)]
        for each in ended:
            await backend.memory.revoke(each)
        assert await self.everything(backend) == ended


class TestTheWholeMemory:
    async def everything(self, backend: Backend) -> list[tuple[Thread, list[Message]]]:
        """All that the owner has."""
        threads = [thread async for owner, thread in backend.memory.every_thread() if owner == backend.owner]
        return [(thread, await self.log(backend, thread.id)) for thread in threads]

    async def log(self, backend: Backend, thread_id: str) -> list[Message]:
        return [message async for message in backend.memory.every_message(backend.owner, thread_id)]

    async def test_everything_comes_out_and_in_again(self, backend: Backend) -> None:
        data = {"calls": [{"name": "add", "args": {"b": 1, "a": "\0 \ud800 🙂"}}], "c": None, "d": 1.5}
        for n in range(3):
            turn = await backend.begin(f"thread {n}", f"first {n}", f"question {n}", create=True)
            tools = [Message("assistant", "", data), Message("tool", "3", {"id": 1})]
            reply = Message("assistant", " odd \r\n\t 🙂 ", usage={"total_tokens": 3, "input_tokens": 1})
            await backend.memory.finish(turn, [*tools, reply])
            await backend.turn(f"thread {n}", f"second {n}")
            await backend.memory.release(await backend.begin(f"thread {n}", f"open {n}", "unanswered"))
        await backend.memory.rename(backend.owner, "thread 1", "🙂 a title")
        await backend.memory.create(backend.owner, "")
        out = await self.everything(backend)
        assert [thread.id for thread, _ in out[:3]] == ["thread 0", "thread 1", "thread 2"]
        assert [thread.title for thread, _ in out] == [None, "🙂 a title", None, ""]
        log = out[1][1]
        assert [(message.turn, message.role, message.content) for message in log] == [
            ("first 1", "user", "question 1"),
            ("first 1", "assistant", ""),
            ("first 1", "tool", "3"),
            ("first 1", "assistant", " odd \r\n\t 🙂 "),
            ("second 1", "user", "hi"),
            ("second 1", "assistant", "ho"),
            ("open 1", "user", "unanswered"),
        ]
        assert log[1].data == data
        assert list(log[3].usage or ()) == ["total_tokens", "input_tokens"]

        pages = await backend.memory.messages(backend.owner, "thread 1", 3)
        other = Backend(backend.memory, backend.age, f"{backend.owner}-other")
        for thread, messages in out:
            assert await other.memory.restore(other.owner, thread, messages) == thread
        assert await self.everything(other) == out
        assert await other.memory.threads(other.owner, 9) == await backend.memory.threads(backend.owner, 9)
        assert await other.memory.messages(other.owner, "thread 1", 3) == pages
        turn = await other.begin("thread 1", "first 1", "question 1", wait=0)
        assert turn.answer is not None
        assert (turn.answer.role, turn.answer.content, turn.answer.usage) == ("assistant", log[3].content, log[3].usage)

    async def test_an_owner_gives_all_threads_to_another(self, backend: Backend) -> None:
        for n in range(3):
            await backend.turn(f"thread {n}", f"key {n}", f"question {n}", f"reply {n}", create=True)
        await backend.memory.release(await backend.begin("thread 1", "open", "unanswered"))
        await backend.memory.rename(backend.owner, "thread 2", "a title")
        given = await self.everything(backend)
        other = Backend(backend.memory, backend.age, f"{backend.owner}-other")
        thread, messages = given[1]
        await backend.memory.restore(other.owner, thread, messages[:1])  # as an attempt that broke off left it
        for _ in range(2):
            await move_all(backend.memory, backend.owner, other.owner)
        assert await self.everything(other) == given
        assert await self.everything(backend) == []
        await move_all(backend.memory, other.owner, other.owner)
        assert await self.everything(other) == given
        assert (await other.begin("thread 0", "key 0", "question 0")).answer is not None
        assert [message.content for message in (await other.begin("thread 2", "next")).history] == [
            *("question 2", "reply 2")
        ]

    async def test_what_is_restored_twice_is_there_once(self, backend: Backend) -> None:
        thread = Thread("moved", "a title", at(2024), at(2025))
        first, second = pair(3, "k1"), pair(7, "k2")
        await backend.memory.restore(backend.owner, thread, first)
        for messages in ([], first, [*first, *second], second, [second[1]]):
            await backend.memory.restore(backend.owner, replace(thread, title="another"), messages)
        assert await self.everything(backend) == [(thread, [*first, *second])]

    async def test_a_thread_comes_in_pieces(self, backend: Backend) -> None:
        thread = Thread("moved", None, at(2024), at(2025))
        turn = [Message("tool", str(n), id=n, turn="k", created_at=at(2024)) for n in range(2, 61)]
        messages = [Message("user", "hi", id=1, turn="k", created_at=at(2024)), *turn, *pair(61, "later")]
        for start in range(0, len(messages), 7):
            await backend.memory.restore(backend.owner, thread, messages[start : start + 7])
        assert await self.log(backend, "moved") == messages
        again = await backend.begin("moved", "k")
        assert again.answer is not None
        assert again.answer.content == "60"

    async def test_a_restored_thread_goes_on(self, backend: Backend) -> None:
        thread = Thread("moved", None, at(2024), at(2024, 2))
        asked = Message("user", "unanswered", id=10_000_000, turn="open", created_at=at(2024, 2))
        await backend.memory.restore(backend.owner, thread, [*pair(8_000_000, "k1", "q1", "r1"), asked])
        turn = await backend.turn("moved", "k2", "q2", "r2", wait=0)
        assert [message.content for message in turn.history] == ["q1", "r1", "unanswered"]
        await backend.turn("moved", "open", "unanswered", "answered")
        assert [content for _, content in await backend.said("moved")] == [
            *("q1", "r1", "unanswered"),
            *("q2", "r2", "answered"),
        ]
        ids = [message.id for message in await self.log(backend, "moved")]
        assert ids == sorted(set(ids))
        with pytest.raises(KeyReused):
            await backend.begin("new", "k1", "q1", create=True)

    async def test_a_key_of_another_thread_is_refused(self, backend: Backend, thread_id: str) -> None:
        await backend.turn(thread_id, "k1")
        with pytest.raises(KeyReused):
            await backend.memory.restore(backend.owner, Thread("moved", None, at(2024), at(2024)), pair(1, "k1"))
        assert [thread.id for thread, _ in await self.everything(backend)] == [thread_id]
        await backend.memory.delete(backend.owner, thread_id)
        await backend.memory.restore(backend.owner, Thread("moved", None, at(2024), at(2024)), pair(1, "k1"))
        assert len(await self.log(backend, "moved")) == 2

    async def test_restored_threads_stand_where_their_age_puts_them(self, backend: Backend, thread_id: str) -> None:
        for year in (2022, 2020, 2021):
            await backend.memory.restore(backend.owner, Thread(f"of {year}", None, at(year), at(year)), [])
        ids = ["of 2020", "of 2021", "of 2022", thread_id]
        assert [thread.id for thread, _ in await self.everything(backend)] == ids
        assert [thread.id for thread in await backend.memory.threads(backend.owner, 9)] == ids[::-1]
        assert [thread.id for thread in await backend.memory.threads(backend.owner, 9, "of 2021")] == ["of 2020"]

    async def test_no_thread_is_left_out_or_comes_twice(self, backend: Backend) -> None:
        owners = {f"{backend.owner}-{n}": 1 + 29 * (n % 3) for n in range(12)}
        for owner, count in owners.items():
            for n in range(count):
                moment = at(2024) + timedelta(microseconds=n)
                await backend.memory.restore(owner, Thread(f"thread {n}", None, moment, moment), [])
        found = [(owner, thread) async for owner, thread in backend.memory.every_thread() if owner in owners]
        assert len(found) == len({(owner, thread.id) for owner, thread in found}) == sum(owners.values())
        changes = sum(one != other for (one, _), (other, _) in itertools.pairwise(found))
        assert changes == len(owners) - 1, "those of an owner come together"
        for (one, earlier), (other, later) in itertools.pairwise(found):
            assert one != other or int(earlier.id[7:]) < int(later.id[7:])

    async def test_an_unknown_thread_has_no_messages(self, backend: Backend) -> None:
        assert await self.log(backend, "unknown") == []

    async def test_the_retention_counts_from_the_newest_message(self, backend: Backend) -> None:
        thread = Thread("old", None, at(1700), at(2024))
        await backend.memory.restore(backend.owner, thread, pair(1, "k1", year=1700))
        await backend.memory.restore(backend.owner, replace(thread, id="used"), pair(1, "k2", year=1700))
        await backend.memory.restore(backend.owner, replace(thread, id="used"), pair(3, "k3", year=2024))
        await backend.memory.restore(backend.owner, replace(thread, id="used"), [])
        assert await backend.memory.forget(CENTURIES, 100) == 1
        assert [thread.id for thread, _ in await self.everything(backend)] == ["used"]


class TestOutage:
    """Through a proxy that can be cut, so that the database itself is not disturbed."""

    @pytest.fixture
    async def proxy(self, real: Settings) -> AsyncIterator[Proxy]:
        async with Proxy(real.database_url) as proxy:
            yield proxy

    @pytest.fixture
    async def cut_off(self, real: Settings, proxy: Proxy) -> AsyncIterator[Backend]:
        patience = {"database_url": proxy.url, "database_patience": 1.5, "database_timeout": 0.5}
        memory = build_memory(real.model_copy(update=patience))
        yield Backend(memory, lambda *of: age(real, *of), f"test:{uuid.uuid4()}")
        await memory.close()

    @pytest.mark.parametrize("how", ["closed", "frozen"])
    async def test_every_call_says_unavailable_in_bounded_time(self, cut_off: Backend, proxy: Proxy, how: str) -> None:
        memory, owner = cut_off.memory, cut_off.owner
        thread_id = await memory.create(owner)
        turn = await cut_off.begin(thread_id, "k1")
        await (proxy.close() if how == "closed" else proxy.freeze())
        started = time.monotonic()
        with pytest.raises(Unavailable):
            await memory.ping()
        assert time.monotonic() - started < 1.5
        calls: dict[str, Awaitable[object]] = {
            "begin": cut_off.begin(thread_id, "k2"),
            "renew": memory.renew(turn, 10),
            "finish": memory.finish(turn, [Message("assistant", "ho")]),
            "release": memory.release(turn),
            "create": memory.create(owner),
            "rename": memory.rename(owner, thread_id, "title"),
            "delete": memory.delete(owner, thread_id),
            "threads": memory.threads(owner, 5),
            "messages": memory.messages(owner, thread_id, 5),
            "forget": memory.forget(CENTURIES, 5),
            "revoke": memory.revoke(Revocation(owner, "one", at(2024), at(2024))),
            "is_revoked": memory.is_revoked(owner, "one", at(2024)),
            "forget_revocations": memory.forget_revocations(5),
            "every_revocation": anext(memory.every_revocation()),
            "every_thread": anext(memory.every_thread()),
            "every_message": anext(memory.every_message(owner, thread_id)),
            "restore": memory.restore(owner, Thread("moved", None, at(2024), at(2024)), pair(1, "k3")),
        }
        started = time.monotonic()
        results = await asyncio.gather(*calls.values(), return_exceptions=True)
        assert time.monotonic() - started < 5
        assert {name: type(result) for name, result in zip(calls, results, strict=True)} == dict.fromkeys(
            calls, Unavailable
        )
        await proxy.open()
        await memory.create(owner)

    async def test_a_thread_is_made_once_through_an_outage(self, cut_off: Backend, proxy: Proxy) -> None:
        creating = [asyncio.create_task(cut_off.memory.create(cut_off.owner, "title", "mine")) for _ in range(20)]
        await asyncio.sleep(0.01)
        await proxy.close()
        await asyncio.sleep(0.4)
        await proxy.open()
        assert await asyncio.gather(*creating) == ["mine"] * 20
        assert [thread.id for thread in await cut_off.memory.threads(cut_off.owner, 5)] == ["mine"]

    @pytest.mark.parametrize("how", ["closed", "frozen"])
    async def test_a_short_outage_is_ridden_out(self, cut_off: Backend, proxy: Proxy, how: str) -> None:
        thread_id = await cut_off.memory.create(cut_off.owner)
        turns = [asyncio.create_task(cut_off.turn(thread_id, f"k{n}", f"q{n}", f"r{n}")) for n in range(5)]
        await asyncio.sleep(0.02)
        await (proxy.close() if how == "closed" else proxy.freeze())
        await asyncio.sleep(0.4)
        await proxy.open()
        await asyncio.gather(*turns)
        said = await cut_off.said(thread_id)
        assert sorted(content for _, content in said) == sorted(f"{who}{n}" for who in "qr" for n in range(5))
        assert all(reply == "r" + question[1:] for (_, question), (_, reply) in zip(said[::2], said[1::2], strict=True))

    async def test_connections_that_died_unnoticed_are_replaced(self, cut_off: Backend, proxy: Proxy) -> None:
        await asyncio.gather(*[cut_off.memory.threads(cut_off.owner, 5) for _ in range(20)])
        await proxy.close()
        await proxy.open()
        started = time.monotonic()
        await asyncio.gather(*[cut_off.memory.threads(cut_off.owner, 5) for _ in range(20)])
        assert time.monotonic() - started < 1

    async def test_the_reason_names_what_to_check(self, real: Settings, proxy: Proxy) -> None:
        nowhere = real.database_url.replace(real.database_url.rpartition("@")[2].partition(":")[0], "no.such.invalid")
        for changes, hint in (
            ({"database_password": SecretStr("wrong-secret")}, "DB_PASSWORD"),
            ({"database_url": f"{real.database_url}_missing"}, "DB_NAME"),
            ({"database_url": nowhere}, "DATABASE_URL"),
            ({"database_url": proxy.url}, "DATABASE_URL"),
        ):
            await proxy.close()
            memory = build_memory(real.model_copy(update=changes))
            with pytest.raises(Unavailable) as caught:
                await memory.ping()
            assert hint in str(caught.value)
            assert "secret" not in str(caught.value)
            await memory.close()

    async def test_a_turn_that_could_not_begin_is_begun_by_a_retry(self, cut_off: Backend, proxy: Proxy) -> None:
        await proxy.close()
        with pytest.raises(Unavailable):
            await cut_off.begin("new", "k", create=True)
        await proxy.open()
        with anyio.fail_after(15):
            await cut_off.turn("new", "k", create=True, wait=12)
        assert await cut_off.said("new") == [("user", "hi"), ("assistant", "ho")]
