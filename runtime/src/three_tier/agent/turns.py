"""One turn: take the thread, keep it while the logic works, append the answer, give the thread back."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import anyio
import structlog

from three_tier.agent.containment import contained
from three_tier.agent.context import Context
from three_tier.agent.contract import (
    Busy,
    Event,
    KeyReused,
    Logic,
    Memory,
    Message,
    NoReply,
    NotFound,
    Overloaded,
    TookTooLong,
    Turn,
    Unavailable,
)
from three_tier.agent.metrics import TURN_SECONDS, TURNS

log = structlog.get_logger("turns")


class Turns:
    """Leads turns from a question to a stored answer."""

    def __init__(self, memory: Memory, logic: Logic, *, lease: float, wait: float, limit: float, most: int) -> None:
        """Use this memory and logic.

        Args:
            memory: where threads are kept.
            logic: what answers.
            lease: seconds until a turn that is not renewed loses its thread.
            wait: seconds that a turn waits for those before it on its thread, or for one of the places.
            limit: seconds that the logic may take.
            most: places, which is how many turns there are at the same time.
        """
        self.memory = memory
        self.logic = logic
        self.lease = lease
        self.wait = wait
        self.limit = limit
        self.most = most
        self.places = asyncio.Semaphore(most)
        self.lines: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def open(
        self, owner: str, thread_id: str | None, key: str | None, question: str, *, to_answer: bool = True
    ) -> AsyncIterator[Turn]:
        """Admit a question to its thread, or to a new one, and hold the thread until the context ends.

        Raises what `Memory.begin` raises. Without a key the question is a new one each time. Only a question that is to
        be answered, and was not before, holds one of the places.
        """
        run = uuid.uuid4().hex
        create = thread_id is None
        if thread_id is None:  # a retry with the same key must find the same new thread again
            thread_id = thread_of(owner, key) if key else str(uuid.uuid4())
        deadline = time.monotonic() + self.wait
        async with self._in_line(owner, thread_id), AsyncExitStack() as place:
            if to_answer:  # before what the thread holds is read, which takes memory
                await place.enter_async_context(self.place(deadline - time.monotonic()))
            wait = max(0.0, deadline - time.monotonic())
            turn = await self.memory.begin(
                owner, thread_id, key or run, question, run, create=create, lease=self.lease, wait=wait
            )
            replay, away = turn.answer is not None, False
            if replay:
                await place.aclose()
            try:
                yield turn
            except Unavailable:
                away = True
                raise
            finally:
                turn.over = True
                if (replay or turn.answer is None) and not away:  # away: the lease runs out by itself
                    await self._release(turn)

    @asynccontextmanager
    async def place(self, wait: float | None = None) -> AsyncIterator[None]:
        """One of the places for turns. Raises `Overloaded` where none becomes free within so many seconds."""
        try:
            async with asyncio.timeout(self.wait if wait is None else wait):
                await self.places.acquire()
        except TimeoutError:
            raise Overloaded from None
        try:
            yield
        finally:
            self.places.release()

    async def answer(self, turn: Turn) -> Message:
        """Answer the question, or find the answer that it got before."""
        with _counted(turn):
            if turn.answer is None:
                async with self._working(turn) as work:
                    said = await work.step(partial(self.logic.answer, turn.history, turn.question, self._context(turn)))
                await self._finish(turn, said)
            return _reply(turn)

    async def stream(self, turn: Turn) -> AsyncGenerator[dict[str, Any]]:
        """The same as events: tokens and tools as they come, then the whole reply, once it is stored."""
        with _counted(turn):
            if turn.answer is None:
                said: list[Message] = []
                async with (
                    self._working(turn) as work,
                    aclosing(self.logic.stream(turn.history, turn.question, self._context(turn))) as items,
                ):
                    while (item := await work.step(partial(_next, items))) is not None:
                        if isinstance(item, Message):
                            said.append(item)
                        else:
                            yield {**item}
                await self._finish(turn, said)
            reply = _reply(turn)
            ending = {"finish_reason": reply.finish_reason, "usage": reply.usage}
            yield {"type": "message", "content": reply.content, **ending}

    def _context(self, turn: Turn) -> Context:
        return Context(turn.owner, turn.thread_id, turn.key, turn.metadata, self.memory.db)

    @asynccontextmanager
    async def _in_line(self, owner: str, thread_id: str) -> AsyncIterator[None]:
        """Within this process a thread's messages are answered as they came; between replicas the lease decides."""
        lock = self.lines.setdefault((owner, thread_id), asyncio.Lock())
        try:
            async with asyncio.timeout(self.wait):
                await lock.acquire()
        except TimeoutError:
            raise Busy from None
        try:
            yield
        finally:
            lock.release()

    @asynccontextmanager
    async def _working(self, turn: Turn) -> AsyncIterator["_Work"]:
        """Renew the lease while the body works."""
        work = _Work(self.limit)
        keeper = asyncio.create_task(self._renew(turn, work)) if turn.thread_id is not None else None
        try:
            yield work
        finally:
            if keeper:
                keeper.cancel()

    async def _renew(self, turn: Turn, work: "_Work") -> None:
        held = True
        while held:
            await asyncio.sleep(self.lease * 0.3)
            if turn.over:  # a stream that its caller left may stand still in the middle until it is collected
                return
            try:
                held = await self.memory.renew(turn, self.lease)
            except Unavailable as error:
                log.warning("lease not renewed, trying again", thread_id=turn.thread_id, reason=str(error))
        log.warning("lease lost, giving the turn up", thread_id=turn.thread_id)
        work.give_up()

    async def _finish(self, turn: Turn, said: list[Message]) -> None:
        with contained():
            for message in said:
                message.content = _storable(message.content)
            if not said or not said[-1].content.strip():
                raise NoReply("the logic gave an empty reply")
            reply = said[-1]
        if turn.thread_id is None:
            turn.answer = reply
        else:
            await self.memory.finish(turn, said)

    async def _release(self, turn: Turn) -> None:
        with anyio.CancelScope(shield=True):
            try:
                await self.memory.release(turn)
            except Unavailable as error:
                log.warning("lease not given back, it will run out", thread_id=turn.thread_id, reason=str(error))


class _Work:
    """What the logic does for one turn, step by step.

    Args:
        limit: seconds that all steps together may take. What the caller takes between two of them does not count.
    """

    def __init__(self, limit: float) -> None:
        self.limit = self.left = limit
        self.lost = False
        self.current: asyncio.Timeout | None = None

    async def step[T](self, call: Callable[[], Awaitable[T]]) -> T:
        """What a call of the logic returns.

        Raises:
            Busy: the lease was lost.
            TookTooLong: the time is over.
            LogicFailed, LogicBroke: as `contained` does.
        """
        if self.lost or not self.left:
            raise self._ending()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.left) as self.current:
                with contained():
                    return await call()
        except TimeoutError:
            raise self._ending() from None
        finally:
            self.current = None
            self.left = max(0.0, self.left - (time.monotonic() - started))

    def give_up(self) -> None:
        """End the step that is under way, and let there be no further one."""
        self.lost = True
        if self.current and not self.current.expired():
            self.current.reschedule(asyncio.get_running_loop().time())

    def _ending(self) -> Busy | TookTooLong:
        return Busy() if self.lost else TookTooLong(f"no answer within {self.limit:g} seconds: see TURN_TIMEOUT")


async def _next(items: AsyncGenerator[Event | Message]) -> Event | Message | None:
    return await anext(items, None)


def thread_of(owner: str, *key: str) -> str:
    """The id of the thread that a message with this key makes; a further word tells other calls' keys from those."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "\0".join((owner, *key))))


def _storable(text: str) -> str:
    """What no database stores is left out of a reply: NUL and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _reply(turn: Turn) -> Message:
    if turn.answer is None:
        raise RuntimeError("the turn has no answer")
    return turn.answer


@contextmanager
def _counted(turn: Turn) -> Iterator[None]:
    """Count the turn by its outcome and log it, without what was said."""
    started, outcome = time.perf_counter(), "failed"
    try:
        replay = turn.answer is not None
        yield
        outcome = "replayed" if replay else "answered" if _reply(turn).finish_reason == "stop" else "incomplete"
    except (asyncio.CancelledError, GeneratorExit):
        outcome = "abandoned"
        raise
    except (Busy, KeyReused, NotFound):
        outcome = "refused"
        raise
    finally:
        seconds = time.perf_counter() - started
        TURNS.labels(outcome).inc()
        TURN_SECONDS.observe(seconds)
        log.info("turn", outcome=outcome, owner=turn.owner, thread_id=turn.thread_id, seconds=round(seconds, 4))
