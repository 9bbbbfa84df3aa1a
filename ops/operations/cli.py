"""The command line: `ops/three-tier COMMAND`."""

import os
import signal
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn

from operations.console import Console
from operations.errors import Failure, UsageError
from operations.programs import Programs, environment
from operations.workspace import Workspace

PROGRAM = "ops/three-tier"

ENVIRONMENT = """Environment: ENV_FILE, other settings than .env; COMPOSE_PROJECT_NAME, a second copy beside the first;
LOCK_WAIT, the seconds to wait for another run, 300.
Exit status: 0 done; 1 it failed, and what is said last says how things are; 2 wrong usage; 3 (deploy) it failed, and
the agent does not serve."""

COMPLETION = """_three_tier() {
  local words
  if ((COMP_CWORD == 1)); then
    words=$("${COMP_WORDS[0]}" --commands)
  else
    words=$("${COMP_WORDS[0]}" "${COMP_WORDS[1]}" --options)
  fi
  mapfile -t COMPREPLY < <(compgen -W "${words}" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _three_tier ops/three-tier ./ops/three-tier
"""


class Parser(ArgumentParser):
    """A parser whose errors are ours."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and how it is used."""
        raise UsageError(f"{message}\n\n{self.format_usage().rstrip()}")


def commands() -> list[str]:
    """The commands of this project; some come with an option."""
    modules = (Path(__file__).parent / "commands").glob("*.py")
    return sorted(module.stem for module in modules if module.stem != "__init__")


def overview() -> str:
    """All commands, a line each."""
    lines = [f"  {name:8} {import_module(f'operations.commands.{name}').__doc__}" for name in commands()]
    return "\n".join(
        [
            f"usage: {PROGRAM} COMMAND [--help]",
            "",
            *lines,
            "",
            f'Completion in bash: eval "$({PROGRAM} --completion)"',
            ENVIRONMENT,
        ]
    )


def run(workspace: Workspace, arguments: Sequence[str]) -> None:
    """Run a command. Raises Failure."""
    name, *rest = arguments or [""]
    said = {
        "--help": overview,
        "-h": overview,
        "--commands": lambda: "\n".join(commands()),
        "--completion": _completion,
    }
    if name in said:
        print(said[name]())
        return
    if name not in commands():
        what = f"{name} is not a command" if name else "give a command"
        raise UsageError(f"{what}; one of {', '.join(commands())}")
    command = import_module(f"operations.commands.{name}")
    form = RawDescriptionHelpFormatter
    parser = Parser(prog=f"{PROGRAM} {name}", description=command.__doc__, epilog=ENVIRONMENT, formatter_class=form)
    command.arguments(parser)
    if rest == ["--options"]:
        print("\n".join(word for word in parser.format_usage().replace("[", " ").split() if word.startswith("--")))
        return
    command.run(workspace, parser.parse_args(rest))


def _completion() -> str:
    return COMPLETION


def main(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit status."""
    console = Console(sys.stdout)
    programs = Programs(console, environment(os.environ))
    root = Path(__file__).resolve().parents[2]
    workspace = Workspace(root, root / (os.environ.get("ENV_FILE") or ".env"), console, programs)

    def interrupted(number: int, _: FrameType | None) -> None:
        programs.end_all()
        raise SystemExit(128 + number)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    try:
        if sys.platform != "linux":
            raise Failure("this program needs Linux: run it on the server, in a virtual machine, or on Windows in WSL")
        workspace.lock_wait = _seconds(os.environ.get("LOCK_WAIT") or "300")
        run(workspace, arguments)
    except Failure as failure:
        console.error(str(failure))
        return failure.status
    except OSError as error:
        console.error(f"{error}: what was done before that stays; mend it and run the command again")
        return 1
    return 0


def _seconds(text: str) -> float:
    if not text.isdecimal():
        raise UsageError(f"LOCK_WAIT is {text}, and should be a number of seconds")
    return float(text)
