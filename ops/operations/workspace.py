"""Where a project is, its settings, and how the program speaks: what every command works with."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from operations import files, settings
from operations.console import Console
from operations.errors import Failure
from operations.programs import Programs
from operations.project import NAME, SECRETS

# What each generated setting begins with.
GENERATED = {variable: beginning for beginning, variables in SECRETS.items() for variable in variables}


@dataclass
class Workspace:
    """One run of the program on one project."""

    root: Path
    env_file: Path
    console: Console
    programs: Programs
    name: str = NAME
    lock_wait: float = 300  # seconds
    _lock: int | None = None

    def complete_settings(self, target: Path | None = None) -> None:
        """Make the settings, or complete those that are there, and say what was done. Raises Failure."""
        template = self.root / ".env.template"
        done = settings.complete(template, self.env_file, target or self.env_file, GENERATED)
        for text, names in (
            (f"added to {self.env_file}:", [] if done.is_new else done.added),
            ("generated:", done.generated),
            ("in use, so replaced:", done.moved),
            (f"not used any more, and kept in {self.env_file}:", done.unused),
        ):
            if done.is_new and text.startswith("generated"):
                self.console.say(f"made {self.env_file}")
            if names:
                self.console.say(f"{text} {' '.join(names)}")

    @contextmanager
    def exclusive(self, command: str) -> Iterator[None]:
        """Hold the one lock of the project, which is free again when the run has ended, however that was."""
        if self._lock is not None:
            yield
            return
        path = self.root / ".lock"
        try:
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            files.give_to_owner(path)
        except OSError:
            raise Failure(f"{path} cannot be written to: does this folder belong to another user?") from None
        try:
            self._take(path, self._lock)
            self.programs.inherited = (self._lock,)  # what still works after a kill -9 keeps the lock
            now = time.strftime("%H:%M:%S", time.gmtime())
            os.truncate(self._lock, 0)
            os.pwrite(self._lock, f"{command}, process {os.getpid()}, since {now} UTC\n".encode(), 0)
            yield
        finally:
            self.programs.inherited = ()
            os.close(self._lock)
            self._lock = None

    def _take(self, path: Path, lock: int) -> None:
        deadline, told = time.monotonic() + self.lock_wait, ""
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(0.2)  # by then the other has written who it is
            holder = path.read_text().strip()
            if not told:
                told = holder
                wait = f"waiting up to {self.lock_wait:.0f} s until it ends"
                self.console.warn(f"another run is at work here ({holder}); {wait}")
            if time.monotonic() > deadline:
                raise Failure(
                    f"{holder} has not ended within {self.lock_wait:.0f} s. Nothing was changed; run this again later"
                )
