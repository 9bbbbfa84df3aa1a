"""A project without an engine: a program in the place of `docker` answers what a test wants."""

import io
import os
import stat
from pathlib import Path
from typing import IO, ClassVar

import pytest
from fake_docker import Engine

from operations.compose import Service
from operations.console import Console
from operations.context import Context
from operations.contracts import Sink
from operations.docker import Docker
from operations.errors import Failure
from operations.programs import Programs, environment

TEMPLATE = """# The settings.

# The database.
DB_NAME=lyco
# Password of the role. Generated.
DB_PASSWORD=
DB_ADMIN_PASSWORD=

AGENT_TOKEN=
AGENT_PORT=8000
API_KEYS=
BACKUP_KEY=
BACKUP_KEEP=14
BACKUP_DAYS=30
"""


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def context(tmp_path: Path, said: io.StringIO) -> Context:
    root = tmp_path / "lycö project"
    (root / "bin").mkdir(parents=True)
    (root / ".env.template").write_text(TEMPLATE)
    console = Console(said)
    variables = environment({"PATH": f"{root / 'bin'}:{os.environ['PATH']}", "COMPOSE_FILE": "elsewhere.yml"})
    return Context(root, root / ".env", console, Programs(console, variables), name="lyco")


def stub(context: Context, name: str, script: str) -> None:
    """Put a program in the place of another."""
    path = context.root / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


class FakeDatabase:
    """A database whose data is a line of text."""

    kind: ClassVar[str] = "postgres"
    schema: ClassVar[int] = 1
    files: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.data = b"2 threads\n"
        self.applied = 0

    def apply_init_files(self, db: Service) -> None:
        self.applied += 1

    def set_administrator_password(self, db: Service, password: str) -> None:
        raise NotImplementedError

    def is_unfinished(self, db: Service, volume: str) -> bool:
        return False

    def check_answers(self, db: Service) -> None:
        assert db.container_id

    def check_refuses_strangers(self, db: Service) -> None:
        raise NotImplementedError

    def dump(self, db: Service, sink: Sink) -> None:
        sink(self.data)

    def summarize(self, db: Service, dump: IO[bytes]) -> str:
        number, what = dump.read().decode().split()
        return f"{what} {number} checksum"

    def load(self, db: Service, dump: IO[bytes]) -> None:
        self.loaded = dump.read()


class Project:
    """A whole project, on an engine that is none."""

    def __init__(self, context: Context) -> None:
        self.context, self.root = context, context.root
        self.database = FakeDatabase()
        context.database = self.database
        (self.root / "docker-compose.yml").touch()
        for tier in ("agent", "interface"):
            (self.root / tier).mkdir()
            self.change(tier, "first")
        self.engine = Engine(context.programs, self.root)
        context.programs = self.engine
        context.docker = Docker(self.engine)
        self.verdicts: list[str] = []  # of the next verifications: what is wrong, or nothing

    def change(self, tier: str, content: str) -> None:
        (self.root / tier / "Dockerfile").write_text(content)

    def running(self) -> dict[str, tuple[str, str]]:
        """Service, to the container and the image that it runs."""
        label = "com.docker.compose.service"
        return {each["Config"]["Labels"][label]: (each["Id"], each["Image"]) for each in self.engine.containers}

    def verify(self, *_: object, **__: object) -> None:
        if self.verdicts and (verdict := self.verdicts.pop(0)):
            raise Failure(verdict)
        if not all(each["State"]["Running"] for each in self.engine.containers):
            raise Failure("not all of them run")


@pytest.fixture
def project(context: Context, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(context)
    monkeypatch.setattr("operations.verify.verify", made.verify)
    monkeypatch.setattr("operations.preflight.check_room", lambda _: None)
    return made
