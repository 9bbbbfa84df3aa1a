"""In the place of the program `docker`: an engine that knows images, containers and volumes.

What goes wrong is told to it: images that exit at once (`exits`), settings that have changed (`hashes`), and what
the program that asks an agent says, by the id of the agent's image (`says`: status and text).
"""

import copy
import json
import re
from pathlib import Path
from threading import Lock

from operations.programs import CommandFailed, Finished, Programs

SERVICE = "com.docker.compose.service"
SERVICES = ("lyco-postgres", "lyco-agent", "lyco-interface")


def image_of(service: str) -> str:
    return "postgres:16" if service == SERVICES[0] else f"{service}:latest"


class Ended(Exception):
    """A command that fails."""


class Engine(Programs):
    """Runs `docker` by itself, and all other programs as they are."""

    def __init__(self, programs: Programs, root: Path) -> None:
        super().__init__(programs.console, programs.variables)
        self.root = root
        self.images = {"postgres:16": "sha256:postgres"}
        self.containers: list[dict] = []
        self.volumes: list[str] = []
        self.exits: list[str] = []
        self.hashes: dict[str, str] = {}
        self.says: dict[str, list] = {}
        self.last = 0
        self.busy = Lock()

    def attempt(self, *command: str, given: str | bytes = b"", **more: str) -> Finished:
        if command[0] != "docker":
            return super().attempt(*command, given=given, **more)
        with self.busy:
            self.said, self.tag_of_build = [], more.get("TAG", "latest")
            try:
                self.run(list(command[1:]))
            except Ended as ended:
                return Finished(1, "\n".join(self.said), str(ended))
            return Finished(0, "\n".join(self.said), "")

    def follow(self, *command: str, given: str | bytes = b"", **more: str) -> None:
        finished = self.attempt(*command, given=given, **more)
        if finished.status != 0:
            raise CommandFailed(command, finished.status, finished.err)

    def say(self, *lines: str) -> None:
        self.said += lines

    def state(self) -> object:
        """All that could change."""
        return copy.deepcopy((self.images, self.containers, self.volumes))

    def number(self) -> int:
        self.last += 1
        return self.last

    def hash_of(self, service: str) -> str:
        return self.hashes.get(service, "settings")

    def start(self, service: str, image: str, name: str = "", *, project: str = "lyco", volume: str = "") -> None:
        ident = self.images[image]
        exits = ident in self.exits
        self.containers.append(
            {
                "Id": f"c{self.number()}",
                "Name": f"/{name or f'{service}-1'}",
                "Image": ident,
                "RestartCount": 0,
                "State": {
                    "Status": "exited" if exits else "running",
                    "Running": not exits,
                    "ExitCode": 1 if exits else 0,
                    "Health": {"Status": "unhealthy" if exits else "healthy"},
                },
                "Config": {
                    "Labels": {
                        "com.docker.compose.project": project,
                        "com.docker.compose.service": service,
                        "com.docker.compose.oneoff": "True" if name else "False",
                        "com.docker.compose.config-hash": self.hash_of(service),
                        "com.docker.compose.project.working_dir": str(self.root),
                    },
                    "Env": [],
                },
                "HostConfig": {"Memory": 0, "NanoCpus": 0, "PidsLimit": None, "PortBindings": {}},
                "NetworkSettings": {"Ports": {}},
                "Mounts": [{"Name": volume}],
            }
        )

    def named(self, words: list[str]) -> list[dict]:
        return [each for each in self.containers if each["Id"] in words or each["Name"][1:] in words]

    def remove(self, gone: list[dict]) -> None:
        self.containers[:] = [each for each in self.containers if each not in gone]

    # docker compose

    def compose(self, words: list[str], options: dict[str, str]) -> None:
        project = options.get("--project-name", "lyco")
        command, *rest = words
        services = [word for word in rest if word in SERVICES]
        getattr(self, f"compose_{command}")(project, rest, services or list(SERVICES))

    def compose_version(self, *_: object) -> None:
        self.say("2.40.0")

    def compose_config(self, _: str, rest: list[str], __: object) -> None:
        if "--hash" in rest:
            self.say(*(f"{service} {self.hash_of(service)}" for service in SERVICES))
            return
        lines = [line.split("=", 1) for line in self.env.read_text().splitlines() if "=" in line]
        env = {name: re.sub(r"\$\w+", "", value) for name, value in lines}  # of variables that are not set
        volume = f"lyco_lyco_data{env.get('POSTGRES_DATA_SUFFIX', '')}"
        self.say(
            json.dumps(
                {
                    "name": "lyco",
                    "services": {
                        service: {"image": image_of(service), "environment": {"AGENT_NAME": "lyco"}}
                        for service in SERVICES
                    },
                    "volumes": {"lyco_data": {"name": self.overlaid(volume)}},
                    "x-settings": env,
                }
            )
        )

    def overlaid(self, volume: str) -> str:
        found = [json.loads(Path(file).read_text()) for file in self.files if file.endswith(".json")]
        names = [each["volumes"]["lyco_data"]["name"] for each in found if "volumes" in each]
        return names[-1] if names else volume

    def compose_build(self, _: str, __: object, services: list[str]) -> None:
        for service in services:
            if service != SERVICES[0]:
                content = (self.root / service.removeprefix("lyco-") / "Dockerfile").read_text()
                self.images[f"{service}:{self.tag_of_build}"] = f"sha256:{content}"

    def compose_up(self, project: str, rest: list[str], services: list[str]) -> None:
        own = [each for each in self.containers if each["Config"]["Labels"]["com.docker.compose.project"] == project]
        for service in services:
            ident = self.images[image_of(service)]
            labels = "com.docker.compose.service", "com.docker.compose.config-hash"
            same = [each for each in own if each["Config"]["Labels"][labels[0]] == service]
            made_from = [(each["Image"], each["Config"]["Labels"][labels[1]]) for each in same]
            if made_from != [(ident, self.hash_of(service))] or "--force-recreate" in rest:
                self.remove(same)
                volume = ""
                if service == SERVICES[0]:
                    env = dict(line.split("=", 1) for line in self.env.read_text().splitlines() if "=" in line)
                    volume = self.overlaid(f"lyco_lyco_data{env.get('POSTGRES_DATA_SUFFIX', '')}")
                    self.volumes.append(volume)
                self.start(service, image_of(service), project=project, volume=volume)
        named = [each for each in self.containers if each["Config"]["Labels"][SERVICE] in services]
        exited = [each for each in named if not each["State"]["Running"]]
        if "--wait" in rest and exited:
            raise Ended(f"{exited[0]['Name'][1:]} exited (1)")

    def compose_run(self, _: str, rest: list[str], services: list[str]) -> None:
        image = f"{services[0]}:{self.tag_of_build}"
        self.start(services[0], image, rest[rest.index("--name") + 1])

    def compose_down(self, project: str, *_: object) -> None:
        label = "com.docker.compose.project"
        self.remove([each for each in self.containers if each["Config"]["Labels"][label] == project])

    def compose_stop(self, _: str, __: object, services: list[str]) -> None:
        for each in self.containers:
            if each["Config"]["Labels"]["com.docker.compose.service"] in services:
                each["State"].update(Status="exited", Running=False)

    # docker

    def run(self, words: list[str]) -> None:
        if words[0] == "compose":
            options: dict[str, str] = {}
            self.files: list[str] = []
            words = words[1:]
            while words[0].startswith("--"):
                options[words[0]] = words[1]
                if words[0] == "--file":
                    self.files.append(words[1])
                words = words[2:]
            self.env = Path(options.get("--env-file", ""))
            self.compose(words, options)
        elif words[0] in {"container", "image", "volume", "service"}:
            getattr(self, f"{words[0]}_{words[1]}")(words[2:])
        else:
            getattr(self, words[0])(words[1:])

    def version(self, _: list[str]) -> None:
        self.say("28.0.0")

    def info(self, _: list[str]) -> None:
        self.say("/nowhere")

    def ps(self, words: list[str]) -> None:
        project = words[-1].partition("=")[2].partition("=")[2]
        label = "com.docker.compose.project"
        self.say(*(each["Id"] for each in self.containers if each["Config"]["Labels"][label] == project))

    def container_inspect(self, words: list[str]) -> None:
        found = self.named(words)
        self.say(json.dumps(found))
        if len(found) < len(words):
            raise Ended("No such container")

    def image_inspect(self, words: list[str]) -> None:
        if words[0] == "--format":
            self.say(*(self.images[name] for name in words[2:]))
            return
        facts = [{"Id": name, "RepoTags": [tag for tag, i in self.images.items() if i == name]} for name in words]
        self.say(json.dumps(facts))

    def image_rm(self, words: list[str]) -> None:
        for name in words:
            self.images.pop(name, None)

    def tag(self, words: list[str]) -> None:
        self.images[words[1]] = self.images.get(words[0], words[0])

    def rm(self, words: list[str]) -> None:
        self.remove(self.named(words))

    def logs(self, words: list[str]) -> None:
        self.say(f"the log of {words[-1]}")

    def exec(self, words: list[str]) -> None:
        (container,) = self.named([words[1]])
        status, said = self.says.get(container["Image"], [0, ""])
        self.say(said)
        if status:
            raise Ended(said)

    def service_ls(self, _: list[str]) -> None:
        pass

    def volume_ls(self, _: list[str]) -> None:
        self.say(*(self.volumes))

    def volume_create(self, words: list[str]) -> None:
        self.volumes.append(words[-1])

    def volume_inspect(self, words: list[str]) -> None:
        if words[0] not in self.volumes:
            raise Ended("no such volume")

    def volume_rm(self, words: list[str]) -> None:
        self.volumes[:] = [each for each in self.volumes if each != words[-1]]
