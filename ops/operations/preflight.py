"""What must hold before anything is changed. Each check raises Failure with what to do."""

import os
import re
import shlex
import shutil
from pathlib import Path

from operations.compose import Compose
from operations.context import Context
from operations.docker import Docker
from operations.errors import Failure
from operations.programs import together
from operations.settings import is_taken

MEGABYTE = 1024 * 1024
LEAST_DISK = 2000  # megabytes where the images and the data are
LEAST_ROOM = 100  # megabytes where the logs and backups are
LEAST_MEMORY = 256  # megabytes
INSTALL = "https://docs.docker.com/engine/install/"


def check_machine(context: Context) -> None:
    """Docker, the project's files, and room for what is going to be made."""
    if not shutil.which("docker", path=context.programs.variables["PATH"]):
        raise Failure(f"Docker is not installed: {INSTALL}")
    together(lambda: check_engine(context.docker), lambda: check_compose(context.docker))
    check_files(context.root)
    check_room(context)


def check_engine(docker: Docker) -> None:
    """The engine answers, and is new enough."""
    said = docker.programs.attempt("docker", "version", "--format", "{{.Server.Version}}")
    if said.status == 0:
        require("the Docker engine", said.out.split()[-1], (25, 0), INSTALL)
    elif "permission denied" in said.err:
        raise Failure(
            "you may not use Docker's socket. Either run this by sudo, or join the group, which is as\n"
            '  good as root:  sudo usermod -aG docker "$USER"  and log in again'
        )
    else:
        reason = (said.err.strip().splitlines() or [""])[-1]
        raise Failure(f"the Docker engine does not answer; to start it: sudo systemctl start docker\n  ({reason})")


def check_compose(docker: Docker) -> None:
    """Compose is there, and new enough."""
    said = docker.programs.attempt("docker", "compose", "version", "--short")
    if said.status != 0:
        raise Failure("Docker Compose is not installed: https://docs.docker.com/compose/install/linux/")
    require("Docker Compose", said.out.strip(), (2, 24), INSTALL)


def require(what: str, version: str, least: tuple[int, int], advice: str) -> None:
    """See that a version is high enough."""
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    if not numbers:
        raise Failure(f"{what} does not say which version it is: {version}")
    if (int(numbers[1]), int(numbers[2])) < least:
        raise Failure(f"{what} is {version}, but {least[0]}.{least[1]} or newer is needed: {advice}")


def check_files(root: Path) -> None:
    """What the containers and the engine read is there, whoever checked it out."""
    for name in ("docker-compose.yml", ".env.template", "agent/Dockerfile", "interface/Dockerfile"):
        if not os.access(root / name, os.R_OK):
            raise Failure(f"{root / name} is missing, or you may not read it")
    for folder in (root, root / ".deployed", root / "backups"):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise Failure(
                f"{folder} belongs to another user: run this as that user, or make all of it yours:\n"
                f'  sudo chown -R "$(id -u):$(id -g)" {shlex.quote(str(root))}'
            )


def check_room(context: Context) -> None:
    """Disk for images, data, logs and backups, and memory."""
    check_disk(context.root, LEAST_ROOM, f"delete what you do not need, such as old files in {context.root}/backups")
    images = Path(context.docker.ask("info", "--format", "{{.DockerRootDir}}"))
    if images.is_dir():  # it is elsewhere if the engine is
        check_disk(images, LEAST_DISK, "see docker system df; docker image prune removes images that nothing uses")
        check_memory(Path("/proc/meminfo"))


def check_disk(folder: Path, least: int, advice: str) -> None:
    """So many megabytes are free."""
    free = shutil.disk_usage(folder).free // MEGABYTE
    if free < least:
        raise Failure(f"the disk of {folder} has {free} MB left, but {least} MB are needed: {advice}")


def check_memory(meminfo: Path) -> None:
    """Enough memory or swap is free."""
    if not meminfo.exists():
        return
    found = dict(re.findall(r"^(MemAvailable|SwapFree): +(\d+) kB$", meminfo.read_text(), re.MULTILINE))
    free = sum(int(kilobytes) for kilobytes in found.values()) // 1024
    if free < LEAST_MEMORY:
        raise Failure(f"{free} MB of memory are left, but {LEAST_MEMORY} MB are needed: stop something, or add swap")


def check_ports(context: Context, compose: Compose) -> None:
    """Each port that is to be published is free, unless this project has it already."""
    bindings = (each.facts["HostConfig"]["PortBindings"] or {} for each in compose.containers())
    own = {place["HostPort"] for ports in bindings for places in ports.values() for place in places}
    for port in compose.ports:
        if port.first == 0 or port.first != port.last or str(port.first) in own:
            continue
        what = f"port {port.first}, which {port.service} is to have, is taken by"
        holder = context.docker.ask("ps", "--filter", f"publish={port.first}", "--format", "{{.Names}}").split()
        if holder:
            raise Failure(f"{what} the container {holder[0]}: choose another in {compose.env_file}")
        if is_taken("127.0.0.1" if port.address.is_unspecified else str(port.address), port.first):
            raise Failure(
                f"{what} another program: choose another in {compose.env_file}\n"
                f"  (to see which one it is: sudo ss -ltnp 'sport = :{port.first}')"
            )


def check_replicas(context: Context, compose: Compose) -> None:
    """Each replica publishes the agent's port, so one port is not enough for several."""
    replicas = int(compose.config["services"][context.agent].get("scale", 1))
    for port in compose.ports:
        if port.service == context.agent and port.first and port.last - port.first + 1 < replicas:
            ports = f"{port.first}-{port.last}" if port.last > port.first else port.first
            wanted = f"{port.first}-{port.first + replicas - 1}"
            raise Failure(
                f"AGENT_REPLICAS is {replicas}, but AGENT_PORT is {ports}.\n"
                f"  Each replica needs a port: write AGENT_PORT={wanted} into {compose.env_file}, or leave it blank"
            )
