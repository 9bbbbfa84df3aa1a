"""Writing files: whole or not at all, for their owner alone, and never root's in somebody else's folder."""

import os
import shutil
from pathlib import Path
from typing import TextIO

PRIVATE = 0o600
PRIVATE_FOLDER = 0o700


def give_to_owner(path: Path) -> None:
    """What root makes in another's folder belongs to whom the folder belongs to."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Make a folder unless it is there, and the folders above it."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=mode)
        give_to_owner(path)


def create(path: Path) -> TextIO:
    """Open a new file for writing. Raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    give_to_owner(path)
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="replace")


def replace(path: Path, contents: str, mode: int = PRIVATE) -> None:
    """Give a file these contents, all of them or none, whatever happens. A link keeps pointing to it."""
    target = path.resolve()
    draft = target.with_name(f"{target.name}.draft")
    draft.unlink(missing_ok=True)
    with create(draft) as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())
    draft.chmod(mode)
    draft.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Wait until the file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> bool:
    """Remove a folder as far as that is allowed; whether it is gone."""
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


def make_readable(paths: list[Path]) -> None:
    """Let every user read these: the user of a container must, whatever umask they were checked out under."""
    for path in paths:
        mode = path.stat().st_mode
        if mode & 0o444 != 0o444:
            path.chmod(mode | 0o444)
