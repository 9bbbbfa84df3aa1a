"""Running other programs, with an environment that holds nothing that could change what they do."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, NoReturn, TypeVar

from operations.console import Console
from operations.errors import Failure

Result = TypeVar("Result")

# Compose prefers a variable of the caller's shell to .env, so only what Docker itself needs is passed on.
PASSED = frozenset(
    {
        *("PATH", "HOME", "TMPDIR", "TERM", "LANG", "NO_COLOR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "COMPOSE_PROJECT_NAME"),
    }
)
PASSED_BEGINNINGS = ("LC_", "DOCKER_", "BUILDX_", "BUILDKIT_")


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that other programs get."""
    passed = {
        name: value
        for name, value in given.items()
        if name in PASSED or name.startswith(PASSED_BEGINNINGS) or name.upper().endswith("_PROXY")
    }
    return {"PATH": os.defpath, **passed}


class CommandFailed(Failure):
    """A program ended with another status than 0."""

    def __init__(self, command: Iterable[str], status: int, output: str) -> None:
        """Keep what it said, whose last line is the reason."""
        lines = [line for line in output.splitlines() if line.strip()]
        super().__init__(lines[-1].removeprefix("✗ ") if lines else f"{' '.join(command)} ended with status {status}")
        self.output = output


@dataclass(frozen=True)
class Finished:
    """A program that has ended."""

    status: int
    out: str
    err: str


class Programs:
    """Runs programs, and ends those that still run when the run is interrupted."""

    def __init__(self, console: Console, variables: Mapping[str, str]) -> None:
        """Log to this console; start programs with these variables."""
        self.console = console
        self.variables = dict(variables)
        self.inherited: tuple[int, ...] = ()  # descriptors that programs share, such as that of the lock
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.RLock()  # a signal may come while the main thread has it

    def ask(self, *command: str, given: str | bytes = b"", **more: str) -> str:
        """Run a program and return what it printed. Raises CommandFailed."""
        finished = self.attempt(*command, given=given, **more)
        if finished.status != 0:
            raise CommandFailed(command, finished.status, f"{finished.out}\n{finished.err}")
        return finished.out.strip()

    def attempt(self, *command: str, given: str | bytes = b"", **more: str) -> Finished:
        """Run a program, whatever comes of it.

        Args:
            command: the program and its arguments.
            given: its standard input.
            more: variables for it alone.
        """
        data = given.encode() if isinstance(given, str) else given
        with self._started(command, more) as process:
            out, err = process.communicate(data)
        return Finished(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def follow(self, *command: str, given: str | bytes = b"", **more: str) -> None:
        """Run a program whose lines go to the log. Raises CommandFailed, with its last lines on the terminal."""
        data = given.encode() if isinstance(given, str) else given
        lines: list[str] = []
        with self._started(command, more, stderr=subprocess.STDOUT) as process, ThreadPoolExecutor() as pool:
            pool.submit(_feed, _open(process.stdin), [data])
            for raw in _open(process.stdout):
                line = raw.decode(errors="replace").rstrip()
                lines.append(line)
                self.console.detail(line)
        if process.returncode != 0:
            for line in lines[-25:]:
                self.console.say(line)
            raise CommandFailed(command, process.returncode, "\n".join(lines))

    def pipe(self, *command: str, pieces: Iterable[bytes] = (), sink: Callable[[bytes], Any] | None = None) -> None:
        """Run a program on data of any size. Raises CommandFailed, or what `pieces` raises.

        Args:
            command: the program and its arguments.
            pieces: its standard input.
            sink: takes its standard output, piece by piece.
        """
        said: list[bytes] = []
        with self._started(command, {}) as process, ThreadPoolExecutor() as pool:
            errors = pool.submit(said.extend, _open(process.stderr))
            fed = pool.submit(_feed, _open(process.stdin), pieces)
            output = _open(process.stdout).fileno()
            try:
                while piece := os.read(output, 1 << 16):
                    if sink:
                        sink(piece)
            except BaseException:
                process.kill()  # or it would wait for ever for somebody to read
                raise
            errors.result()
            fed.result()
        if process.returncode != 0:
            raise CommandFailed(command, process.returncode, b"".join(said).decode(errors="replace"))

    @contextmanager
    def _started(
        self, command: Sequence[str], more: Mapping[str, str], *, stderr: int = subprocess.PIPE
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a program, which is among those to be ended as long as the body works with it."""
        variables, pipe = {**self.variables, **more}, subprocess.PIPE
        try:
            process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=stderr, env=variables, pass_fds=self.inherited
            )
        except FileNotFoundError as error:
            raise Failure(f"{error.filename} is not installed") from None
        with self._lock:
            self._running.add(process)
        try:
            with process:
                yield process
        except BaseException:
            process.terminate()
            raise
        finally:
            with self._lock:
                self._running.discard(process)

    def become(self, *command: str) -> NoReturn:
        """Let a program take the place of this one, with the terminal."""
        os.execvpe(command[0], command, self.variables)

    def end_all(self) -> None:
        """Ask every program that still runs to end."""
        with self._lock:
            for process in self._running:
                process.terminate()


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise TypeError("the program was started without this pipe")
    return stream


def _feed(stream: IO[bytes], pieces: Iterable[bytes]) -> None:
    try:
        with stream:
            for piece in pieces:
                stream.write(piece)
    except BrokenPipeError:  # it ended without reading all of it, and its status says why
        pass


def together(*calls: Callable[[], Result]) -> list[Result]:
    """Call all of them at the same time; what they return, in their order. Raises what the first one raised."""
    with ThreadPoolExecutor(max_workers=max(len(calls), 1)) as pool:
        futures = [pool.submit(call) for call in calls]
    return [future.result() for future in futures]
