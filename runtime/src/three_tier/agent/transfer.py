"""Moves all that the agent remembers: out of its database into a file, and from there into another database.

ops/three-tier export and import run it in a container of the agent, as `python main.py export` say. It holds one piece
of a thread at a time, however much there is. Agent and interface must not be at work meanwhile, or what they write is
left out.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

import uvloop

from three_tier.agent import archive
from three_tier.agent.archive import Totals, Unreadable
from three_tier.agent.contract import KeyReused, Memory, Message, NotFound, Revocation, Thread, Unavailable
from three_tier.agent.settings import Settings

PIECE = 100  # messages of a thread that are written at once,
PIECE_SIZE = 1_000_000  # or fewer where they have so many bytes together
REPORT_EVERY = 5  # seconds
EPOCH = datetime.fromtimestamp(0, UTC)


class Refused(Exception):
    """The database cannot take the file as it is. The text says why."""


async def export_all(memory: Memory, out: BinaryIO, agent: str) -> Totals:
    """Write an archive of all that the memory holds.

    Args:
        memory: where from.
        out: where to.
        agent: the name that the archive bears.

    Raises:
        Unavailable: the database did not answer.
    """
    file, progress = archive.Writer(out, agent), Progress()
    async for revocation in memory.every_revocation():
        file.revocation(revocation)
    before: tuple[str, datetime] | None = None
    async for owner, thread in memory.every_thread():
        if before and before[0] == owner and thread.created_at <= before[1]:
            thread.created_at = before[1] + timedelta(microseconds=1)  # some databases order threads by it alone
        before = (owner, thread.created_at)
        file.thread(owner, thread)
        async for message in memory.every_message(owner, thread.id):
            file.message(message)
            progress.tell(file.totals)
    return file.end()


def check(source: BinaryIO) -> Totals:
    """Read an archive to its end. Raises `Unreadable` where it is not whole."""
    totals = Totals()
    for entry in archive.read(source):
        totals.count(entry)
    return totals


async def import_all(memory: Memory, source: BinaryIO) -> Totals:
    """Put the revocations and threads of an archive into a memory, and read each thread back.

    What is there already stays as it is, so an import that was interrupted goes on where it stopped.

    Args:
        memory: where to.
        source: the archive; `check` has seen it, because what is found to be wrong here is found late.

    Raises:
        Refused: what the memory gives back is not what it was given.
        Unreadable: the archive is not whole.
        Unavailable: the database did not answer.
    """
    totals, progress = Totals(), Progress()
    restoration: Restoration | None = None
    for entry in archive.read(source):
        totals.count(entry)
        if isinstance(entry, Revocation):
            await memory.revoke(entry)
        elif not isinstance(entry, Message):
            if restoration:
                await restoration.finish()
            restoration = await Restoration.begin(memory, *entry)
        elif restoration:
            await restoration.add(entry)
        progress.tell(totals)
    if restoration:
        await restoration.finish()
    return totals


async def move_all(memory: Memory, owner: str, to: str) -> None:
    """Give all threads of an owner to another one, newest first. A move that was interrupted is finished by the next.

    Args:
        memory: where the threads are; none of them may be in use.
        owner: whose they are.
        to: whose they are to be.

    Raises:
        Refused: the other owner has a thread of the same id that is not the same.
        Unavailable: the database did not answer.
    """
    while owner != to and (threads := await memory.threads(owner, PIECE)):
        for thread in threads:
            restoration = await Restoration.begin(memory, to, thread)
            async with aclosing(memory.every_message(owner, thread.id)) as messages:
                async for message in messages:
                    await restoration.add(message)
            await restoration.finish()
            with suppress(NotFound):  # another call was faster
                await memory.delete(owner, thread.id)


async def refuse_unless_empty(memory: Memory) -> None:
    """Raise `Refused` where the memory holds a thread."""
    async with aclosing(memory.every_thread()) as threads:
        async for _ in threads:
            raise Refused("the database holds threads already")


class Restoration:
    """One thread on its way into a memory."""

    def __init__(self, memory: Memory, owner: str, thread: Thread, there: int) -> None:
        """Describe the way.

        Args:
            memory: where to.
            owner: whose thread it is.
            thread: the thread.
            there: the id up to which its messages are there already.
        """
        self.memory = memory
        self.owner = owner
        self.thread = thread
        self.there = there
        self.last = 0
        self.given = hashlib.sha256()
        self.piece: list[Message] = []
        self.size = 0

    @classmethod
    async def begin(cls, memory: Memory, owner: str, thread: Thread) -> "Restoration":
        """Look how far an earlier attempt has come."""
        try:
            newest = await memory.messages(owner, thread.id, 1)
        except NotFound:
            newest = []
        return cls(memory, owner, thread, newest[0].id if newest else 0)

    async def add(self, message: Message) -> None:
        """Take the next message of the thread, and write when enough have come together."""
        form = _form(message)
        self.given.update(form)
        self.last = message.id
        if message.id > self.there:
            self.piece.append(message)
            self.size += len(form)
        if len(self.piece) == PIECE or self.size > PIECE_SIZE:
            await self._write()

    async def finish(self) -> None:
        """Write what is left, and compare what the memory now gives out with what it was given."""
        restored = await self._write()
        found = hashlib.sha256()
        async with aclosing(self.memory.every_message(self.owner, self.thread.id)) as messages:
            async for message in messages:
                if message.id > self.last:
                    break  # it was said since
                found.update(_form(message))
        if found.digest() != self.given.digest() or not _is_same(restored, self.thread):
            raise Refused(f"{self} is there already, and is not the one in the file")

    async def _write(self) -> Thread:
        try:
            restored = await self.memory.restore(self.owner, self.thread, self.piece)
        except KeyReused:
            raise Refused(f"a message of {self} has the key of one that is there already, in another thread") from None
        self.piece, self.size = [], 0
        return restored

    def __str__(self) -> str:
        """As a person finds it."""
        return f"thread {self.thread.id} of {self.owner}"


class Progress:
    """Tells now and then how far it is."""

    def __init__(self) -> None:
        self.told = time.monotonic()

    def tell(self, totals: Totals) -> None:
        """Tell, if that is some seconds ago."""
        if time.monotonic() - self.told > REPORT_EVERY:
            self.told = time.monotonic()
            say(f"… {totals}")


def _form(message: Message) -> bytes:
    """All of a message in the one form that is the same out of every database."""
    fields = [message.id, message.turn, message.role, message.content, message.data, message.usage]
    return json.dumps([*fields, _milliseconds(message.created_at)]).encode()


def _is_same(there: Thread, wanted: Thread) -> bool:
    """Whether a thread is what the file says; it may have gone on since it was imported."""
    if _milliseconds(there.created_at) != _milliseconds(wanted.created_at):
        return False
    changed, expected = _milliseconds(there.updated_at), _milliseconds(wanted.updated_at)
    return changed > expected or (changed == expected and there.title == wanted.title)


def _milliseconds(time: datetime | None) -> int:
    """The part of a time that every database keeps."""
    return (time - EPOCH) // timedelta(milliseconds=1) if time else 0


def say(text: str) -> None:
    """Tell a person; standard output is for what was asked for."""
    sys.stderr.write(f"{text}\n")


async def run(command: str, build_memory: Callable[[Settings], Memory]) -> Totals:
    """Run one of the commands between standard input and output. Those that need no database need no settings."""
    if command == "check":
        return check(sys.stdin.buffer)
    settings = Settings()
    memory = build_memory(settings)
    try:
        if command == "export":
            return await export_all(memory, sys.stdout.buffer, settings.agent_name)
        if command == "import":
            return await import_all(memory, sys.stdin.buffer)
        await refuse_unless_empty(memory)
        return Totals()
    finally:
        await memory.close()


COMMANDS = {
    "export": "all that is remembered, to standard output",
    "check": "that standard input is a whole export",
    "empty": "whether the database holds nothing yet",
    "import": "standard input into the database, and read it back",
}


def main(words: list[str], build_memory: Callable[[Settings], Memory]) -> int:
    """Run a command, tell what it could not do, and return the exit code.

    Args:
        words: the command line.
        build_memory: gives the memory, within the event loop.
    """
    parser = argparse.ArgumentParser(description="Moves all that the agent remembers between its database and a file.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in COMMANDS.items():
        commands.add_parser(name, help=text)
    try:
        totals = uvloop.run(run(parser.parse_args(words).command, build_memory))
    except (Refused, Unreadable, Unavailable) as error:
        say(str(error))
        return 1
    say(str(totals))
    return 0
