"""A whole memory into a file, and from there into another memory."""

import gzip
import hashlib
import io
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.agent import process
from tests.agent.fakes import InMemory
from three_tier.agent import transfer
from three_tier.agent.archive import Totals, Unreadable
from three_tier.agent.contract import ALL, Memory, Message, Revocation, Thread, Turn, Unavailable
from three_tier.agent.transfer import Refused

pytestmark = pytest.mark.anyio

HERE = Path(transfer.__file__).parent
EPOCH = datetime.fromtimestamp(0, UTC)
DATA = {"calls": [{"b": 1, "a": "\0 \ud800 🙂"}], "c": None}
USAGE = {"total_tokens": 3, "input_tokens": 1}


async def ask(memory: InMemory, owner: str, thread_id: str, key: str, question: str) -> Turn:
    return await memory.begin(owner, thread_id, key, question, "run", create=True, lease=9, wait=0)


@pytest.fixture
async def full() -> InMemory:
    """Two owners; one of their threads is long, one is empty, one is not answered yet."""
    memory = InMemory(40)
    for owner, thread_id, turns in (("api:ann", "long", 40), ("api:bob", "long", 2), ("api:bob", "other", 1)):
        for n in range(turns):
            turn = await ask(memory, owner, thread_id, f"{thread_id} {n}", f"q{n} 🙂")
            steps = [Message("assistant", "", DATA), Message("tool", "3", {"id": 1})]
            await memory.finish(turn, [*steps, Message("assistant", f"r{n}", usage=USAGE)])
    await memory.rename("api:ann", "long", "a title")
    await memory.create("api:ann", "an empty thread")
    await ask(memory, "api:bob", "open", "open", "unanswered")
    return memory


async def exported(memory: Memory) -> bytes:
    out = io.BytesIO()
    await transfer.export_all(memory, out, "tested")
    return out.getvalue()


async def imported(memory: Memory, file: bytes) -> Totals:
    return await transfer.import_all(memory, io.BytesIO(file))


async def everything(memory: Memory) -> list[tuple[str, Thread, list[Message]]]:
    threads = [found async for found in memory.every_thread()]
    return [(owner, thread, await log_of(memory, owner, thread.id)) for owner, thread in threads]


async def log_of(memory: Memory, owner: str, thread_id: str) -> list[Message]:
    return [message async for message in memory.every_message(owner, thread_id)]


def altered(file: bytes, *changes: tuple[str, str]) -> bytes:
    """The file with other lines."""
    text = gzip.decompress(file).decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return gzip.compress(text.encode())


def sealed(*records: object) -> bytes:
    """A file with these lines and an end that is right for them."""
    lines = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    kinds = [next(iter(record)) for record in records if isinstance(record, dict)]
    counts = {"threads": kinds.count("thread"), "messages": kinds.count("message")}
    end = {"end": {**counts, "sha256": hashlib.sha256(lines).hexdigest()}}
    return gzip.compress(lines + json.dumps(end).encode() + b"\n")


async def test_everything_is_moved(full: InMemory) -> None:
    file = await exported(full)
    assert transfer.check(io.BytesIO(file)) == Totals(5, 173)
    other = InMemory(40)
    assert await imported(other, file) == Totals(5, 173)
    assert await everything(other) == await everything(full)
    turn = await ask(other, "api:ann", "long", "long 7", "q7 🙂")
    assert turn.answer is not None
    assert (turn.answer.content, turn.answer.usage) == ("r7", USAGE)


async def test_revocations_are_moved(full: InMemory) -> None:
    await full.revoke(Revocation("api:ann", "one", EPOCH, EPOCH + SECOND))
    await full.revoke(Revocation("api:bob", ALL, EPOCH + SECOND, EPOCH + 2 * SECOND))
    other = InMemory(40)
    assert await imported(other, await exported(full)) == Totals(5, 173)
    assert other.revoked == full.revoked
    assert await everything(other) == await everything(full)


async def test_the_first_version_is_read_as_well() -> None:
    memory = InMemory(40)
    file = sealed({**FORMAT, "version": 1}, {"thread": THREAD}, {"message": MESSAGE})
    assert await imported(memory, file) == Totals(1, 1)


async def test_an_empty_memory_can_be_moved() -> None:
    file = await exported(InMemory(40))
    assert transfer.check(io.BytesIO(file)) == Totals()
    assert await imported(InMemory(40), file) == Totals()


async def test_the_checksum_can_be_computed_by_hand(full: InMemory) -> None:
    *lines, last = gzip.decompress(await exported(full)).splitlines(keepends=True)
    end = json.loads(last)["end"]
    assert end == {"threads": 5, "messages": 173, "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}


async def test_a_file_that_is_cut_off_is_refused(full: InMemory) -> None:
    file = await exported(full)
    lines = gzip.decompress(file).splitlines(keepends=True)
    short = [file[:place] for place in range(0, len(file), 97)]
    short += [gzip.compress(b"".join(lines[:number])) for number in range(0, len(lines), 7)]
    for cut in [*short, file[:-1], gzip.compress(b"".join(lines[:-1]))]:
        with pytest.raises(Unreadable):
            transfer.check(io.BytesIO(cut))
        with pytest.raises(Unreadable):
            await imported(InMemory(40), cut)


async def test_a_file_that_was_altered_is_refused(full: InMemory) -> None:
    file = await exported(full)
    header = 10  # bytes of gzip's own, which say nothing of the contents
    for place in range(header, len(file), 97):
        flipped = bytearray(file)
        flipped[place] ^= 1
        with pytest.raises(Unreadable):
            transfer.check(io.BytesIO(flipped))


@pytest.mark.parametrize(
    "change",
    [
        ("q0", "q9"),
        ('"messages": 173', '"messages": 534'),
        ('"agent": "tested"', '"agent": "other"'),
        ('"title": null', '"title": "x"'),
        ('{"end"', '\n{"end"'),
        ('{"end"', '{"message": {"id": "x"}}\n{"end"'),
        ('{"end"', '{"other": 1}\n{"end"'),
        ('{"end"', '["end"]\n{"end"'),
        ('"sha256"', '"sha512"'),
    ],
)
async def test_a_file_with_other_lines_is_refused(full: InMemory, change: tuple[str, str]) -> None:
    with pytest.raises(Unreadable, match="altered"):
        transfer.check(io.BytesIO(altered(await exported(full), change)))


async def test_the_line_that_was_altered_is_named(full: InMemory) -> None:
    file = await exported(full)
    revocation = '{"revocation": {"owner": "web:ann", "session": "one", "opened_by": "TIME", "expires_at": "TIME"}}\n'
    message = '{"message": {"id": 1, "turn": "k", "role": "user", "content": "", "created_at": "TIME"}}\n'
    for lines, number in ((revocation.replace("TIME", "never"), 2), (revocation + message, 3)):
        added = lines.replace("TIME", EPOCH.isoformat())
        with pytest.raises(Unreadable, match=f"line {number} "):
            transfer.check(io.BytesIO(altered(file, ('{"thread"', f'{added}{{"thread"'))))


async def test_what_follows_the_end_is_refused(full: InMemory) -> None:
    file = await exported(full)
    for more in (gzip.compress(b"{}\n"), b"more", file):
        with pytest.raises(Unreadable, match="altered"):
            transfer.check(io.BytesIO(file + more))


FORMAT = {"format": "threads", "version": 2}
DAY = "2026-01-01T00:00:00+00:00"
THREAD = {"owner": "api:ann", "id": "t", "title": None, "created_at": DAY, "updated_at": DAY}
MESSAGE = {"id": 1, "turn": "k", "role": "user", "content": "hi", "data": None, "usage": None, "created_at": DAY}


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([{"format": "others", "version": 1}], "does not hold threads"),
        ([{"thread": THREAD}], "does not hold threads"),
        ([{"format": "threads", "version": 3}], "version 3"),
        ([FORMAT, {"thread": {**THREAD, "created_at": "soon"}}], "line 2"),
        ([FORMAT, {"thread": {**THREAD, "more": 1}}], "line 2"),
        ([FORMAT, {"thread": THREAD}, {"message": {**MESSAGE, "created_at": None}}], "line 3"),
        ([FORMAT, {"thread": THREAD}, {"message": [MESSAGE]}], "line 3"),
        ([FORMAT, {"message": MESSAGE}], "line 2"),
        ([FORMAT, {"revocation": {"owner": "api:ann"}}], "line 2"),
    ],
)
async def test_what_no_export_writes_is_refused(records: list[object], reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        transfer.check(io.BytesIO(sealed(*records)))


async def test_what_is_no_archive_is_refused() -> None:
    for file in (b"", b"hello", b"\x1f\x8b", gzip.compress(b""), gzip.compress(b"hello\n"), gzip.compress(b"\xff\n")):
        with pytest.raises(Unreadable):
            transfer.check(io.BytesIO(file))


class Interrupted(InMemory):
    """A memory that fails after so many pieces."""

    def __init__(self, left: int) -> None:
        super().__init__(40)
        self.left = left
        self.pieces: list[int] = []

    async def restore(self, owner: str, thread: Thread, messages: Sequence[Message]) -> Thread:
        if self.left == 0:
            raise Unavailable("interrupted")
        self.left -= 1
        self.pieces.append(len(messages))
        return await super().restore(owner, thread, messages)


async def test_an_interrupted_import_goes_on(full: InMemory) -> None:
    file = await exported(full)
    whole = Interrupted(-1)
    await imported(whole, file)
    for left in range(len(whole.pieces)):
        memory = Interrupted(left)
        with pytest.raises(Unavailable):
            await imported(memory, file)
        memory.left = -1
        assert await imported(memory, file) == Totals(5, 173)
        assert await everything(memory) == await everything(full)
        assert sum(memory.pieces) == 173, "what was there is not written again"


async def test_a_long_thread_is_written_in_pieces(full: InMemory) -> None:
    memory = Interrupted(-1)
    await imported(memory, await exported(full))
    assert max(memory.pieces) == transfer.PIECE
    for n in range(5):
        turn = await ask(full, "api:ann", "large", f"large {n}", "x" * 400_000)
        await full.finish(turn, [Message("assistant", "y" * 400_000)])
    memory = Interrupted(-1)
    await imported(memory, await exported(full))
    assert memory.pieces[3:7] == [3, 3, 3, 1]


async def test_threads_that_are_there_stay(full: InMemory) -> None:
    file = await exported(full)
    memory = InMemory(40)
    await transfer.refuse_unless_empty(memory)
    await memory.create("api:cid")
    with pytest.raises(Refused, match="holds threads"):
        await transfer.refuse_unless_empty(memory)
    before = await everything(memory)
    await imported(memory, file)
    assert await everything(memory) == [*before, *await everything(full)]


async def test_threads_that_went_on_since_stay_as_they_are(full: InMemory) -> None:
    file = await exported(full)
    memory = InMemory(40)
    await imported(memory, file)
    turn = await ask(memory, "api:ann", "long", "later", "later")
    await memory.finish(turn, [Message("assistant", "ho")])
    await memory.rename("api:ann", "long", "another title")
    before = await everything(memory)
    await imported(memory, file)
    assert await everything(memory) == before


async def test_another_thread_in_its_place_is_told(full: InMemory) -> None:
    file = await exported(full)
    memory = InMemory(40)
    turn = await ask(memory, "api:bob", "other", "k", "mine")
    await memory.finish(turn, [Message("assistant", "ho")])
    with pytest.raises(Refused, match="thread other of api:bob"):
        await imported(memory, file)
    assert [message.content for message in await memory.messages("api:bob", "other", 9)][-2:] == ["ho", "mine"]


async def test_a_key_in_use_is_told(full: InMemory) -> None:
    file = await exported(full)
    memory = InMemory(40)
    await ask(memory, "api:bob", "elsewhere", "long 1", "hi")
    with pytest.raises(Refused, match="thread long of api:bob"):
        await imported(memory, file)


class Forgetful(InMemory):
    """A memory that keeps something else than it was given."""

    def __init__(self, keep: Callable[[Message], Message | None]) -> None:
        super().__init__(40)
        self.keep = keep

    async def restore(self, owner: str, thread: Thread, messages: Sequence[Message]) -> Thread:
        kept = [self.keep(message) for message in messages]
        return await super().restore(owner, thread, [message for message in kept if message])


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    "keep",
    [
        lambda message: None if message.id == 9 else message,
        lambda message: replace(message, content=message.content.replace("q5", "q6")),
        lambda message: replace(message, turn="k") if message.id == 9 else message,
        lambda message: replace(message, data=None),
        lambda message: replace(message, usage=None),
        lambda message: replace(message, created_at=(message.created_at or EPOCH) + SECOND),
    ],
    ids=["fewer", "content", "turn", "data", "usage", "time"],
)
async def test_what_the_memory_does_not_give_back_is_told(
    full: InMemory, keep: Callable[[Message], Message | None]
) -> None:
    with pytest.raises(Refused, match="thread long of api:ann"):
        await imported(Forgetful(keep), await exported(full))


async def test_two_threads_never_have_the_same_age() -> None:
    memory = InMemory(40)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for owner in ("api:ann", "api:bob"):
        for n in range(3):
            await memory.restore(owner, Thread(f"t{n}", None, moment, moment), [])
    other = InMemory(40)
    await imported(other, await exported(memory))
    ages = [thread.created_at - moment for _, thread, _ in await everything(other)]
    assert ages == [timedelta(microseconds=n) for n in (0, 1, 2)] * 2


ENV = process.environment()  # no settings: to look at a file takes none


def command(*args: str, file: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(process.command(*args), input=file, capture_output=True, check=False, env=ENV, timeout=60)


async def test_the_command_ends_with_one_line(full: InMemory) -> None:
    file = await exported(full)
    found = command("check", file=file)
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"5 threads, 173 messages\n")
    found = command("check", file=file[:-100])
    assert (found.returncode, found.stdout, found.stderr) == (1, b"", b"the file is cut off\n")
    assert command("check", "--wrong").returncode == 2
