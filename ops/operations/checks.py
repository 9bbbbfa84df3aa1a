"""What the verification looks at. A check returns what there is to know, or raises Failure with what is wrong."""

import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address
from threading import Lock
from typing import Any

from operations.compose import EVERYWHERE, Compose
from operations.context import Context
from operations.contracts import script
from operations.docker import HEALTHY, Container
from operations.errors import Doubt, Failure
from operations.preflight import LEAST_ROOM, MEGABYTE

LEAST_FOR_DATA = 500  # megabytes
SHORTEST_KEY = 12  # characters
CLOCK = 2  # seconds that clocks may differ


class View:
    """What Docker says of the project, asked once for all checks, and what its containers say of themselves."""

    def __init__(self, context: Context, compose: Compose, crashes_since: float) -> None:
        """Ask Docker."""
        self.context, self.compose, self.crashes_since = context, compose, crashes_since
        found = [each for each in compose.containers() if each.service in context.services]
        self.containers = sorted(found, key=lambda each: context.services.index(each.service))
        self.store = compose.service(context.store)
        self._asking = Lock()

    def of(self, service: str) -> list[Container]:
        """The containers of a service."""
        return [each for each in self.containers if each.service == service]

    def running(self, service: str) -> Container:
        """One of them that runs. Raises Failure."""
        for container in self.of(service):
            if container.status == "running":
                return container
        raise Failure(f"{service} is not running")

    def probe(self, service: str, program: str, *arguments: str) -> dict[str, Any]:
        """What a program in `ops/inside/` says in a container of the service. Raises Failure."""
        container = self.running(service).id
        said = self.context.docker.run_inside(container, "python", "-", *arguments, given=script(program))
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
        return found

    @cached_property
    def _agent(self) -> dict[str, Any]:
        return {**self.probe(self.context.agent, "agent_probe.py"), "asked": time.time()}

    @cached_property
    def _front(self) -> dict[str, Any]:
        return self.probe(self.context.front, "interface_probe.py", *self.places)

    @property
    def agent(self) -> dict[str, Any]:
        """What the agent says of itself. Raises Failure."""
        with self._asking:
            return self._agent

    @property
    def front(self) -> dict[str, Any]:
        """What the interface says of itself. Raises Failure."""
        with self._asking:
            return self._front

    @property
    def places(self) -> list[str]:
        """Where the database listens."""
        return [
            f"{network['IPAddress']}:{port.split('/')[0]}"
            for each in self.of(self.context.store)
            for network in each.facts["NetworkSettings"]["Networks"].values()
            for port in each.facts["Config"].get("ExposedPorts") or {}
            if network["IPAddress"]
        ]


@dataclass(frozen=True)
class Check:
    """One of the checks."""

    tier: str
    title: str
    advice: str  # what to do where it fails
    holds: Callable[[View], str | None]


def _complain(wrong: list[str]) -> None:
    if wrong:
        raise Failure("; ".join(wrong))


def all_are_healthy(view: View) -> None:
    """Each service has a container, and each of those is healthy."""
    missing = [f"{name} was not started" for name in view.context.services if not view.of(name)]
    _complain(missing + [f"{each.service} is {each.state}" for each in view.containers if each.state != HEALTHY])


def database_answers(view: View) -> None:
    """It answers the agent's user."""
    view.running(view.context.store)
    view.context.database.check_answers(view.store)


def database_refuses_strangers(view: View) -> None:
    """It lets nobody in with a wrong password."""
    view.running(view.context.store)
    view.context.database.check_refuses_strangers(view.store)


def data_is_on_its_volume(view: View) -> None:
    """The volume that the settings name is there and in use."""
    volume = view.context.data_volume(view.compose)
    if not view.context.docker.has_volume(volume):
        raise Failure(f"there is no volume {volume}")
    if not any(mount.get("Name") == volume for each in view.of(view.context.store) for mount in each.mounts):
        raise Failure(f"{view.context.store} does not use the volume {volume}")


def has_room(view: View) -> str:
    """There is room for data, logs and backups."""
    container = view.running(view.context.store)
    folder = next(mount["Destination"] for mount in container.mounts if mount["Type"] == "volume")
    figures = view.context.docker.run_inside(container.id, "df", "-Pk", folder).splitlines()[1].split()
    data, here = int(figures[3]) // 1024, shutil.disk_usage(view.context.root).free // MEGABYTE
    wrong = [f"{view.context.store} has {data} MB left"] if data < LEAST_FOR_DATA else []
    wrong += [f"{view.context.root} has {here} MB left for logs and backups"] if here < LEAST_ROOM else []
    _complain(wrong)
    return f"{data} MB for the data, {here} MB for logs and backups"


def agent_is_healthy(view: View) -> None:
    """It says so."""
    _complain([view.agent["health"]] if view.agent["health"] else [])


def interface_is_connected(view: View) -> None:
    """It says so."""
    _complain([view.front["health"]] if view.front["health"] else [])


def tokens_are_equal(view: View) -> None:
    """The interface shows the token that the agent expects, which is not printed."""
    expected = view.running(view.context.agent).environment.get("AGENT_TOKEN", "")
    shown = view.running(view.context.front).environment.get("AGENT_TOKEN", "")
    if len(shown) < SHORTEST_KEY:
        raise Failure("the interface has no token")
    if shown != expected:
        raise Failure("they have different ones")


def has_keys_and_certificates(view: View) -> None:
    """What lets callers in, or itself where it calls others, and the certificates by which it knows those."""
    variables = view.running(view.context.front).environment
    missing = [name for name in view.context.interface.keys if len(variables.get(name, "")) < SHORTEST_KEY]
    if not view.front["authorities"]:
        missing.append("the list of the authorities that sign certificates")
    _complain([f"missing: {', '.join(missing)}"] if missing else [])


def are_as_declared(view: View) -> None:
    """Settings, images and limits. A container keeps a hash of what it was made from; limits can be changed later."""
    wrong = []
    images = {each.service: view.compose.service(each.service).image for each in view.containers}
    names = sorted(set(images.values()))
    ids = dict(zip(names, view.context.docker.image_ids(*names), strict=True))
    for each in view.containers:
        if each.config_hash != view.compose.hashes[each.service]:
            wrong.append(f"{each.service} runs with other settings")
        name = images[each.service]
        if each.image != ids[name]:
            wrong.append(f"{each.service} runs another image than {name} is now")
        if each.limits != view.compose.limits(each.service):
            wrong.append(f"{each.service} has other limits")
    _complain(wrong)


def are_confined(view: View) -> None:
    """Not root, nothing to write but the data, no rights, and limits."""
    wrong = []
    for each in view.containers:
        host, user = each.facts["HostConfig"], each.facts["Config"]["User"]
        if not re.match(r"[1-9]", user):
            wrong.append(f"{each.service} runs as {user or 'root'}")
        confined = (
            host["ReadonlyRootfs"],
            host["CapDrop"],
            host["SecurityOpt"],
            host["CapAdd"] or [],
            host["Privileged"],
        )
        if confined != (True, ["ALL"], ["no-new-privileges:true"], [], False):
            wrong.append(f"{each.service} may write its root file system, or may do what only root may")
        if 0 in each.limits:
            wrong.append(f"{each.service} may take all memory, processors or processes")
    _complain(wrong)


def listen_where_declared(view: View) -> str:
    """Nothing is published that the Compose file does not say, and nothing of the database."""
    wrong, places = [], []
    for each in view.containers:
        for target, address, port in each.published:
            places.append(f"{each.service} on {address}:{port}")
            if each.service == view.context.store:
                wrong.append(f"{each.service} is published on {address}:{port}, where others than the agent reach it")
            elif not _is_declared(view.compose, each.service, target, address, port):
                wrong.append(f"{each.service} is published on {address}:{port}, as docker-compose.yml does not say")
    _complain(wrong)
    return ", ".join(places) or "none is published"


def _is_declared(compose: Compose, service: str, target: int, address: str, port: int) -> bool:
    return any(
        (declared.service, declared.target) == (service, target)
        and _same_address(declared.address, address)
        and (declared.first == 0 or declared.first <= port <= declared.last)
        for declared in compose.ports
    )


def _same_address(declared: IPv4Address | IPv6Address, found: str) -> bool:
    """Docker lists `::` beside 0.0.0.0."""
    other = ip_address(found) if found else EVERYWHERE
    return declared == other or (declared == EVERYWHERE and other.is_unspecified)


def are_apart(view: View) -> None:
    """The database is on a network without a way out, with the agent alone, and the interface does not reach it."""
    network = view.compose.config["networks"][f"{view.context.name}-data"]["name"]
    found = view.context.docker.inspect("network", [network])
    wrong = [] if found and found[0]["Internal"] else [f"{network} is missing, or has a way out"]
    allowed = {each.name for each in view.of(view.context.store) + view.of(view.context.agent)}
    members = [member["Name"] for facts in found for member in facts["Containers"].values()]
    wrong += [f"{member} is on the network {network}" for member in members if member not in allowed]
    wrong += [f"{view.context.front} reaches {view.context.store}" for _ in view.front["reaches"]]
    _complain(wrong)


def stay_up(view: View) -> None:
    """An old crash that nothing came of is no fault, one of the last hour may be; for a deployment, one since then."""
    wrong = []
    for each in view.containers:
        if each.facts["State"]["OOMKilled"]:
            wrong.append(f"{each.service} was killed because it needed more memory than its limit")
        if each.restarts and each.started_at.timestamp() >= view.crashes_since:
            last = f"{each.started_at:%Y-%m-%dT%H:%M:%S} UTC"
            wrong.append(f"{each.service} has crashed and was restarted {each.restarts} times, the last time at {last}")
    _complain(wrong)


def clocks_agree(view: View) -> str:
    """A clock that has been set back lets leases and sessions live too long."""
    off = view.agent["time"] - view.agent["asked"]
    wrong = [f"{view.context.agent} is {off:.0f} s off"] if not -60 <= off <= CLOCK else []
    wrong += [
        f"{each.service} was started in the future, at {each.started_at:%Y-%m-%dT%H:%M:%S} UTC"
        for each in view.containers
        if each.started_at.timestamp() > time.time() + CLOCK
    ]
    _complain(wrong)
    set_by = view.context.programs
    synchronized = shutil.which("timedatectl") and set_by.attempt(
        "timedatectl", "show", "--property", "NTPSynchronized", "--value"
    )
    if synchronized and synchronized.out.strip() == "no":
        return "nothing sets the clock of this machine: timedatectl set-ntp true"
    return ""


def message_round_trip(view: View) -> None:
    """A message makes its way through all tiers and back; its thread is deleted again.

    What the program says although it ends well is why it did not get an answer from an agent that serves.
    """
    program = script(view.context.interface.round_trip)
    said = view.context.docker.run_inside(view.running(view.context.front).id, "python", "-", given=program)
    if said:
        raise Doubt(said)


CHECKS = (
    Check(
        "all tiers",
        "are started and healthy",
        "see docker compose ps and docker compose logs; ./deploy.sh",
        all_are_healthy,
    ),
    Check(
        *("database", "answers the agent over TCP"),
        "see docker compose logs {store}; ./deploy.sh starts it and brings it up to date",
        database_answers,
    ),
    Check(
        *("database", "refuses a wrong password"),
        "if it runs, its volume was initialised without authentication",
        database_refuses_strangers,
    ),
    Check(
        *("database", "keeps its data on its volume"),
        "stop, and find out who removed it: ops/three-tier restore brings the newest backup back",
        data_is_on_its_volume,
    ),
    Check(
        *("database", "has room left on the disk"),
        "docker system df and du -sh {root}/* show what takes it; docker image prune removes images that nothing uses",
        has_room,
    ),
    Check("agent", "is healthy", "see docker compose logs {agent}", agent_is_healthy),
    Check("interface", "is connected to the agent", "see docker compose logs {front}", interface_is_connected),
    Check(
        *("interface", "shows the token that the agent expects"),
        "AGENT_TOKEN must be one for both: ./deploy.sh replaces what was started with another one",
        tokens_are_equal,
    ),
    Check(
        *("interface", "has its keys and certificates"),
        "./deploy.sh completes {env_file}, builds the image again and starts it",
        has_keys_and_certificates,
    ),
    Check("all tiers", "run as docker-compose.yml and the settings say", "./deploy.sh makes it so", are_as_declared),
    Check(
        *("all tiers", "are not root, write nothing but their data, and have limits"),
        "somebody started them in another way or edited docker-compose.yml: ./deploy.sh",
        are_confined,
    ),
    Check(
        *("all tiers", "listen where they should and nowhere else"),
        "somebody started them in another way: ./deploy.sh",
        listen_where_declared,
    ),
    Check(
        *("all tiers", "reach whom they should and nobody else"),
        "take what does not belong there off: docker network disconnect NETWORK CONTAINER; ./deploy.sh",
        are_apart,
    ),
    Check(
        *("all tiers", "have not crashed in the last hour"),
        "see docker compose logs; AGENT_MEMORY and the like raise a limit",
        stay_up,
    ),
    Check(
        *("all tiers", "have the time of this machine, which has not been set back"),
        "set the clock: timedatectl set-ntp true, then docker compose restart",
        clocks_agree,
    ),
    Check(
        *("all tiers", "carry a message there and back"),
        "see docker compose logs {front} {agent}: the newest warning says why",
        message_round_trip,
    ),
)
