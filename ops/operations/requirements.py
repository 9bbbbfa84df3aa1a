"""lock: compiles requirements.in of each tier into requirements.txt, every package with its version and hashes."""

import io
import re
import tarfile
from pathlib import Path

from operations import files
from operations.context import TIERS, Context

IMAGE = "python:3.13-slim"
UV = "uv==0.13.9"
LOCKS = ("requirements", "requirements-dev")
OPTIONS = "--universal --python-version 3.12 --generate-hashes --no-header --no-annotate --quiet"

# The files come in as an archive and the compiled ones go out as one, so that nothing of this machine is mounted.
COMPILE = f"""
set -e
pip install --quiet --disable-pip-version-check --root-user-action ignore {UV} >&2
cd /tmp && tar -x
uv pip compile requirements.in -o requirements.txt {OPTIONS} $1 >&2
if [ -e requirements-dev.in ]; then
  without=$(sed -n 's/^\\([a-z0-9._-]*\\)==.*/--no-emit-package \\1/p' requirements.txt)
  uv pip compile requirements-dev.in -o requirements-dev.txt {OPTIONS} $without $1 >&2
fi
tar -c requirements*.txt
"""


def command(context: Context, *, upgrade: bool) -> None:
    """Compile both tiers. What is pinned stays, unless all of it is to be upgraded. Raises Failure."""
    with context.exclusive("lock"):
        for tier in TIERS:
            _compile(context, tier, upgrade=upgrade)


def _compile(context: Context, tier: str, *, upgrade: bool) -> None:
    folder = context.root / tier
    sources = [path for path in sorted(folder.glob("requirements*")) if path.suffix in {".in", ".txt"}]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in sources:
            tar.add(path, path.name)
    context.console.step(f"compile the requirements of the {tier}")
    compiled: list[bytes] = []
    run = ("docker", "run", "--rm", "--interactive", "--tmpfs", "/tmp", IMAGE, "sh", "-c", COMPILE, "sh")
    flags = ("--upgrade",) if upgrade else ("",)
    context.programs.pipe(*run, *flags, pieces=[archive.getvalue()], sink=compiled.append)
    with tarfile.open(fileobj=io.BytesIO(b"".join(compiled))) as tar:
        for name in (f"{lock}.txt" for lock in LOCKS):
            if name in tar.getnames():
                text = (tar.extractfile(name) or io.BytesIO()).read().decode()
                _write(context, folder / name, text)


def _write(context: Context, path: Path, text: str) -> None:
    before = path.read_text() if path.exists() else ""
    if text == before:
        context.console.say(f"{path.relative_to(context.root)} is up to date")
        return
    files.replace(path, text, 0o644)
    changed = set(re.findall(r"^\S+==\S+", before, re.MULTILINE)) ^ set(re.findall(r"^\S+==\S+", text, re.MULTILINE))
    context.console.say(f"{path.relative_to(context.root)}: {' '.join(sorted(changed)) or 'other hashes'}")
