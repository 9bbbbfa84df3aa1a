"""What a backup is: one file with a manifest of lines `field: value`, filled up with blanks, then the data, by gzip.

By hand: `head -n 13 FILE` shows the one, `tail -c +4097 FILE | gunzip` the other.
"""

import gzip
import hashlib
import hmac
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from operations.compose import Compose
from operations.context import Context
from operations.errors import Failure

FORMAT = 1
MANIFEST_SIZE = 4096  # bytes
STAMP = "%Y%m%dT%H%M%SZ"
SIGNATURE = "signature"
NUMBERS = ("backup format", "schema", "bytes")


@dataclass(frozen=True)
class Backup:
    """A backup, whole and of this project."""

    path: Path
    manifest: dict[str, str]

    @property
    def holds(self) -> str:
        """What is in it, as a person reads it."""
        return self.manifest["holds"]

    @property
    def taken(self) -> str:
        """When it was made."""
        return self.manifest["taken"]

    @contextmanager
    def data(self) -> Iterator[IO[bytes]]:
        """The data, line by line."""
        with payload(self.path) as data:
            yield data


class Compressed:
    """Writes data by gzip so that equal parts of two backups are equal bytes, wherever they stand.

    The compressor begins afresh at lines that their contents choose, about one in a thousand: what comes after depends
    on nothing before. So whatever stores the files can share what has not changed (gzip's own option --rsyncable).
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Write to this file."""
        self.file = file
        self.compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
        self.rest = b""

    def write(self, piece: bytes) -> None:
        """Add data."""
        *lines, self.rest = (self.rest + piece).split(b"\n")
        start = 0
        for place, line in enumerate(lines):
            if zlib.crc32(line) & 1023 == 0:
                self._add(lines[start : place + 1])
                self.file.write(self.compressor.flush(zlib.Z_FULL_FLUSH))
                start = place + 1
        self._add(lines[start:])

    def _add(self, lines: list[bytes]) -> None:
        self.file.write(self.compressor.compress(b"".join(line + b"\n" for line in lines)))

    def close(self) -> None:
        """Add what is left."""
        self.file.write(self.compressor.compress(self.rest) + self.compressor.flush())


@contextmanager
def payload(path: Path) -> Iterator[IO[bytes]]:
    """The data in a file."""
    with path.open("rb") as file:
        file.seek(MANIFEST_SIZE)
        with gzip.open(file) as data:
            yield io.BufferedReader(data, 1 << 20)


def folder(context: Context) -> Path:
    """Where backups are."""
    return context.root / "backups"


def list_of(context: Context, project: str) -> list[Path]:
    """The backups of one copy of the project, the oldest first."""
    name = re.compile(rf"{re.escape(project)}-\d{{8}}T\d{{6}}Z\.backup")
    there = folder(context)
    return sorted(each for each in there.iterdir() if name.fullmatch(each.name)) if there.is_dir() else []


def taken_at(path: Path) -> datetime:
    """When a backup was made, as its name says."""
    return datetime.strptime(path.stem.rpartition("-")[2], STAMP).replace(tzinfo=UTC)


def holds(summary: str) -> str:
    """What a database said of its contents, as a person reads it."""
    rows = (line.split()[:2] for line in summary.splitlines())
    return ", ".join(f"{number} {what}" for what, number in rows)


def checksum(text: str) -> str:
    """The SHA-256 of lines."""
    return hashlib.sha256(f"{text}\n".encode()).hexdigest()


def checksum_of(path: Path) -> str:
    """The SHA-256 of the data in a file, as it lies there."""
    with path.open("rb") as file:
        file.seek(MANIFEST_SIZE)
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(path: Path, fields: dict[str, str], key: str) -> None:
    """Put a manifest before the data, where room was left for it. Raises Failure where there is too little.

    Args:
        path: the file.
        fields: what stands in it.
        key: what it is signed with, so that only who has it can make one that is believed.
    """
    text = "\n".join(f"{field}: {value}" for field, value in fields.items())
    text += f"\nmanifest sha256: {checksum(text)}"
    text += f"\n{SIGNATURE}: {_signature(text, key)}\n"
    if len(text.encode()) > MANIFEST_SIZE:
        raise Failure("there are more tables than the manifest of a backup has room for")
    with path.open("r+b") as file:
        file.write(text.encode().ljust(MANIFEST_SIZE))


def _signature(text: str, key: str) -> str:
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()


def read(context: Context, compose: Compose, path: Path, *, signed: bool = True) -> Backup:
    """Read a manifest, and make sure that the file is whole, ours, of this project, and can be read here.

    Args:
        context: the run.
        compose: the project.
        path: the file.
        signed: refuse a file that nobody signed who has this project's key.

    Raises:
        Failure: it is not. Nothing was touched.
    """
    if not path.is_file():
        raise Failure(f"{path} is not a file that you may read")
    with path.open("rb") as file:
        header = file.read(MANIFEST_SIZE).replace(b"\0", b"").decode(errors="replace").rstrip()
    if not header.startswith("backup format: "):
        raise _refused(path, "it is no backup of this program")
    manifest = dict(line.split(": ", 1) for line in header.splitlines() if ": " in line)
    _check_format(path, manifest)
    _check_integrity(path, header, manifest)
    if signed:
        _check_signature(path, header, manifest, compose.value("BACKUP_KEY"))
    _check_origin(context, compose, path, manifest)
    return Backup(path, manifest)


def _refused(path: Path, why: str) -> Failure:
    return Failure(f"{path} is refused: {why}. Nothing was changed")


def _check_format(path: Path, manifest: dict[str, str]) -> None:
    for field in NUMBERS:
        if not re.fullmatch(r"\d{1,18}", manifest.get(field, "")):
            raise _refused(path, f"its manifest says no {field}, so it was altered")
    if int(manifest["backup format"]) != FORMAT:
        found = manifest["backup format"]
        raise _refused(path, f"its format is {found}, and this program reads {FORMAT}: update the project first")


def _check_integrity(path: Path, header: str, manifest: dict[str, str]) -> None:
    before, _, _ = header.partition("\nmanifest sha256: ")
    if manifest.get("manifest sha256") != checksum(before):
        raise _refused(path, "its manifest was cut off or altered")
    size = path.stat().st_size - MANIFEST_SIZE
    if size < int(manifest["bytes"]):
        raise _refused(path, f"it is truncated: {size} of {manifest['bytes']} bytes of data are there")
    if manifest.get("sha256") != checksum_of(path):
        raise _refused(path, "its data was altered since it was written")


def _check_signature(path: Path, header: str, manifest: dict[str, str], key: str) -> None:
    signed, _, _ = header.partition(f"\n{SIGNATURE}: ")
    if SIGNATURE not in manifest:
        raise _refused(
            path, "nobody has signed it, as version 0.1 did not. If you know where it is from, say so: --unsigned"
        )
    if not hmac.compare_digest(manifest[SIGNATURE], _signature(signed, key)):
        raise _refused(
            path,
            "it was signed with another BACKUP_KEY than the settings have, or altered. If you know where it is from,\n"
            "  say so: --unsigned",
        )


def _check_origin(context: Context, compose: Compose, path: Path, manifest: dict[str, str]) -> None:
    kind, schema, db = context.database.kind, context.database.schema, compose.value("DB_NAME")
    if manifest.get("project") != context.name:
        raise _refused(path, f"it is of the project {manifest.get('project')}, and this is {context.name}")
    if manifest.get("database") != kind:
        raise _refused(path, f"it is of {manifest.get('database')}, and the database here is {kind}")
    if int(manifest["schema"]) > schema:
        raise _refused(
            path, f"its data has schema {manifest['schema']}, and this project knows {schema}: update the project first"
        )
    if manifest.get("DB_NAME") != db:
        found = manifest.get("DB_NAME")
        raise _refused(path, f"its DB_NAME is {found}; write that into {compose.env_file}, where it is {db}")


# How many are kept: all of the last hours, then the newest of each of the last days, weeks and months.

PERIODS = {"d": "%Y%m%d", "w": "%G%V", "m": "%Y%m"}
HOURS = 24  # unless BACKUP_KEEP says another number


def parse_keep(text: str, env_file: Path) -> dict[str, int]:
    """Read BACKUP_KEEP, such as `24h 14d 8w 12m`. A number alone is one of days, and 0 keeps all."""
    words = text.split()
    if len(words) == 1 and words[0].isdecimal():
        return {"h": HOURS, "d": int(words[0])} if int(words[0]) else {}
    found = [re.fullmatch(r"(\d+)([hdwm])", word) for word in words]
    if not all(found):
        raise Failure(f"BACKUP_KEEP in {env_file} is {text!r}, and should read like 24h 14d 8w 12m, or 0 to keep all")
    return {match[2]: int(match[1]) for match in found if match}


FEW = 10  # threads or messages, of which a person may have deleted that many


def fall(before: Path, after: Path) -> str:
    """How much there was of the conversations in one backup and is in the next, where most of it is gone."""
    lost = []
    for what in ("threads", "messages"):
        had, has = _number(before, what), _number(after, what)
        if had and (has == 0 or (2 * has < had and had - has >= FEW)):
            lost.append(f"{had} {what}, and then {has}")
    return ", ".join(lost)


def _number(path: Path, what: str) -> int:
    with path.open("rb") as file:
        header = file.read(MANIFEST_SIZE).decode(errors="replace")
    found = re.search(rf"^holds: (?:.*, )?(\d+) {what}\b", header, re.MULTILINE)
    return int(found[1]) if found else 0


def surplus(paths: list[Path], keep: dict[str, int], days: int, now: datetime) -> list[Path]:
    """Those that are not kept any more. The newest always is.

    Args:
        paths: the backups, the oldest first.
        keep: how many hours keep all, and how many days, weeks and months their newest; nothing: all are kept.
        days: none older than this is kept; 0 is no limit.
        now: the time.
    """
    kept = set() if keep else set(paths)
    since = now - timedelta(hours=keep.get("h", HOURS))
    kept |= {path for path in paths if taken_at(path) >= since}
    for unit, form in PERIODS.items():
        newest: dict[str, Path] = {}
        for path in reversed(paths):
            newest.setdefault(taken_at(path).strftime(form), path)
        kept |= set(list(newest.values())[: keep.get(unit, 0)])
    oldest = now - timedelta(days=days) if days else datetime.min.replace(tzinfo=UTC)
    return [path for path in paths[:-1] if path not in kept or taken_at(path) < oldest]
