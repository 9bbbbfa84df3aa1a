"""export and import: all that is remembered, into a file that any kind of database can take, and out of it again.

The work is done by the agent, in a container of the agent beside the one that serves.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from operations import deploy, files
from operations.compose import Compose
from operations.context import Context
from operations.docker import PROJECT
from operations.errors import Failure

TAG = "transfer"
CHUNK = 1 << 20  # bytes


@dataclass
class _Mover:
    """A container of the agent that reads and writes the database for us."""

    context: Context
    compose: Compose
    stopped: list[str] = field(default_factory=list)  # the tiers that ran before

    @property
    def name(self) -> str:
        """The name of the container."""
        return f"{self.compose.name}-transfer"

    def build(self) -> None:
        """Build the agent from the files as they are. A container of a run that was killed must not go on writing."""
        self.remove()
        self.compose.follow("build", self.context.agent, TAG=TAG)

    def start(self) -> None:
        """Start a container, on the network of the database, that waits for commands."""
        service = self.context.agent
        command = self.compose.command("run", "--detach", "--no-deps", "--name", self.name, service, "sleep", "1d")
        self.context.programs.ask(*command, TAG=TAG)

    def remove(self) -> None:
        """Remove the container and its image."""
        self.context.docker.succeeds("rm", "--force", self.name)
        self.context.docker.succeeds("image", "rm", f"{self.compose.name}-agent:{TAG}")

    def check(self, path: Path) -> None:
        """See that a file is whole, which needs nothing but the image. Raises CommandFailed."""
        run = ("run", "--rm", "--interactive", "--read-only", "--network", "none", f"{self.compose.name}-agent:{TAG}")
        self.context.programs.pipe("docker", *run, "python", "main.py", "check", pieces=_pieces(path))

    def move(self, command: str, *, source: Path | None = None, sink: Callable[[bytes], Any] | None = None) -> None:
        """A command of the agent, between two files. Raises CommandFailed."""
        pieces = _pieces(source) if source else iter(())
        program = ("docker", "exec", "--interactive", self.name, "python", "main.py", command)
        self.context.programs.pipe(*program, pieces=pieces, sink=sink)

    def stop_tiers(self) -> None:
        """Stop agent and interface, which finish what they have begun."""
        running = {each.service for each in self.compose.containers() if each.status == "running"}
        self.stopped = [name for name in (self.context.front, self.context.agent) if name in running]
        if self.stopped:
            self.compose.follow("stop", *self.stopped)

    def start_tiers(self) -> None:
        """Start again what ran before."""
        if self.stopped:
            self.compose.follow("start", *self.stopped)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece


@contextmanager
def _mover(context: Context) -> Iterator[_Mover]:
    mover = _Mover(context, context.compose())
    try:
        yield mover
    finally:
        mover.remove()


def export(context: Context) -> Path:
    """Stop agent and interface, write everything into a file, and read it back; the path of the file.

    Raises:
        Failure: it failed, and what ran before runs.
    """
    with context.exclusive("export"), _mover(context) as mover:
        volume = context.data_volume(mover.compose)
        if not context.docker.has_volume(volume):
            raise Failure(
                f"there is nothing to export: {context.store} has no data yet. If the project was changed to it from\n"
                "  another kind of database, change it back first, export, and change it then"
            )
        try:
            path = _export(context, mover)
        except Failure as failure:
            mover.start_tiers()
            raise Failure(f"could not export: {failure}. Nothing is lost, and what ran before runs again") from None
    context.console.say(
        "\n✓ exported. Agent and interface stay stopped, so that nothing is said that the file does not hold.\n"
        "  to go on as before:           ./deploy.sh\n"
        "  in another kind of database:  yo three-tier:db --database KIND, then\n"
        f"                                ops/three-tier import {path.relative_to(context.root)}\n"
    )
    return path


def _export(context: Context, mover: _Mover) -> Path:
    folder = context.root / "exports"
    files.make_folder(folder, files.PRIVATE_FOLDER)
    draft = folder / f".{mover.compose.name}.draft"
    draft.unlink(missing_ok=True)
    context.console.step("get ready")
    mover.build()
    context.console.step("stop agent and interface")
    mover.stop_tiers()
    _start_database(context, mover)
    context.console.step("export")
    try:
        files.create(draft).close()
        with draft.open("wb") as file:
            mover.move("export", sink=file.write)
        context.console.step("read it back")
        mover.check(draft)
        path = folder / f"{mover.compose.name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.jsonl.gz"
        files.sync(draft)
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    files.sync(folder)
    return path


def _start_database(context: Context, mover: _Mover) -> None:
    context.start_database(mover.compose)
    context.database.apply_init_files(mover.compose.service(context.store))
    mover.start()


def bring_in(context: Context, path: Path, *, beside_others: bool) -> None:
    """Put what `export` wrote into the database, read each thread back and compare it, then deploy.

    What was interrupted goes on with the same command, and nothing is there twice.

    Args:
        context: the run.
        path: the file.
        beside_others: also where the database holds other threads, which stay as they are.

    Raises:
        Failure: it failed; what to do is said.
    """
    if not path.is_file():
        raise Failure(f"{path} is not a file that you may read. Nothing was changed")
    with context.exclusive("import"):
        context.complete_settings()
        with _mover(context) as mover:
            volume = context.data_volume(mover.compose)
            _prepare(context, mover, path)
            journal = context.root / "exports" / f".{mover.compose.name}.import"
            this = f"{_checksum(path)} {volume}\n"
            begun = journal.read_text() if journal.exists() else ""
            if not beside_others and begun != this:
                _refuse_unless_empty(context, mover, volume)
            context.console.step("stop agent and interface")
            files.make_folder(journal.parent, files.PRIVATE_FOLDER)
            files.replace(journal, this)
            mover.stop_tiers()
            context.console.step("import, and read back")
            try:
                mover.move("import", source=path)
            except Failure as failure:
                raise Failure(
                    f"the import is not complete, and the agent must not serve: {failure}. What is there already\n"
                    f"  stays. When that is mended, go on with the same command: ops/three-tier import {path}"
                ) from None
        deploy.deploy(context, deploy.Options())
        journal.unlink()
    context.console.say("\n✓ imported: every thread was read back, and is as it was")
    labels = f"label={PROJECT}={mover.compose.name}"
    others = [
        each for each in context.docker.ask("volume", "ls", "--quiet", "--filter", labels).split() if each != volume
    ]
    if others:
        context.console.say(f"Kept beside {volume}, until you delete them with docker volume rm: {' '.join(others)}")


def _prepare(context: Context, mover: _Mover, path: Path) -> None:
    context.console.step(f"check {path.name}")
    mover.build()
    try:
        mover.check(path)
    except Failure as failure:
        raise Failure(f"{path} is refused: {failure}. Nothing was changed") from None
    context.console.step("start the database")
    _start_database(context, mover)


def _refuse_unless_empty(context: Context, mover: _Mover, volume: str) -> None:
    try:
        mover.move("empty")
    except Failure as failure:
        raise Failure(
            f"{failure}. Nothing was changed. ops/three-tier import --add would put the threads of the file beside\n"
            "  those that are there. To begin with an empty database instead, which deletes what is on its volume:\n"
            f"    docker compose --project-name {mover.compose.name} rm --stop --force {context.store} && "
            f"docker volume rm {volume}"
        ) from None


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
