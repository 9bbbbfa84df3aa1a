"""What the commands ask of a database and of an interface: one class for each kind."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, ClassVar, Protocol

from operations.compose import Compose, Service

Sink = Callable[[bytes], Any]


class Database(Protocol):
    """A kind of database. `db` is its service: the project's, or that of a second project on another volume."""

    kind: ClassVar[str]  # what its service is called after the project, and its variables begin with
    schema: ClassVar[int]  # of the data's layout; raised with a change after which older files cannot read the data
    files: ClassVar[tuple[str, ...]]  # that its container reads, relative to the project

    def apply_init_files(self, db: Service) -> None:
        """Bring what is there up to date with the init files, which change nothing that is as they say."""

    def set_administrator_password(self, db: Service, password: str) -> None:
        """Have the server know it, where the init files need that before the settings say so."""

    def is_unfinished(self, db: Service, volume: str) -> bool:
        """Whether the first start of a server on this volume was cut off, so that no other can go on from there."""

    def check_answers(self, db: Service) -> None:
        """Ask it as the agent does: over TCP, as its user, of a real table. Raises Failure."""

    def check_refuses_strangers(self, db: Service) -> None:
        """See that it lets nobody in with a wrong password. Raises Failure."""

    def dump(self, db: Service, sink: Sink) -> None:
        """Hand all of the data to `sink`, consistent under load, without waiting for anybody. Raises Failure."""

    def summarize(self, db: Service, dump: IO[bytes]) -> str:
        """What a dump holds, a line `WHAT NUMBER CHECKSUM` for each; equal data, equal lines. Raises Failure."""

    def load(self, db: Service, dump: IO[bytes]) -> None:
        """Fill the database of a new volume, on which the init files have run. Raises Failure."""


class Interface(Protocol):
    """A kind of interface."""

    keys: ClassVar[tuple[str, ...]]  # variables without which it lets nobody in, or cannot call others
    round_trip: ClassVar[str]  # the program in ops/inside/ that sends a message through all tiers

    def check_settings(self, compose: Compose) -> None:
        """See that what only a person can fill in is there. Raises Failure, which says how to get it."""

    def new_secrets(self, compose: Compose) -> dict[str, str]:
        """New values for those of its secrets that a rotation replaces."""

    def how_to_talk(self, compose: Compose, service: Service) -> str:
        """How people reach it."""


def script(name: str) -> bytes:
    """One of the programs in `ops/inside/`, which run inside containers."""
    return (Path(__file__).parent.parent / "inside" / name).read_bytes()


def address_of(service: Service) -> str:
    """Where a service is published on this machine, as it stands in an address of the web."""
    published = [place for each in service.containers() for place in each.published]
    if not published:
        return f"{service.name}:8080"  # in its own network: what is before it publishes it
    _, address, port = published[0]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
