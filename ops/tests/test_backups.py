import gzip
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from operations import backups
from operations.backups import MANIFEST_SIZE, parse_keep, surplus
from operations.compose import Compose
from operations.context import Context
from operations.errors import Failure

KEY = "k" * 48
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
FIELDS = {
    "backup format": "1",
    "project": "lyco",
    "database": "postgres",
    "schema": "1",
    "DB_NAME": "lyco",
    "copy": "lyco",
    "taken": "2026-11-28T12:00:00Z",
    "holds": "1 threads",
    "content sha256": "0",
}


def compose(**values: str) -> Compose:
    found = {"DB_NAME": "lyco", "BACKUP_KEY": KEY, **values}
    return cast("Compose", SimpleNamespace(value=found.get, env_file=Path(".env")))


def written(path: Path, key: str = KEY, **fields: str) -> Path:
    path.write_bytes(b" " * MANIFEST_SIZE + gzip.compress(b"data\n"))
    facts = {"bytes": str(path.stat().st_size - MANIFEST_SIZE), "sha256": backups.checksum_of(path)}
    backups.write_manifest(path, {**FIELDS, **facts, **fields}, key)
    return path


def test_what_was_written_is_read(context: Context, tmp_path: Path) -> None:
    backup = backups.read(context, compose(), written(tmp_path / "a.backup"))
    assert backup.holds == "1 threads"
    with backup.data() as data:
        assert list(data) == [b"data\n"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"project": "another"}, "of the project another"),
        ({"database": "redis"}, "of redis"),
        ({"schema": "99"}, "schema 99, and this project knows 1: update"),
        ({"backup format": "99"}, "format is 99"),
        ({"DB_NAME": "x"}, "DB_NAME is x"),
        ({"schema": "x"}, "no schema, so it was altered"),
    ],
)
def test_what_does_not_fit_is_refused(context: Context, tmp_path: Path, fields: dict[str, str], reason: str) -> None:
    path = written(tmp_path / "a.backup", **fields)
    with pytest.raises(Failure, match=reason):
        backups.read(context, compose(), path)


def test_a_file_that_somebody_else_has_signed_is_refused_unless_one_says_so(context: Context, tmp_path: Path) -> None:
    path = written(tmp_path / "a.backup", key="another")
    with pytest.raises(Failure, match="another BACKUP_KEY"):
        backups.read(context, compose(), path)
    assert backups.read(context, compose(), path, signed=False).holds == "1 threads"


def test_a_forged_manifest_with_right_checksums_is_refused(context: Context, tmp_path: Path) -> None:
    path = written(tmp_path / "a.backup")
    content = path.read_bytes()
    lines = content[:MANIFEST_SIZE].decode().rstrip().splitlines()
    signature = lines.pop()
    body = "\n".join(line.replace("1 threads", "9 threads") for line in lines[:-1])
    text = f"{body}\nmanifest sha256: {backups.checksum(body)}\n{signature}\n"
    path.write_bytes(text.encode().ljust(MANIFEST_SIZE) + content[MANIFEST_SIZE:])
    with pytest.raises(Failure, match="another BACKUP_KEY than the settings have, or altered"):
        backups.read(context, compose(), path)


def test_one_of_version_0_1_is_read_where_one_says_so(context: Context, tmp_path: Path) -> None:
    path = written(tmp_path / "a.backup")
    content = path.read_bytes()
    unsigned = content[:MANIFEST_SIZE].partition(b"signature: ")[0].ljust(MANIFEST_SIZE)
    path.write_bytes(unsigned + content[MANIFEST_SIZE:])
    with pytest.raises(Failure, match="nobody has signed it.*--unsigned"):
        backups.read(context, compose(), path)
    assert backups.read(context, compose(), path, signed=False).holds == "1 threads"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content[:-3], "truncated"),
        (lambda content: content[:200], "cut off or altered"),
        (lambda _: b"", "no backup"),
        (lambda content: content[:-1] + b"!", "data was altered"),
        (lambda content: content.replace(b"copy: ", b"copy: x"), "altered"),
    ],
)
def test_what_is_damaged_is_refused(context: Context, tmp_path: Path, change: Any, reason: str) -> None:
    path = written(tmp_path / "a.backup")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(Failure, match=reason):
        backups.read(context, compose(), path)


def at(*hours: float) -> list[Path]:
    times = sorted(NOW - timedelta(hours=each) for each in hours)
    return [Path(f"lyco-{each:{backups.STAMP}}.backup") for each in times]


def test_many_deployments_in_a_row_delete_nothing_older() -> None:
    old = at(24 * 3, 24 * 10, 24 * 40)
    new = at(*(minutes / 60 for minutes in range(30)))
    assert surplus(old + new, parse_keep("24h 14d 8w 12m", Path(".env")), 0, NOW) == []


def test_older_ones_thin_by_age() -> None:
    paths = at(*(hours for hours in range(24 * 120)))
    kept = set(paths) - set(surplus(paths, parse_keep("24h 7d 4w 3m", Path(".env")), 0, NOW))
    ages = sorted((NOW - backups.taken_at(path)) / timedelta(days=1) for path in kept)
    assert 25 + 7 <= len(kept) <= 25 + 7 + 4 + 3
    assert ages[-1] > 55


def test_a_number_alone_is_of_days_and_0_keeps_all() -> None:
    assert parse_keep("14", Path(".env")) == {"h": 24, "d": 14}
    paths = at(*(24 * day for day in range(100)))
    assert surplus(paths, parse_keep("0", Path(".env")), 0, NOW) == []
    assert len(paths) - len(surplus(paths, parse_keep("14", Path(".env")), 0, NOW)) in {14, 15}


def test_none_is_kept_beyond_the_days_but_the_newest() -> None:
    paths = at(24 * 50, 24 * 60)
    assert surplus(paths, {}, 30, NOW) == paths[:1]


def test_a_policy_that_cannot_be_read_is_named() -> None:
    with pytest.raises(Failure, match="BACKUP_KEEP in .env is '3 weeks'"):
        parse_keep("3 weeks", Path(".env"))


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ("3 threads, 40 messages", "3 threads, 44 messages", ""),
        ("3 threads, 40 messages", "2 threads, 31 messages", ""),
        ("3 threads, 40 messages", "2 threads, 15 messages", "40 messages, and then 15"),
        ("2 threads, 4 messages", "0 threads, 0 messages", "2 threads, and then 0, 4 messages, and then 0"),
        ("2 threads, 4 messages, 9 keys", "1 threads, 1 messages, 5 keys", ""),
    ],
)
def test_what_was_lost_between_two_backups(tmp_path: Path, before: str, after: str, lost: str) -> None:
    one, other = written(tmp_path / "a.backup", holds=before), written(tmp_path / "b.backup", holds=after)
    assert backups.fall(one, other) == lost


def test_equal_parts_of_two_backups_are_equal_bytes() -> None:
    lines = [f"{number},{hash(str(number))}\n".encode() for number in range(20_000)]
    one, other = compressed([*lines, b"new\n"]), compressed([b"first\n", *lines])
    assert gzip.decompress(one) == b"".join([*lines, b"new\n"])
    assert gzip.decompress(other) == b"".join([b"first\n", *lines])
    middle = one[len(one) // 2 : len(one) // 2 + len(one) // 4]
    assert middle in other


def compressed(lines: list[bytes]) -> bytes:
    file = io.BytesIO()
    data = backups.Compressed(file)
    for start in range(0, len(lines), 777):
        data.write(b"".join(lines[start : start + 777]))
    data.close()
    return file.getvalue()
