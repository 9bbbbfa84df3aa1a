"""A project without an engine: a program in the place of `docker` answers what a test wants."""

import io
import os
import stat
from pathlib import Path

import pytest

from operations.console import Console
from operations.context import Context
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
