"""What the Docker engine says of containers, images and volumes. Each question is one call, for all at once."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from operations.errors import Failure
from operations.programs import Programs

PROJECT = "com.docker.compose.project"
HEALTHY = "running, healthy"


@dataclass(frozen=True)
class Container:
    """A container, as `docker inspect` describes it."""

    facts: dict[str, Any]

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.facts["Id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.facts["Name"]).removeprefix("/")

    @property
    def image(self) -> str:
        """The id of its image."""
        return str(self.facts["Image"])

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.facts["Config"]["Labels"] or {})

    @property
    def service(self) -> str:
        """The service of the Compose file that it is of."""
        return self.labels.get("com.docker.compose.service", "")

    @property
    def is_service(self) -> bool:
        """Whether it serves, and is not a command that runs once in the service's image."""
        return self.labels.get("com.docker.compose.oneoff") == "False"

    @property
    def config_hash(self) -> str:
        """Tells the settings that it was made with from others."""
        return self.labels.get("com.docker.compose.config-hash", "")

    @property
    def environment(self) -> dict[str, str]:
        """Its variables."""
        return dict(entry.split("=", 1) for entry in self.facts["Config"]["Env"] if "=" in entry)

    @property
    def status(self) -> str:
        """`running`, `exited`, `restarting`, `created` and so on."""
        return str(self.facts["State"]["Status"])

    @property
    def health(self) -> str:
        """`healthy`, `unhealthy`, `starting`, or nothing where nobody asks."""
        return str((self.facts["State"].get("Health") or {}).get("Status", ""))

    @property
    def state(self) -> str:
        """How it is, in words."""
        if not self.facts["State"]["Running"]:
            return f"{self.status} with status {self.facts['State']['ExitCode']}"
        return f"{self.status}, {self.health}" if self.health else self.status

    @property
    def restarts(self) -> int:
        """How often Docker has started it again."""
        return int(self.facts["RestartCount"])

    @property
    def started_at(self) -> datetime:
        """When it was started last."""
        moment = str(self.facts["State"]["StartedAt"])
        return datetime.fromisoformat(f"{moment[:19]}+00:00")

    @property
    def limits(self) -> tuple[int, int, int]:
        """Bytes of memory, billionths of processors, processes; 0 is no limit."""
        host = self.facts["HostConfig"]
        return host["Memory"], host["NanoCpus"], max(host["PidsLimit"] or 0, 0)

    @property
    def mounts(self) -> list[dict[str, Any]]:
        """What is mounted."""
        return list(self.facts["Mounts"])

    @property
    def published(self) -> list[tuple[int, str, int]]:
        """Port of the container, address and port of the host."""
        ports: dict[str, list[dict[str, str]] | None] = self.facts["NetworkSettings"]["Ports"] or {}
        return [
            (int(target.split("/")[0]), place["HostIp"], int(place["HostPort"]))
            for target, places in ports.items()
            for place in places or []
        ]


class Docker:
    """The engine."""

    def __init__(self, programs: Programs) -> None:
        """Ask through the command `docker`, which knows about contexts, remote engines and sockets."""
        self.programs = programs

    def ask(self, *words: str, given: str | bytes = b"", **variables: str) -> str:
        """Call `docker`, and return what it prints. Raises CommandFailed."""
        return self.programs.ask("docker", *words, given=given, **variables)

    def succeeds(self, *words: str) -> bool:
        """Whether `docker` does it."""
        return self.programs.attempt("docker", *words).status == 0

    def containers(self, project: str, *, all_of_them: bool = False) -> list[Container]:
        """The containers of a Compose project's services; with `all_of_them`, those of single commands too."""
        found = self.ask("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={PROJECT}={project}").split()
        containers = [Container(facts) for facts in self.inspect("container", found)]
        return [each for each in containers if all_of_them or each.is_service]

    def container(self, name: str) -> Container | None:
        """One container, if it is there."""
        found = self.inspect("container", [name])
        return Container(found[0]) if found else None

    def inspect(self, kind: str, names: Iterable[str]) -> list[dict[str, Any]]:
        """What there is to know of those of them that exist."""
        names = list(names)
        if not names:
            return []
        said = self.programs.attempt("docker", kind, "inspect", *names)
        if said.status != 0 and "no such" not in said.err.lower():
            raise Failure(said.err.strip())
        found: list[dict[str, Any]] = json.loads(said.out or "[]")
        return found

    def image_ids(self, *images: str) -> list[str]:
        """The ids of images, in their order. Raises CommandFailed where one is missing."""
        return self.ask("image", "inspect", "--format", "{{.Id}}", *images).split()

    def has_volume(self, name: str) -> bool:
        """Whether there is such a volume."""
        return self.succeeds("volume", "inspect", name)

    def run_inside(self, container: str, *command: str, given: str | bytes = b"") -> str:
        """Run a command in a container, and return what it prints. Raises CommandFailed."""
        return self.ask("exec", "--interactive", container, *command, given=given)

    def log_of(self, container: str, lines: int = 50) -> str:
        """The end of what a container has said."""
        said = self.programs.attempt("docker", "logs", "--tail", str(lines), container)
        return (said.out + said.err).rstrip()

    def wait_until_healthy(self, name: str, *, patience: float = 120, was_unhealthy: float = 35) -> bool:
        """Whether a container becomes healthy; says no as soon as it is clear that it will not.

        Args:
            name: the container.
            patience: seconds in all.
            was_unhealthy: seconds for one that is unhealthy at first: its database may have been away until now.
        """
        begun, first = time.monotonic(), None
        while time.monotonic() - begun < patience:
            container = self.container(name)
            if container is None or container.status in {"exited", "dead"}:
                return False
            if container.state == HEALTHY:
                return True
            first = container.restarts if first is None else first
            if container.restarts >= first + 2:
                return False
            if container.health == "unhealthy" and time.monotonic() - begun > was_unhealthy:
                return False
            time.sleep(0.2)
        return False
