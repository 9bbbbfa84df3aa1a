"""The two contracts of this agent: what it asks of its memory, and what it asks of its logic.

Everything else depends on these types only, so a database or a kind of logic is replaced by writing one module:
`memory.py` offers `build_memory(settings) -> Memory`, and `runner.py` offers the members of `Logic`.
`tests/test_memory.py` is the executable half of this page: it runs unchanged against every memory.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypedDict

from three_tier.agent.context import Context

type FinishReason = Literal["stop", "length", "content_filter"]  # by itself; cut off; kept back by a filter
type Role = Literal["system", "user", "assistant", "tool"]  # system: only in a history that a caller sends

FINISH = "finish_reason"  # where the data of a reply says how it ended, if not by itself


class Unavailable(Exception):
    """The database does not answer. The text says what to check; it is for the log, never for callers."""


class NotFound(Exception):
    """The owner has no such thread."""


class Busy(Exception):
    """Another turn holds the thread, or took it while this one worked."""


class KeyReused(Exception):
    """The idempotency key came before, with another message or title or on another thread."""


class NotStorable(Exception):
    """A message is not one that a memory keeps. The text says why; it is for the log, never for callers."""


class LogicFailed(Exception):
    """Something the logic needs gave no answer. The text is for the log, never for callers."""


class Declined(LogicFailed):
    """The logic is not allowed to answer the question. The text is for the log, never for callers."""


class NoReply(LogicFailed):
    """The logic came to an end without a reply. The text is for the log, never for callers."""


class TooLong(LogicFailed):
    """The question alone is more than the logic can take at once. The text is for the log, never for callers."""


class TookTooLong(LogicFailed):
    """The logic had no answer in the time that a turn may take."""


class LogicBroke(Exception):
    """The logic raised what nobody expects; its cause says what. The text is for the log, never for callers."""

    whole = True  # the log has the text and the traceback of its cause, which is the owner's to mend


class Overloaded(Exception):
    """As many questions are being answered as the agent can, and none of them was in time."""


@dataclass(slots=True)
class Message:
    """One message of a thread."""

    role: Role
    content: str  # what a person reads
    data: dict[str, Any] | None = None  # the logic's own form, which another logic passes over
    usage: dict[str, int] | None = None  # what the reply cost, where the logic tells
    id: int = 0  # given by the memory, increasing within a thread
    created_at: datetime | None = None  # given by the memory
    turn: str = ""  # the key of its turn, where the whole memory is read or restored

    @property
    def finish_reason(self) -> FinishReason:
        """How a reply came to its end."""
        reason: FinishReason = (self.data or {}).get(FINISH, "stop")
        return reason


@dataclass(slots=True)
class Thread:
    """One conversation of an owner."""

    id: str
    title: str | None
    created_at: datetime
    updated_at: datetime


ALL = "*"  # instead of a session's id; none is called so


@dataclass(slots=True)
class Revocation:
    """That a session of an owner, which an interface has opened, counts no more; or all that it had opened by then."""

    owner: str
    session: str  # its id, or ALL
    opened_by: datetime  # it says nothing of sessions that were opened later
    expires_at: datetime  # by then they have ended by themselves, and it can be forgotten


@dataclass(slots=True)
class Turn:
    """One question and everything that answers it."""

    owner: str
    thread_id: str | None  # None: nothing of this turn is stored
    key: str  # names the turn among all of its owner's: the caller's idempotency key, or the first run
    run: str  # names this attempt at the turn, and so the lease
    question: str
    history: list[Message]
    answer: Message | None = None  # there from the start when the turn was finished before
    metadata: dict[str, str] = field(default_factory=dict)  # what the caller says about the message; not stored
    place: int = 0  # the memory's own note of where in the thread the turn stands
    over: bool = False  # nobody waits for its answer any more


class Memory(Protocol):
    """Threads, their messages, and the lease that lets one turn at a time work on a thread; and ended sessions.

    A thread belongs to an owner: the same id under two owners names two threads. Every call rides out a short outage
    of the database and then raises `Unavailable`; none loses what it has confirmed, and each may be repeated.
    """

    @property
    def db(self) -> Any:
        """What the logic reaches its own tables with."""

    async def close(self) -> None:
        """Give the connections back."""

    async def ping(self) -> None:
        """Read something that only a working database with its tables can give. Raises `Unavailable` at once."""

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
        """Take the lease, store the question, and read the window of messages before it.

        The question is safe once this returns. The window holds the newest messages and starts at a user's.
        A turn that was finished before comes back with its `answer`.

        Args:
            owner: whose thread it is.
            thread_id: the thread.
            key: the turn's idempotency key, unique per owner.
            question: what the user says.
            run: a fresh name for this attempt.
            create: make the thread if it is not there.
            lease: seconds until a lease that is not renewed falls.
            wait: seconds to wait for a lease that another run holds.

        Raises:
            NotFound: the owner has no such thread, and `create` is false.
            Busy: the thread did not become free in time.
            KeyReused: the key came before with another question or thread; no thread is left behind.
            NotStorable: the question cannot be kept (see `check`); no thread is left behind.
        """

    async def renew(self, turn: Turn, lease: float) -> bool:
        """Hold the lease for `lease` more seconds. False: it was lost."""

    async def finish(self, turn: Turn, messages: Sequence[Message]) -> None:
        """Append the messages and give the lease back, both or neither; the last message becomes `turn.answer`.

        If another run has finished this turn meanwhile, its answer becomes `turn.answer` and nothing is written.

        Raises:
            Busy: another run took the lease.
            NotFound: the thread was deleted.
            NotStorable: a message cannot be kept (see `check`); the lease still holds.
        """

    async def release(self, turn: Turn) -> None:
        """Give the lease back without an answer, if it is still held. Tries once: else the lease runs out by itself."""

    async def create(self, owner: str, title: str | None = None, thread_id: str | None = None) -> str:
        """Make an empty thread and return its id: the one given, or a new one.

        A thread that has the given id and title already stays as it is.

        Raises:
            KeyReused: the thread of this id has another title.
        """

    async def rename(self, owner: str, thread_id: str, title: str | None) -> None:
        """Give a thread another title. Raises `NotFound`."""

    async def delete(self, owner: str, thread_id: str) -> None:
        """Delete a thread and its messages. Raises `NotFound`."""

    async def threads(self, owner: str, limit: int, before: str | None = None) -> list[Thread]:
        """At most `limit` threads, newest first: from the newest, or from the one made before the thread `before`."""

    async def messages(self, owner: str, thread_id: str, limit: int, before: int | None = None) -> list[Message]:
        """At most `limit` messages that a person reads, newest first: from the end, or from before the id `before`.

        Of their data there is at least what says how a reply ended.

        Raises:
            NotFound: the owner has no such thread.
        """

    async def forget(self, days: int, batch: int) -> int:
        """Delete up to `batch` threads without a message for `days` days, and return how many. Spares those in use."""

    async def revoke(self, revocation: Revocation) -> None:
        """End a session, or all. Of two revocations of the same, the later times count. Milliseconds are kept."""

    async def is_revoked(self, owner: str, session: str, opened_at: datetime) -> bool:
        """Whether a session that the owner opened at this moment was ended."""

    async def forget_revocations(self, batch: int) -> int:
        """Delete up to `batch` revocations that have expired, and return how many."""

    # The whole memory, for the way into another database (see transfer.py).

    def every_thread(self) -> AsyncGenerator[tuple[str, Thread]]:
        """All threads, each after the name of its owner; those of an owner come together, the oldest first.

        Reads a page at a time. What is written meanwhile may be left out.
        """

    def every_message(self, owner: str, thread_id: str) -> AsyncGenerator[Message]:
        """All messages of a thread with all their fields, oldest first, a page at a time; none if there is no thread.

        A memory may keep less of a time than microseconds, but at least its milliseconds.
        """

    def every_revocation(self) -> AsyncGenerator[Revocation]:
        """All revocations, a page at a time; `revoke` puts one back."""

    async def restore(self, owner: str, thread: Thread, messages: Sequence[Message]) -> Thread:
        """Put back a thread that another memory gave, or more of its messages.

        No two threads of an owner have the same time of creation.

        A long thread comes in pieces, in the order of its ids. What is there already stays as it is, so the call may be
        repeated. New messages get higher ids than all that were restored; an unanswered turn can be finished with its
        key. The retention counts from the newest message.

        Args:
            owner: whose thread it is.
            thread: with its title and its times.
            messages: with their ids, turns and times; at most 100.

        Returns:
            The thread as it is now.

        Raises:
            KeyReused: a turn's key is taken by another thread. Nothing is written.
        """


def ending(data: str | None) -> dict[str, Any] | None:
    """Of the data of a message, as JSON: what says how a reply ended. People are given no more of it."""
    if not data or f'"{FINISH}"' not in data:
        return None
    reason = json.loads(data).get(FINISH)
    return {FINISH: reason} if reason else None


def check(message: Message, limit: int) -> None:
    """Refuse what not every database would give back as it was. Each memory calls this before it writes.

    Args:
        message: what is to be stored.
        limit: how many bytes its content may have, and its data as JSON.

    Raises:
        NotStorable: it has more, or its content holds NUL or a lone surrogate.
    """
    try:
        content = message.content.encode()
    except UnicodeEncodeError:
        raise NotStorable("a message holds a lone surrogate") from None
    if b"\0" in content:
        raise NotStorable("a message holds NUL")
    size = max(len(content), len(json.dumps(message.data)))
    if size > limit:
        raise NotStorable(f"a message has {size} bytes, more than the {limit} of MAX_CONTENT")


class Token(TypedDict):
    """A piece of the reply, as it is written."""

    type: Literal["token"]
    text: str


class ToolResult(TypedDict):
    """A tool was called and returned."""

    type: Literal["tool"]
    name: str
    result: str


type Event = Token | ToolResult


class Logic(Protocol):
    """How a question is answered. Each kind of it has a module `runner` with one."""

    engine: str  # what answers, for GET /info
    offline: bool  # true when it is a stand-in for what is not configured
    turn_bytes: int  # memory that one turn takes, rather too much than too little

    async def answer(self, history: list[Message], question: str, context: Context) -> list[Message]:
        """Everything the turn adds after the question; the last message is the reply. Raises `LogicFailed`.

        The reply has a text. Where it is incomplete, its data says so under `FINISH`.
        """

    def stream(self, history: list[Message], question: str, context: Context) -> AsyncGenerator[Event | Message]:
        """The same, as it happens: events to show at once, and messages to keep. Raises `LogicFailed`.

        The tokens are the text of the reply.
        """
