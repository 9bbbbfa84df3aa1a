import subprocess
import sys
from pathlib import Path

import pytest

from operations import cli

OPS = Path(cli.__file__).parents[1]


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", "-B", str(OPS / "operations"), *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", **variables}
    )


def test_help_names_every_command() -> None:
    finished = run("--help")
    assert finished.returncode == 0
    for command in ("deploy", "verify", "backup", "restore", "rotate", "env", "logs", "shell", "test", "lock"):
        assert f"  {command} " in finished.stdout


@pytest.mark.parametrize("words", [("deploy", "now"), ("deploy", "--everything"), ("nothing",), (), ("restore",)])
def test_wrong_usage_is_status_2_and_one_message(words: tuple[str, ...]) -> None:
    finished = run(*words)
    assert finished.returncode == 2
    assert finished.stderr.startswith("✗ ")
    assert finished.stdout == ""


def test_a_wrong_variable_is_wrong_usage() -> None:
    finished = run("env", LOCK_WAIT="soon")
    assert (finished.returncode, finished.stderr) == (2, "✗ LOCK_WAIT is soon, and should be a number of seconds\n")


def test_elsewhere_than_on_linux_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cli.main(["env"]) == 1
    assert capsys.readouterr().err.startswith("✗ this program needs Linux")


def test_a_command_that_is_not_asked_for_is_not_loaded() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); from operations import cli; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code, str(OPS)], capture_output=True, text=True, check=True).stdout
    assert "operations.deploy" not in found.split()


def test_without_a_python_that_is_new_enough_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    for name in ("dirname", "readlink"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    command = ["/bin/sh", str(OPS / "three-tier"), "deploy"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": str(tmp_path)})
    assert finished.returncode == 1
    assert "needs Python 3.11 or newer" in finished.stderr
