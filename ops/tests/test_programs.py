import io
import threading
from pathlib import Path

import pytest
from conftest import stub

from operations.console import Console
from operations.context import Context
from operations.errors import Failure
from operations.programs import CommandFailed, environment, together


def test_what_could_change_what_docker_does_is_not_passed_on() -> None:
    given = {
        "PATH": "/bin",
        "COMPOSE_FILE": "x",
        "COMPOSE_PROFILES": "x",
        "DB_PASSWORD": "x",
        "DOCKER_HOST": "unix:///x",
        "COMPOSE_PROJECT_NAME": "copy",
        "https_proxy": "http://proxy",
        "LC_ALL": "C",
    }
    passed = environment(given)
    assert set(passed) == {"PATH", "DOCKER_HOST", "COMPOSE_PROJECT_NAME", "https_proxy", "LC_ALL"}


def test_a_program_that_fails_says_why_with_its_last_line(context: Context) -> None:
    stub(context, "docker", "echo first >&2; echo '✗ the reason' >&2; exit 3")
    with pytest.raises(CommandFailed, match="^the reason$"):
        context.docker.ask("anything")


def test_a_program_that_is_missing_is_named(context: Context) -> None:
    with pytest.raises(Failure, match="^no-such-program is not installed$"):
        context.programs.ask("no-such-program")


def test_data_of_any_size_goes_through(context: Context) -> None:
    found: list[bytes] = []
    context.programs.pipe("cat", pieces=(b"x" * 1000 for _ in range(5000)), sink=found.append)
    assert len(b"".join(found)) == 5_000_000


def test_what_reads_half_of_its_input_and_fails_is_a_failure_and_no_hang(context: Context) -> None:
    with pytest.raises(CommandFailed, match="enough"):
        context.programs.pipe(
            "sh", "-c", "head -c 10 >/dev/null; echo enough >&2; exit 1", pieces=[b"x" * 1_000_000] * 9
        )


def test_a_sink_that_fails_ends_the_program_too(context: Context) -> None:
    def full(_: bytes) -> None:
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        context.programs.pipe("sh", "-c", "while :; do echo more and more; done", sink=full)


def test_the_lock_is_shared_with_the_programs_that_a_run_has_started(context: Context) -> None:
    held = "test -e /proc/self/fd/$1 && readlink /proc/self/fd/$1"
    with context.exclusive("deploy"):
        (descriptor,) = context.programs.inherited
        assert context.programs.ask("sh", "-c", held, "sh", str(descriptor)) == str(context.root / ".lock")
    assert context.programs.inherited == ()


def test_calls_run_at_the_same_time_and_the_first_error_counts() -> None:
    barrier = threading.Barrier(2, timeout=5)
    assert together(lambda: barrier.wait() >= 0, lambda: barrier.wait() >= 0) == [True, True]

    def fails() -> None:
        raise Failure("one of them")

    with pytest.raises(Failure, match="one of them"):
        together(fails, lambda: None)


def test_no_secret_is_shown_or_logged(tmp_path: Path, said: io.StringIO) -> None:
    console = Console(said)
    console.secrets = ("a-long-secret",)
    console.record(tmp_path, "deploy")
    console.say("it is a-long-secret")
    console.detail("once more: a-long-secret")
    assert console.log_path
    assert said.getvalue() == "it is ***\n"
    assert console.log_path.read_text() == "it is ***\nonce more: ***\n"
    assert console.log_path.stat().st_mode & 0o777 == 0o600


def test_old_logs_go(tmp_path: Path) -> None:
    for _ in range(35):
        Console(io.StringIO()).record(tmp_path, "deploy")
    assert len(list((tmp_path / "logs").iterdir())) == 30


def test_two_runs_exclude_each_other(context: Context, said: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    other = Context(context.root, context.env_file, Console(said), context.programs, lock_wait=0.3)
    refused = pytest.raises(Failure, match="deploy, process .* has not ended within 0 s")
    with context.exclusive("deploy"), refused, other.exclusive("backup"):
        pass
    assert "another run is at work here (deploy, process" in capsys.readouterr().err
    with other.exclusive("backup"):
        pass
