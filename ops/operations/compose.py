"""A Compose project: its files, what the settings make of them, and its services."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from operations.docker import Container, Docker
from operations.errors import Failure
from operations.programs import CommandFailed

FILE = "docker-compose.yml"
EVERYWHERE = IPv4Address(0)
# What Compose reads beside its file, where no file is named to it; the first that is there.
OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)


def files_of(root: Path) -> tuple[Path, ...]:
    """What Compose reads in a folder: its file, and an override where there is one."""
    override = next((root / name for name in OVERRIDES if (root / name).is_file()), None)
    return (root / FILE, override) if override else (root / FILE,)


@dataclass(frozen=True)
class Port:
    """What the Compose file publishes of a service."""

    service: str
    target: int
    address: IPv4Address | IPv6Address
    first: int  # of the range that Docker may choose from; 0: any
    last: int


@dataclass(frozen=True)
class Compose:
    """A project as Compose sees it. Nothing is cached beyond this object: other settings are another one."""

    docker: Docker
    root: Path
    files: tuple[Path, ...]
    env_file: Path
    project_name: str = ""  # another name than the file's and COMPOSE_PROJECT_NAME
    settings: tuple[str, ...] = ()  # variables whose values are to be known

    def command(self, *words: str) -> list[str]:
        """The command line of `docker compose`."""
        named = ["--project-name", self.project_name] if self.project_name else []
        files = [word for file in self.files for word in ("--file", str(file))]
        where = ["--project-directory", str(self.root), "--env-file", str(self.env_file)]
        return ["docker", "compose", *named, *where, *files, *words]

    def ask(self, *words: str, **variables: str) -> str:
        """Call Compose, and return what it prints. Raises CommandFailed."""
        return self.docker.programs.ask(*self.command(*words), **variables)

    def follow(self, *words: str, **variables: str) -> None:
        """Call Compose, whose lines go to the log. Raises CommandFailed."""
        self.docker.programs.follow(*self.command(*words), **variables)

    @cached_property
    def _resolved(self) -> str:
        asked = {"x-settings": {name: f"${{{name}-}}" for name in self.settings}}
        command = self.command("--file", "-", "config", "--format", "json")
        try:
            return self.docker.programs.ask(*command, given=json.dumps(asked))
        except CommandFailed as failed:
            self.docker.programs.console.say(failed.output.strip())
            files = " and ".join(file.name for file in self.files)
            raise Failure(f"the settings in {self.env_file} do not fit {files}: {failed}") from None

    @cached_property
    def config(self) -> dict[str, Any]:
        """The Compose files with the settings in them, secrets too. Raises Failure where they do not fit."""
        config: dict[str, Any] = _undoubled(json.loads(self._resolved))
        return config

    @cached_property
    def hashes(self) -> dict[str, str]:
        """What tells the settings of each service from others, as Compose compares them.

        By itself it leaves the files out that `env_file` names, so it gets what it has made of them.
        """
        command = replace(self, files=(Path("-"),)).command("config", "--hash", "*")
        lines = self.docker.programs.ask(*command, given=self._resolved).splitlines()
        return dict(map(str.split, lines))

    @property
    def name(self) -> str:
        """The name of the project."""
        return str(self.config["name"])

    def value(self, variable: str) -> str:
        """The value of a setting, as Compose reads it; blank where it is not set."""
        return str(self.config["x-settings"].get(variable, ""))

    def service(self, name: str) -> "Service":
        """One of the services."""
        return Service(self, name)

    def containers(self) -> list[Container]:
        """The containers of all services."""
        return self.docker.containers(self.name)

    @property
    def ports(self) -> list[Port]:
        """Everything that is published. Raises Failure where that is to be at something that is no address."""
        try:
            return [port for name, facts in self.config["services"].items() for port in _ports(name, facts)]
        except ValueError as error:
            raise Failure(f"a port is to be published on {error}: choose another in {self.env_file}") from None

    def limits(self, service: str) -> tuple[int, int, int]:
        """The limits of a service, as a container has them (see Container.limits)."""
        facts = self.config["services"][service]
        return (
            int(facts.get("mem_limit", 0)),
            round(float(facts.get("cpus", 0)) * 1_000_000_000),
            int(facts.get("pids_limit", 0)),
        )

    def mounted_files(self) -> list[Path]:
        """The files of the project that its containers see."""
        sources = (
            Path(mount["source"])
            for facts in self.config["services"].values()
            for mount in facts.get("volumes", ())
            if mount["type"] == "bind"
        )
        return sorted({source for source in sources if source.is_file() and source.is_relative_to(self.root)})


@dataclass(frozen=True)
class Service:
    """One service of a project."""

    compose: Compose
    name: str

    @property
    def docker(self) -> Docker:
        """The engine that it runs on."""
        return self.compose.docker

    @property
    def facts(self) -> dict[str, Any]:
        """What the Compose file says of it."""
        facts: dict[str, Any] = self.compose.config["services"][self.name]
        return facts

    @property
    def image(self) -> str:
        """The name of its image."""
        return str(self.facts["image"])

    @property
    def environment(self) -> dict[str, str]:
        """Its variables."""
        return {name: str(value) for name, value in self.facts.get("environment", {}).items()}

    def containers(self) -> list[Container]:
        """Its containers, whatever their state."""
        return [each for each in self.compose.containers() if each.service == self.name]

    def inside(self, *command: str, given: str | bytes = b"") -> str:
        """Run a command in its container, and return what that prints. Raises Failure where none runs."""
        return self.docker.run_inside(self.container_id, *command, given=given)

    @property
    def container_id(self) -> str:
        """The container to run commands in. Raises Failure where none runs."""
        running = [each for each in self.containers() if each.status == "running"]
        if not running:
            raise Failure(f"{self.name} is not running")
        return running[0].id

    def up(self, *flags: str) -> None:
        """Start it, unless it runs as it should, and wait until it is healthy. Raises CommandFailed."""
        self.compose.follow("up", "--detach", "--no-build", "--wait", "--wait-timeout", "120", *flags, self.name)

    def stop(self) -> None:
        """Stop it. Raises CommandFailed."""
        self.compose.follow("stop", self.name)


def _ports(service: str, facts: dict[str, Any]) -> Iterator[Port]:
    for port in facts.get("ports", ()):
        first, _, last = str(port.get("published", "") or 0).partition("-")
        address = ip_address(port["host_ip"].strip("[]") if "host_ip" in port else EVERYWHERE)
        yield Port(service, int(port["target"]), address, int(first), int(last or first))


def _undoubled(value: Any) -> Any:
    """`config` writes every dollar sign twice, so that what it prints can be read as a Compose file again."""
    match value:
        case str():
            return value.replace("$$", "$")
        case dict():
            return {key: _undoubled(each) for key, each in value.items()}
        case list():
            return [_undoubled(each) for each in value]
    return value
