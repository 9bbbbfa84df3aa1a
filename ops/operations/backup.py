"""backup: writes all that is remembered into one file, while everything runs."""

import shutil
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from operations import backups, files
from operations.backups import MANIFEST_SIZE
from operations.compose import Compose, Service
from operations.context import Context
from operations.errors import Failure
from operations.programs import CommandFailed
from operations.remote import Remote


def command(context: Context) -> None:
    """Back up, and print the path as the last line on standard output. Raises Failure."""
    with context.exclusive("backup"):
        context.complete_settings()
        print(back_up(context, context.compose()))


def back_up(context: Context, compose: Compose) -> Path:
    """Write a consistent backup: all that was acknowledged before it began is in it. Returns its path.

    Raises:
        Failure: no backup was written, and older ones are as they were; or only its upload failed.
    """
    if not compose.value("BACKUP_KEY"):
        raise Failure(f"BACKUP_KEY in {compose.env_file} is blank, and a backup is signed with it: ops/three-tier env")
    keep = backups.parse_keep(compose.value("BACKUP_KEEP"), compose.env_file)
    days = _days(compose)
    context.console.step(f"back up {compose.name}")
    try:
        path, held = _written(context, compose)
    except (Failure, OSError) as error:
        raise Failure(
            f"no backup was written: {error}; those in {backups.folder(context)} are as they were.\n"
            "  When that is mended: ops/three-tier backup"
        ) from None
    context.console.say(f"{held} in {path.stat().st_size} bytes")
    _thin(context, compose, keep, days)
    remote = Remote(context, compose)
    if remote.is_set:
        remote.put(path, keep)
    upload(context, compose.value("BACKUP_UPLOAD_CMD"), path)
    return path


def _thin(context: Context, compose: Compose, keep: dict[str, int], days: int) -> None:
    """Delete what is not kept any more; but never one after which much was lost, until somebody deletes it."""
    found = backups.list_of(context, compose.name)
    surplus = set(backups.surplus(found, keep, days, datetime.now(UTC)))
    for old, following in pairwise(found):
        if lost := backups.fall(old, following):
            context.console.warn(
                f"much was lost after {old.name}, which had {lost}. It is kept. To bring it back:\n"
                f"  ops/three-tier restore {old}; if the loss was meant: rm {old}"
            )
        elif old in surplus:
            old.unlink()
            context.console.say(f"deleted {old.name}, as BACKUP_KEEP and BACKUP_DAYS say")


def _days(compose: Compose) -> int:
    days = compose.value("BACKUP_DAYS")
    if not days.isdecimal():
        raise Failure(f"BACKUP_DAYS in {compose.env_file} must be a whole number, 0 for no limit")
    return int(days)


def _written(context: Context, compose: Compose) -> tuple[Path, str]:
    """The path of the new backup, and what it holds. A database that is stopped is started for it, then stopped."""
    service = compose.service(context.store)
    if any(each.status == "running" for each in service.containers()):
        return _write(context, compose, service)
    volume = context.data_volume(compose)
    if not context.docker.has_volume(volume):
        raise Failure(f"there is no data: the volume {volume} does not exist")
    context.start_database(compose)
    try:
        return _write(context, compose, service)
    finally:
        service.stop()


def _write(context: Context, compose: Compose, service: Service) -> tuple[Path, str]:
    folder = backups.folder(context)
    files.make_folder(folder, files.PRIVATE_FOLDER)
    draft = folder / f".{compose.name}.draft"  # of a run that was killed, too
    draft.unlink(missing_ok=True)
    path, taken = _next_name(folder, compose.name)
    try:
        files.create(draft).close()
        with draft.open("r+b") as file:
            file.write(b" " * MANIFEST_SIZE)
            data = backups.Compressed(file)
            context.database.dump(service, data.write)
            data.close()
        with backups.payload(draft) as dump:
            summary = context.database.summarize(service, dump)
        held = backups.holds(summary)
        backups.write_manifest(
            draft,
            {
                "backup format": str(backups.FORMAT),
                "project": context.name,
                "database": context.database.kind,
                "schema": str(context.database.schema),
                "DB_NAME": compose.value("DB_NAME"),
                "copy": compose.name,
                "taken": taken,
                "holds": held,
                "content sha256": backups.checksum(summary),
                "bytes": str(draft.stat().st_size - MANIFEST_SIZE),
                "sha256": backups.checksum_of(draft),
            },
            compose.value("BACKUP_KEY"),
        )
        files.sync(draft)
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    files.sync(folder)
    return path, held


def _next_name(folder: Path, project: str) -> tuple[Path, str]:
    while True:
        now = datetime.now(UTC)
        path = folder / f"{project}-{now:{backups.STAMP}}.backup"
        if not path.exists():
            return path, f"{now:%Y-%m-%dT%H:%M:%SZ}"
        time.sleep(1)


def upload(context: Context, program: str, path: Path) -> None:
    """Call what takes backups to another machine. Raises Failure, and the file stays."""
    if not program:
        return
    context.console.step("upload it")
    shell = shutil.which("bash") or "/bin/sh"
    try:
        context.programs.follow(shell, "-c", f'{program} "$1"', "upload", str(path))
    except CommandFailed as failed:
        raise Failure(f"BACKUP_UPLOAD_CMD failed: {failed}. The backup is kept here:\n  {path}") from None
