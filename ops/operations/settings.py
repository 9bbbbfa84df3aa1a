"""The settings: .env, made from .env.template and completed, every line of its owner's kept as it is."""

import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from operations import files
from operations.errors import Failure

# As Compose reads them: `=` or `:`, quotes in which a backslash escapes, a comment after a blank or instead of a value.
ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*[=:](\s*)(.*)", re.DOTALL)
QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.DOTALL)
BYTE_ORDER_MARK = "\ufeff"  # with which some editors begin a file
SECRET = re.compile(r"(?:PASSWORD|SECRET|TOKEN|KEYS?)$")
DEFAULT = re.compile(r"change.?me|example|password|placeholder|secret|your.", re.IGNORECASE)
SHORTEST = 16  # characters of a secret; the services refuse shorter ones
SHORTEST_OF_DATABASE = 12


def random_secret() -> str:
    """Letters and digits only, so that it needs no quoting anywhere."""
    return secrets.token_hex(24)


class EnvFile:
    """The lines of a file of variables; a quoted value that spans lines is one entry."""

    def __init__(self, text: str, name: str) -> None:
        """Read it. Raises Failure where a quote is never closed."""
        self.entries: list[str] = []
        text = text.removeprefix(BYTE_ORDER_MARK)
        lines = iter(text.split("\n")[: -1 if text.endswith("\n") else None] if text else [])
        for line in lines:
            entry = line
            while not _is_closed(entry):
                following = next(lines, None)
                if following is None:
                    raise Failure(f"{name}: a quote is opened and never closed: {line.split('=')[0]}")
                entry += f"\n{following}"
            self.entries.append(entry)

    def variables(self) -> dict[str, int]:
        """Where each variable stands; the last one counts, as it does for Compose."""
        found = ((ASSIGNMENT.fullmatch(entry), place) for place, entry in enumerate(self.entries))
        return {match[1]: place for match, place in found if match}

    def is_blank(self, place: int) -> bool:
        """Whether the variable there has no value."""
        match = ASSIGNMENT.fullmatch(self.entries[place])
        return bool(match) and value_in(self.entries[place]) == ""

    def set(self, variable: str, value: str) -> None:
        """Give a variable another value, where it stands, or at the end."""
        place = self.variables().get(variable)
        if place is None:
            self.entries.append(f"{variable}={value}")
        else:
            self.entries[place] = f"{variable}={value}"

    def text(self) -> str:
        """The whole file."""
        return "".join(f"{entry}\n" for entry in self.entries)


def value_in(entry: str) -> str:
    """The value of an assignment, without quotes, comment and line end."""
    match = ASSIGNMENT.fullmatch(entry)
    if not match or (match[2] and match[3].startswith("#")):
        return ""
    if quoted := QUOTED.match(match[3]):
        return quoted[0][1:-1]
    return match[3].partition(" #")[0].rstrip()


def _is_closed(entry: str) -> bool:
    match = ASSIGNMENT.fullmatch(entry)
    return not match or match[3][:1] not in {"'", '"'} or QUOTED.match(match[3]) is not None


@dataclass
class Completed:
    """What was done to the settings."""

    is_new: bool
    added: list[str] = field(default_factory=list)
    generated: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def read(path: Path) -> EnvFile:
    """The settings as they are. Raises Failure."""
    try:
        return EnvFile(path.read_bytes().decode(), path.name)
    except (OSError, UnicodeDecodeError):
        raise Failure(f"{path} is not a text file that you may read") from None


def complete(template: Path, source: Path, target: Path, generated: Mapping[str, str]) -> Completed:
    """Add what is missing, generate the secrets that are blank, and write the file where anything changed.

    Args:
        template: what every variable is described in.
        source: the settings so far; they may be missing.
        target: where the completed settings go; in a dry run not the source.
        generated: the secrets, each with what stands before its random part.

    Raises:
        Failure: a file cannot be read or written, or a secret in it is weak.
    """
    known = read(template)
    env = read(source) if source.exists() else EnvFile("", source.name)
    done = Completed(is_new=not source.exists())
    done.unused = [name for name in env.variables() if name not in known.variables() and name[:8] != "COMPOSE_"]
    _add_missing(env, known, done)
    for variable, beginning in generated.items():
        place = env.variables().get(variable)
        if place is not None and env.is_blank(place):
            env.entries[place] = f"{variable}={beginning}{random_secret()}"
            done.generated.append(variable)
        elif place is not None and "$" not in (value := value_in(env.entries[place])):  # Compose knows what that is
            refuse_weak(variable, value, source, named=bool(beginning))
    _move_ports(env, done)
    if done.added or done.generated or source != target:
        files.replace(target, env.text())
    elif target.stat().st_mode & 0o077:
        target.chmod(files.PRIVATE)
    return done


def _add_missing(env: EnvFile, known: EnvFile, done: Completed) -> None:
    """Each with the comment above it, in the order of the template."""
    there, comment = env.variables(), list[str]()
    for entry in known.entries:
        match = ASSIGNMENT.fullmatch(entry)
        if match and match[1] not in there:
            env.entries += [*(comment if not done.is_new else []), entry]
            done.added.append(match[1])
        elif done.is_new:
            env.entries.append(entry)
        comment = [*comment, entry] if entry.startswith("#") else []


def _move_ports(env: EnvFile, done: Completed) -> None:
    """An added port that is in use becomes the next one that is free and not meant for another variable."""
    meant = {}
    for variable, place in env.variables().items():
        value = value_in(env.entries[place])
        if variable.endswith("_PORT") and value.isdecimal():
            meant[variable] = int(value)
    for variable in done.added:
        if variable not in meant:
            continue
        port = wanted = meant[variable]
        while any(port == other for name, other in meant.items() if name != variable) or is_taken("127.0.0.1", port):
            port += 1
        if port != wanted:
            meant[variable] = port
            env.set(variable, str(port))
            done.moved.append(f"{variable}={port}, not {wanted}")


def is_taken(address: str, port: int) -> bool:
    """Whether something answers there."""
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def refuse_weak(variable: str, value: str, env_file: Path, *, named: bool) -> None:
    """Refuse a secret that is a default or soon guessed.

    Args:
        variable: the setting.
        value: its value, as Compose reads it.
        env_file: where it stands.
        named: whether it reads name:secret,name:secret.

    Raises:
        Failure: it is weak.
    """
    shortest = SHORTEST_OF_DATABASE if variable.startswith("DB_") else SHORTEST
    for part in value.split(",") if named else [value]:
        secret = part.partition(":")[2].strip() if named else part
        if len(secret) < shortest or DEFAULT.match(secret):
            raise Failure(
                f"{variable} in {env_file} is a default, or has less than {shortest} characters. Write a longer one,\n"
                "  or nothing after the =, and it is generated"
            )
