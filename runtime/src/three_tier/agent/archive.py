"""The file that holds a whole memory: JSON Lines, compressed with gzip.

    {"format": "threads", "version": 2, "agent": "my-agent", "exported_at": "2026-05-01T12:00:00+00:00"}
    {"revocation": {"owner": "web:owner", "session": "…", "opened_by": "…", "expires_at": "…"}}
    {"thread": {"owner": "api:ann", "id": "…", "title": null, "created_at": "…", "updated_at": "…"}}
    {"message": {"id": 1, "turn": "…", "role": "user", "content": "…", "data": null, "usage": null, "created_at": "…"}}
    {"end": {"threads": 1, "messages": 1, "sha256": "…"}}

Revocations of sessions come first; version 1 had none. The messages of a thread follow it, oldest first; `turn` is the
idempotency key. Times are UTC. The last line counts the threads and messages, and has the checksum of all lines above
it: a file that was cut off or altered is recognised. By hand: zcat FILE | head --lines=-1 | sha256sum
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

from three_tier.agent.contract import Message, Revocation, Thread

FORMAT = {"format": "threads", "version": 2}
READABLE = {1, 2}  # versions
LONGEST = 128 * 1024 * 1024  # bytes of a line


type Entry = Revocation | tuple[str, Thread] | Message  # a thread with its owner, or a message of the thread before


class Unreadable(Exception):
    """The file is no archive, or not as it was written. The text says why."""


@dataclass
class Totals:
    """What went through."""

    threads: int = 0
    messages: int = 0

    def count(self, entry: "Entry") -> None:
        """Add one."""
        if isinstance(entry, Message):
            self.messages += 1
        elif isinstance(entry, tuple):
            self.threads += 1

    def __str__(self) -> str:
        """In words."""
        return f"{self.threads:,} threads, {self.messages:,} messages"


class Writer:
    """Writes an archive, line by line."""

    def __init__(self, out: BinaryIO, agent: str) -> None:
        """Write the first line.

        Args:
            out: where to; it stays open.
            agent: whose memory it is, for people who look into the file.
        """
        self.totals = Totals()
        self._out = gzip.GzipFile(fileobj=out, mode="wb")
        self._sum = hashlib.sha256()
        self._write({**FORMAT, "agent": agent, "exported_at": _text(datetime.now(UTC))})

    def revocation(self, revocation: Revocation) -> None:
        """Write a revocation."""
        times = {"opened_by": _text(revocation.opened_by), "expires_at": _text(revocation.expires_at)}
        self._write({"revocation": {"owner": revocation.owner, "session": revocation.session, **times}})

    def thread(self, owner: str, thread: Thread) -> None:
        """Write a thread; its messages come next."""
        times = {"created_at": _text(thread.created_at), "updated_at": _text(thread.updated_at)}
        self._write({"thread": {"owner": owner, "id": thread.id, "title": thread.title, **times}})
        self.totals.count((owner, thread))

    def message(self, message: Message) -> None:
        """Write a message of the thread that was written last."""
        fields = {name: getattr(message, name) for name in ("id", "turn", "role", "content", "data", "usage")}
        self._write({"message": {**fields, "created_at": message.created_at and _text(message.created_at)}})
        self.totals.count(message)

    def end(self) -> Totals:
        """Write the last line, without which the file counts as cut off."""
        self._write({"end": {**asdict(self.totals), "sha256": self._sum.hexdigest()}})
        self._out.close()
        return self.totals

    def _write(self, record: dict[str, Any]) -> None:
        line = json.dumps(record).encode() + b"\n"
        self._sum.update(line)
        self._out.write(line)


def read(source: BinaryIO) -> Iterator[Entry]:
    """The revocations, then the threads with their owners, and after each its messages.

    Only when this ends, the file is known to be whole.

    Raises:
        Unreadable: the file is no archive, or it was cut off or altered.
    """
    totals, checksum = Totals(), hashlib.sha256()
    lines = _lines(source)
    for number, line in enumerate(lines):
        record = _record(line, number + 1)
        if number == 0:
            _check_format(record)
        elif "end" in record:
            if record["end"] != {**asdict(totals), "sha256": checksum.hexdigest()} or next(lines, None):
                raise Unreadable("the file was altered: its lines are not those that its checksum was made of")
            return
        else:
            entry = _entry(record, number + 1)
            totals.count(entry)
            if totals.messages and not totals.threads:
                raise Unreadable(f"the file was altered: line {number + 1} is a message of no thread")
            yield entry
        checksum.update(line)
    raise Unreadable(f"the file is cut off after {totals}")


def _lines(source: BinaryIO) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=source) as plain:
            while line := plain.readline(LONGEST):
                yield line
    except EOFError:
        raise Unreadable("the file is cut off") from None
    except (gzip.BadGzipFile, zlib.error):
        raise Unreadable("the file was altered, or was never written by ops/three-tier export") from None


def _record(line: bytes, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise Unreadable(f"the file was altered: line {number} cannot be read")
    return record


def _check_format(record: dict[str, Any]) -> None:
    if record.get("format") != FORMAT["format"]:
        raise Unreadable("the file does not hold threads: take one that ops/three-tier export has written")
    if record.get("version") not in READABLE:
        raise Unreadable(f"the file has version {record.get('version')}, but this agent reads up to {max(READABLE)}")


def _entry(record: dict[str, Any], number: int) -> Entry:
    try:
        if "revocation" in record:
            return _revocation(**record["revocation"])
        return _thread(**record["thread"]) if "thread" in record else _message(**record["message"])
    except (KeyError, TypeError, ValueError):
        raise Unreadable(f"the file was altered: line {number} cannot be read") from None


def _revocation(owner: str, session: str, opened_by: str, expires_at: str) -> Revocation:
    return Revocation(owner, session, _time(opened_by), _time(expires_at))


def _thread(owner: str, created_at: str, updated_at: str, **fields: Any) -> tuple[str, Thread]:
    return owner, Thread(created_at=_time(created_at), updated_at=_time(updated_at), **fields)


def _message(created_at: str, **fields: Any) -> Message:
    return Message(created_at=_time(created_at), **fields)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
