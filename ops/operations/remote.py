"""Backups off the machine, by restic where RESTIC_REPOSITORY is set: encrypted, deduplicated, thinned by restic."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from operations import backups, files
from operations.compose import Compose
from operations.context import Context
from operations.errors import Failure
from operations.programs import CommandFailed

# Settings that restic and the places it knows read. All others stay here.
PASSED = ("RESTIC_", "AWS_", "AZURE_", "B2_", "GOOGLE_", "OS_", "RCLONE_", "ST_")
MISSING = ("unable to open config file", "does not exist", "is there a repository at")
KEEP = {"h": "--keep-within", "d": "--keep-daily", "w": "--keep-weekly", "m": "--keep-monthly"}


class Remote:
    """The repository that the settings name."""

    def __init__(self, context: Context, compose: Compose) -> None:
        """Reach it with the settings that restic reads."""
        self.context, self.compose = context, compose
        named = {name: compose.value(name) for name in compose.settings if name.startswith(PASSED)}
        self.variables = {name: value for name, value in named.items() if value}
        self.of_this_copy = ("--host", compose.name, "--tag", "three-tier")

    @property
    def is_set(self) -> bool:
        """Whether backups go anywhere."""
        return bool(self.variables.get("RESTIC_REPOSITORY"))

    def ask(self, *words: str) -> str:
        """Call restic, and return what it prints. Raises CommandFailed."""
        cache = ("--cache-dir", str(backups.folder(self.context) / ".restic"))
        return self.context.programs.ask("restic", *cache, *words, **self.variables)

    def put(self, path: Path, keep: dict[str, int]) -> None:
        """Take a backup there, and thin those that are there. Raises Failure."""
        self.context.console.step("take it to the restic repository")
        try:
            self._begin()
            self.ask("backup", "--quiet", *self.of_this_copy, str(path))
            if keep:
                policy = [f"{KEEP[unit]}={number}{'h' if unit == 'h' else ''}" for unit, number in keep.items()]
                self.ask("forget", "--quiet", "--prune", *self.of_this_copy, "--group-by", "host,tags", *policy)
        except CommandFailed as failed:
            raise Failure(f"restic failed: {failed}. The backup is kept here:\n  {path}") from None

    def _begin(self) -> None:
        """Make the repository where there is none yet, and put aside the locks of runs that were killed."""
        try:
            self.ask("cat", "config")
        except CommandFailed as failed:
            if not any(words in failed.output.lower() for words in MISSING):
                raise
            self.ask("init")
        self.ask("unlock")  # removes those alone whose process has ended

    @contextmanager
    def fetched(self, snapshot: str = "latest") -> Iterator[Path]:
        """A backup as it lies there, whatever is here; its path, for as long as the body needs it. Raises Failure."""
        self.context.console.step("fetch it from the restic repository")
        there = backups.folder(self.context)
        files.make_folder(there, files.PRIVATE_FOLDER)
        with TemporaryDirectory(dir=there, prefix=".fetched-") as folder:
            try:
                self.ask("restore", snapshot, *self.of_this_copy, "--target", folder)
            except CommandFailed as failed:
                raise Failure(f"restic could not restore {snapshot}: {failed}") from None
            found = sorted(Path(folder).rglob("*.backup"))
            if not found:
                raise Failure(f"the snapshot {snapshot} holds no backup of this program")
            yield found[-1]
