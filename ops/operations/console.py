"""What a run says: on the terminal and in a log of its own, without a secret in either."""

import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

from operations import files

MOST_LOGS = 30  # of one command
SHORTEST_SECRET = 8  # characters; what is shorter would also hide ordinary words


class Console:
    """The terminal and, once `record` was called, a log. Several threads may speak."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        """Speak on this stream; errors go to standard error."""
        self.stream = stream
        self.secrets: tuple[str, ...] = ()
        self.warnings: list[str] = []
        self.log: TextIO | None = None
        self.log_path: Path | None = None
        self._lock = threading.Lock()
        self._live = False

    def record(self, root: Path, command: str) -> None:
        """Write everything from now on to `logs/TIME-COMMAND.log` too, which only its owner can read."""
        if self.log:
            return
        folder = root / "logs"
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        try:
            files.make_folder(folder)
            self.log, self.log_path = _new_log(folder, stamp, command)
            for old in sorted(folder.glob(f"*-{command}.log"))[:-MOST_LOGS]:
                old.unlink(missing_ok=True)
        except OSError:
            self.warn(f"this run is not logged: {folder} cannot be written to")

    def step(self, title: str) -> None:
        """Say what is done next."""
        self.say(f"── {title}")

    def say(self, text: str = "") -> None:
        """Say a line or several."""
        self._write(self.stream, text)

    def warn(self, text: str) -> None:
        """Say what needs attention, though the run goes on."""
        self.warnings.append(text)
        self._write(sys.stderr, f"! {text}")

    def error(self, text: str) -> None:
        """Say why the run ends."""
        self._write(sys.stderr, f"✗ {text}")

    def detail(self, line: str) -> None:
        """Log a line of another program; on a terminal it is shown until the next one comes."""
        line = self.mask(line)
        with self._lock:
            if self.log:
                self.log.write(f"{line}\n")
                self.log.flush()
            if self.stream.isatty() and line.strip():
                width = shutil.get_terminal_size().columns - 4
                self.stream.write(f"\r\033[K   {line.strip()[:width]}")
                self.stream.flush()
                self._live = True

    def mask(self, text: str) -> str:
        """The text without any value of a secret setting."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def _write(self, stream: TextIO, text: str) -> None:
        text = self.mask(text)
        with self._lock:
            if self._live:
                self.stream.write("\r\033[K")
                self._live = False
            try:
                print(text, file=stream, flush=True)
            except BrokenPipeError:  # whoever read this has gone; the run goes on
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if self.log:
                self.log.write(f"{text}\n")
                self.log.flush()


def _new_log(folder: Path, stamp: str, command: str) -> tuple[TextIO, Path]:
    number = 1
    while True:
        path = folder / f"{stamp}{'' if number == 1 else f'.{number}'}-{command}.log"
        try:
            return files.create(path), path
        except FileExistsError:
            number += 1
