"""Stand-ins: a memory in a dictionary, and a logic that echoes."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from three_tier.agent.context import Context
from three_tier.agent.contract import (
    ALL,
    Busy,
    Event,
    KeyReused,
    Message,
    NotFound,
    Revocation,
    Thread,
    Turn,
    Unavailable,
    check,
)


@dataclass
class Kept:
    """A thread as the memory keeps it."""

    thread: Thread
    messages: list[tuple[str, Message]] = field(default_factory=list)  # with the key of the turn
    used: datetime = field(default_factory=lambda: datetime.now(UTC))
    run: str | None = None
    until: float = 0


class InMemory:
    """The memory contract, kept in this process."""

    def __init__(self, window: int, max_content: int = 1_000_000) -> None:
        self.window = window
        self.max_content = max_content
        self.kept: dict[tuple[str, str], Kept] = {}
        self.revoked: dict[tuple[str, str], Revocation] = {}
        self.newest = 0  # the highest id of a message
        self.down: str | None = None  # the reason of an outage
        self.db = self.kept

    async def close(self) -> None:
        pass

    async def ping(self) -> None:
        if self.down:
            raise Unavailable(self.down)

    async def begin(
        self,
        owner: str,
        thread_id: str,
        key: str,
        question: str,
        run: str,
        *,
        create: bool,
        lease: float,
        wait: float,
    ) -> Turn:
        check(Message("user", question), self.max_content)
        deadline = time.monotonic() + wait
        while not self._take(owner, thread_id, run, create=create, lease=lease):
            if time.monotonic() > deadline:
                raise Busy
            await asyncio.sleep(0.005)
        place, said = self._turn(owner, key)
        if place and (place != (owner, thread_id) or said[0].content != question):
            self._undo(owner, thread_id, create=create)
            raise KeyReused
        kept = self.kept[owner, thread_id]
        earlier = [replace(message) for turn, message in kept.messages if turn != key]
        earlier = earlier[max(0, len(earlier) - self.window) :]
        while earlier and earlier[0].role != "user":
            del earlier[0]
        if not place:
            self._append(kept, key, Message("user", question))
        return Turn(owner, thread_id, key, run, question, earlier, said[-1] if len(said) > 1 else None)

    def _take(self, owner: str, thread_id: str, run: str, *, create: bool, lease: float) -> bool:
        kept = self._find(owner, thread_id, create=create)
        if self._in_use(kept) and kept.run != run:
            return False
        kept.run, kept.until = run, time.monotonic() + lease
        return True

    def _find(self, owner: str, thread_id: str, *, create: bool = False) -> Kept:
        if self.down:
            raise Unavailable(self.down)
        if create and (owner, thread_id) not in self.kept:
            now = datetime.now(UTC)
            self.kept[owner, thread_id] = Kept(Thread(thread_id, None, now, now))
        try:
            return self.kept[owner, thread_id]
        except KeyError:
            raise NotFound from None

    def _turn(self, owner: str, key: str) -> tuple[tuple[str, str] | None, list[Message]]:
        for place, kept in self.kept.items():
            said = [replace(message) for turn, message in kept.messages if turn == key and place[0] == owner]
            if said:
                return place, said
        return None, []

    def _undo(self, owner: str, thread_id: str, *, create: bool) -> None:
        kept = self.kept[owner, thread_id]
        kept.run = None
        if create and not kept.messages:
            del self.kept[owner, thread_id]

    def _append(self, kept: Kept, key: str, message: Message) -> None:
        now = datetime.now(UTC)
        self.newest += 1
        kept.messages.append((key, replace(message, id=self.newest, created_at=now)))
        kept.used = kept.thread.updated_at = now

    async def renew(self, turn: Turn, lease: float) -> bool:
        kept = self.kept.get((turn.owner, turn.thread_id or ""))
        if not kept or kept.run != turn.run:
            return False
        kept.until = time.monotonic() + lease
        return True

    async def finish(self, turn: Turn, messages: Sequence[Message]) -> None:
        for message in messages:
            check(message, self.max_content)
        kept = self._find(turn.owner, turn.thread_id or "")
        _, said = self._turn(turn.owner, turn.key)
        if len(said) > 1:
            turn.answer = said[-1]
        elif kept.run != turn.run:
            raise Busy
        else:
            for message in messages:
                self._append(kept, turn.key, message)
            kept.run, turn.answer = None, messages[-1]

    async def release(self, turn: Turn) -> None:
        kept = self.kept.get((turn.owner, turn.thread_id or ""))
        if kept and kept.run == turn.run:
            kept.run = None

    async def create(self, owner: str, title: str | None = None, thread_id: str | None = None) -> str:
        thread_id = thread_id or str(uuid.uuid4())
        if (owner, thread_id) not in self.kept:
            self._find(owner, thread_id, create=True).thread.title = title
        if self._find(owner, thread_id).thread.title != title:
            raise KeyReused
        return thread_id

    async def rename(self, owner: str, thread_id: str, title: str | None) -> None:
        self._find(owner, thread_id).thread.title = title

    async def delete(self, owner: str, thread_id: str) -> None:
        self._find(owner, thread_id)
        del self.kept[owner, thread_id]

    async def threads(self, owner: str, limit: int, before: str | None = None) -> list[Thread]:
        if self.down:
            raise Unavailable(self.down)
        found = self._oldest_first(owner)[::-1]
        if before is not None:
            ids = [thread.id for thread in found]
            found = found[ids.index(before) + 1 :] if before in ids else []
        return [replace(thread) for thread in found[:limit]]

    async def messages(self, owner: str, thread_id: str, limit: int, before: int | None = None) -> list[Message]:
        said = [message for _, message in self._find(owner, thread_id).messages][::-1]
        shown = [message for message in said if message.role != "tool" and message.content]
        return [replace(message) for message in shown if before is None or message.id < before][:limit]

    async def forget(self, days: int, batch: int) -> int:
        limit = datetime.now(UTC) - timedelta(days=days)
        old = [place for place, kept in self.kept.items() if kept.used < limit and not self._in_use(kept)][:batch]
        for place in old:
            del self.kept[place]
        return len(old)

    async def revoke(self, revocation: Revocation) -> None:
        if self.down:
            raise Unavailable(self.down)
        place = (revocation.owner, revocation.session)
        before = self.revoked.get(place, revocation)
        opened_by = max(before.opened_by, revocation.opened_by)
        self.revoked[place] = Revocation(*place, opened_by, max(before.expires_at, revocation.expires_at))

    async def is_revoked(self, owner: str, session: str, opened_at: datetime) -> bool:
        if self.down:
            raise Unavailable(self.down)
        found = [self.revoked.get((owner, name)) for name in (session, ALL)]
        return any(each and opened_at <= each.opened_by for each in found)

    async def forget_revocations(self, batch: int) -> int:
        now = datetime.now(UTC)
        expired = [place for place, each in self.revoked.items() if each.expires_at < now][:batch]
        for place in expired:
            del self.revoked[place]
        return len(expired)

    async def every_revocation(self) -> AsyncGenerator[Revocation]:
        for each in list(self.revoked.values()):
            yield replace(each)

    async def every_thread(self) -> AsyncGenerator[tuple[str, Thread]]:
        for owner in dict.fromkeys(owner for owner, _ in self.kept):
            for thread in self._oldest_first(owner):
                yield owner, replace(thread)

    def _oldest_first(self, owner: str) -> list[Thread]:
        found = [kept.thread for (kept_owner, _), kept in self.kept.items() if kept_owner == owner]
        return sorted(found, key=lambda thread: thread.created_at)

    async def every_message(self, owner: str, thread_id: str) -> AsyncGenerator[Message]:
        if self.down:
            raise Unavailable(self.down)
        kept = self.kept.get((owner, thread_id))
        for turn, message in kept.messages if kept else []:
            yield replace(message, turn=turn)

    async def restore(self, owner: str, thread: Thread, messages: Sequence[Message]) -> Thread:
        if self.down:
            raise Unavailable(self.down)
        for message in messages:
            place, _ = self._turn(owner, message.turn)
            if place and place != (owner, thread.id):
                raise KeyReused
        kept = self.kept.setdefault((owner, thread.id), Kept(replace(thread), used=thread.created_at))
        there = {message.id for _, message in kept.messages}
        for message in messages:
            if message.id not in there:
                kept.messages.append((message.turn, replace(message, turn="")))
                kept.used = max(kept.used, message.created_at or kept.used)
                self.newest = max(self.newest, message.id)
        return replace(kept.thread)

    def _in_use(self, kept: Kept) -> bool:
        return kept.run is not None and kept.until > time.monotonic()

    async def age(self, owner: str, thread_id: str, days: int) -> None:
        """Make the thread's newest message `days` days old."""
        self._find(owner, thread_id).used -= timedelta(days=days)


class EchoLogic:
    """Answers with the question and what it knows; waits for `gate` before the last word."""

    engine = "echo"
    offline = True
    turn_bytes = 2**20

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.calls = 0
        self.error: BaseException | None = None

    async def answer(self, history: list[Message], question: str, context: Context) -> list[Message]:
        return [item async for item in self.stream(history, question, context) if isinstance(item, Message)]

    async def stream(self, history: list[Message], question: str, context: Context) -> AsyncGenerator[Event | Message]:
        self.calls += 1
        self.started.set()
        try:
            yield {"type": "token", "text": "echo "}
            await self.gate.wait()
            if self.error:
                raise self.error
            if question.startswith("tool"):
                yield Message("assistant", "", data={"calls": ["add"], "text": "\0"})
                yield {"type": "tool", "name": "add", "result": "5"}
                yield Message("tool", "5", data={"result": 5})
            yield {"type": "token", "text": question}
            heard = ", ".join(
                [message.content for message in history] + [f"{k}={v}" for k, v in context.metadata.items()]
            )
            yield Message("assistant", f"echo {question} [{heard}]", usage={"input_tokens": 1, "total_tokens": 2})
        finally:
            self.ended.set()
