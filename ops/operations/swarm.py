"""swarm: makes what runs on Docker Swarm what stack.yml and the settings say."""

import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from operations import preflight
from operations.compose import Compose
from operations.context import TIERS, Context
from operations.contracts import script
from operations.deploy import CANDIDATE, check_settings
from operations.errors import Failure, NotServing
from operations.programs import CommandFailed

NAMESPACE = "com.docker.stack.namespace"
AGAIN_AND_AGAIN = 3  # tasks of a replica that ended, after which its service is given up
ENDED = {"failed", "rejected", "complete"}


def deploy(context: Context, wait: float) -> None:
    """Deploy the project as a stack. Swarm itself goes back where an update fails; the other services go back with it.

    Args:
        context: the run.
        wait: seconds that an update of a service may take.

    Raises:
        Failure: it failed, and what ran before serves.
        NotServing: it failed, and the agent does not serve.
    """
    preflight.check_machine(context)
    with context.exclusive("deploy"):
        context.complete_settings()
        compose = context.compose()
        check_settings(context, compose)
        _Stack(context, compose, wait).deploy()


def _now() -> str:
    """The time, as Swarm notes when it made a task."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())


@dataclass
class _Stack:
    """The stack of a project."""

    context: Context
    compose: Compose
    wait: float
    began: str = field(default_factory=_now)
    variables: dict[str, str] = field(default_factory=dict)  # that stack.yml reads

    def deploy(self) -> None:
        """The steps, in their order."""
        begun, say, step = time.monotonic(), self.context.console.say, self.context.console.step
        step("check the swarm")
        self.check_swarm()
        self.refuse_beside_compose()
        self.check_bind()
        self.check_nodes()
        self.variables = {name: self.compose.value(name) for name in self.compose.settings}
        image = self.compose.service(self.context.store).image
        self.variables |= {"STACK": self.name, "STACK_PREFIX": self.prefix, "DATABASE_IMAGE": image}
        step("build the images")
        self.build()
        step("make secrets of the passwords and tokens")
        self.make_secrets()
        self.variables["FILES_HASH"] = self.hash("".join(path.read_text() for path in self.configs))
        step("update the services")
        registry = ["--with-registry-auth"] if self.registry else []
        flags = ("--detach=true", "--resolve-image", "never", *registry)
        self.context.programs.follow("docker", "stack", "deploy", *flags, *self.files, self.name, **self.variables)
        for service in self.services:
            reason = self.wait_for(service)
            if reason:
                self.fail(service, reason)
            say(f"✓ {self.name}_{service}")
        step("send a message through the tiers")
        self.send_message()
        self.remove_former()
        say(self.docker("service", "ls", "--filter", f"label={NAMESPACE}={self.name}"))
        say(f"\n✓ deployed {self.name} to the swarm in {time.monotonic() - begun:.0f} s")

    # What it is

    @property
    def name(self) -> str:
        """The name of the stack."""
        return self.compose.name

    @property
    def prefix(self) -> str:
        """What the names of its secrets and configurations begin with; they may have 64 characters."""
        return self.name[:32]

    @property
    def services(self) -> tuple[str, ...]:
        """From the bottom to the top."""
        return (self.context.database.kind, *TIERS)

    @property
    def registry(self) -> str:
        """Where the machines of the swarm get the images from."""
        value = self.compose.value("REGISTRY").rstrip("/")
        return f"{value}/" if value else ""

    @cached_property
    def text(self) -> str:
        """The stack file."""
        return (self.context.root / "stack.yml").read_text()

    @property
    def files(self) -> list[str]:
        """The options that name the stack file and, where there is one, its override."""
        names = (self.context.root / "stack.yml", self.context.root / "stack.override.yml")
        return [f"--compose-file={path}" for path in names if path.exists()]

    @property
    def configs(self) -> list[Path]:
        """The files that the stack hands over as configurations."""
        return [self.context.root / name for name in re.findall(r"\{file: \./([^,]*),", self.text)]

    @property
    def secret_variables(self) -> list[str]:
        """The settings that the stack has a secret for."""
        return re.findall(r"\{SECRET_([A-Z0-9_]+)", self.text)

    def docker(self, *words: str) -> str:
        """Call `docker`, and return what it prints. Raises CommandFailed."""
        return self.context.docker.ask(*words)

    def hash(self, text: str) -> str:
        """Tells a text from others, and those of this stack from another's."""
        return hashlib.sha256(f"{self.name}\n{text}".encode()).hexdigest()[:12]

    # What must hold before

    def check_swarm(self) -> None:
        """This machine is a manager of a swarm. Raises Failure."""
        state = self.docker("info", "--format", "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}")
        if state == "active true":
            return
        if state.startswith("active"):
            raise Failure(
                "this machine is a worker of its swarm; run this on a manager (docker node ls there says which it is)"
            )
        raise Failure(
            "this machine is in no swarm; to begin one: docker swarm init\n"
            "  (with several network addresses: docker swarm init --advertise-addr ADDRESS, which the others reach)"
        )

    def refuse_beside_compose(self) -> None:
        """Two databases on one volume would destroy it. Raises Failure."""
        if any(each.status == "running" for each in self.compose.containers()):
            raise Failure(
                f"{self.name} runs by docker-compose.yml here, on the volume that the stack would use.\n"
                f"  To change over: docker compose -p {self.name} down (keeps the data), then ops/three-tier swarm"
            )

    def check_bind(self) -> None:
        """What is published is open on all addresses of every machine, so the settings must say so. Raises Failure."""
        for port in self.compose.ports:
            if port.service == self.context.front and not port.address.is_unspecified:
                raise Failure(
                    "a swarm publishes on all addresses of all its machines, but INTERFACE_BIND is "
                    f"{port.address}.\n  If that is meant, and a firewall or a proxy is what you want before it: "
                    f"INTERFACE_BIND=0.0.0.0 in {self.compose.env_file}"
                )

    def check_nodes(self) -> None:
        """The data stays on one machine; the others need a place to get the images from. Raises Failure."""
        label = f"{self.name}-data"
        nodes = self.docker("node", "ls", "--quiet").split()
        facts = json.loads(self.docker("node", "inspect", *nodes))
        holders = [each["ID"] for each in facts if each["Spec"]["Labels"].get(label) == "yes"]
        if len(nodes) == 1 and not holders:
            self.docker("node", "update", "--label-add", f"{label}=yes", nodes[0])
            self.context.console.say(f"labelled this machine {label}=yes: the data is here")
            return
        if not holders:
            raise Failure(
                "no machine has the label that says where the data is.\n"
                f"  To choose one (docker node ls lists them): docker node update --label-add {label}=yes NODE"
            )
        if len(holders) > 1:
            raise Failure(
                f"{len(holders)} machines have the label {label}=yes, but each would have data of its own.\n"
                f"  To leave it to one: docker node update --label-rm {label} NODE"
            )
        if len(nodes) > 1 and not self.registry:
            raise Failure(
                "the swarm has several machines, which cannot have the images that are built here.\n"
                f"  Write a registry that all of them reach into {self.compose.env_file}: "
                "REGISTRY=registry.example.com/team"
            )

    # The steps

    def build(self) -> None:
        """Build the images. The same content has the same name, so what has not changed keeps running."""
        tiers = [f"{self.context.name}-{tier}" for tier in TIERS]
        self.compose.follow("build", *tiers, TAG=CANDIDATE, BUILDX_NO_DEFAULT_ATTESTATIONS="1")
        for tier in TIERS:
            candidate = f"{self.name}-{tier}:{CANDIDATE}"
            digest = self.context.docker.image_ids(candidate)[0].removeprefix("sha256:")
            image = f"{self.registry}{self.name}-{tier}:{digest[:12]}"
            self.docker("tag", candidate, image)
            self.docker("image", "rm", candidate)
            if self.registry:
                self.context.programs.follow("docker", "push", "--quiet", image)
            self.variables[f"{tier.upper()}_IMAGE"] = image

    def make_secrets(self) -> None:
        """A secret cannot be changed, so a new value is a new one with another name. Raises Failure."""
        for variable in self.secret_variables:
            value = self.compose.value(variable)
            if value != value.strip():
                env_file = self.compose.env_file
                raise Failure(f"{variable} in {env_file} begins or ends with a blank, which is lost on the way")
            name = f"{self.prefix}_{variable.lower()}_{self.hash(f'{variable}={value}')}"
            if not self.context.docker.succeeds("secret", "inspect", name):
                given = value or "\n"  # one without a value cannot be made
                label = f"{NAMESPACE}={self.name}"
                self.context.docker.ask("secret", "create", "--label", label, name, "-", given=given)
                self.context.console.say(f"made the secret {name}")
            self.variables[f"SECRET_{variable}"] = name

    def service(self, name: str) -> dict[str, Any]:
        """What Swarm says of a service."""
        return self.context.docker.inspect("service", [f"{self.name}_{name}"])[0]

    def tasks(self, service: str, state: str) -> list[dict[str, Any]]:
        """What Swarm says of those tasks of a service that it wants to be `running` or `shutdown`."""
        wanted = ("--filter", f"desired-state={state}", "--no-trunc", "--quiet")
        found = self.docker("service", "ps", *wanted, f"{self.name}_{service}").split()
        said = self.context.programs.attempt("docker", "inspect", "--type", "task", *found) if found else None
        tasks: list[dict[str, Any]] = json.loads(said.out or "[]") if said else []  # one may just have been removed
        return tasks

    def runs(self, service: str) -> bool:
        """Whether all its tasks run, as the service is now."""
        spec = self.service(service)["Spec"]
        running = self.tasks(service, "running")
        wanted = _compared(spec["TaskTemplate"])
        replicas = int(spec["Mode"]["Replicated"]["Replicas"])
        as_wanted = [
            each for each in running if each["Status"]["State"] == "running" and _compared(each["Spec"]) == wanted
        ]
        return len(as_wanted) == len(running) == replicas

    def failures(self, service: str, since: str) -> list[dict[str, Any]]:
        """Its tasks that were made since then and have ended, the newest first."""
        ended = [
            each
            for each in self.tasks(service, "shutdown")
            if each["Status"]["State"] in ENDED and each["CreatedAt"] >= since
        ]
        return sorted(ended, key=lambda each: str(each["CreatedAt"]), reverse=True)

    def wait_for(self, service: str) -> str:
        """Wait until it has settled; nothing where it runs as it should, and otherwise why it will not.

        What ended while those below it were not ready yet does not count.
        """
        since, deadline = _now(), time.monotonic() + self.wait
        while time.monotonic() < deadline:
            time.sleep(0.5)
            facts = self.service(service)
            state = (facts.get("UpdateStatus") or {}).get("State", "")
            if state == "rollback_completed":
                return "was taken back, as its update failed"
            if state.endswith("paused"):
                return f"stopped in the middle of its {state.rpartition('_')[0]}"
            if state in {"updating", "rollback_started"}:
                continue
            if self.runs(service):
                return ""
            most = AGAIN_AND_AGAIN * facts["Spec"]["Mode"]["Replicated"]["Replicas"]
            if not state and len(self.failures(service, since)) >= most:
                return "ends again and again"
        return f"is not ready after {self.wait:.0f} s"

    def send_message(self) -> None:
        """Through the interface where that runs on this machine; otherwise Swarm's word has to do."""
        label = f"label=com.docker.swarm.service.name={self.name}_interface"
        found = self.docker("ps", "--quiet", "--filter", label, "--filter", "health=healthy").split()
        if not found:
            self.context.console.warn(f"{self.name}_interface runs on another machine, so no message was sent")
            return
        passed = [word for name in self.secret_variables for word in ("--env", name)]  # no value on the command line
        secrets = {name: self.compose.value(name) for name in self.secret_variables}
        command = ("exec", "--interactive", *passed, found[0], "python", "-")
        try:
            self.context.docker.ask(*command, given=script(self.context.interface.round_trip), **secrets)
        except CommandFailed as failed:
            self.fail("interface", f"runs, but a message did not get through: {failed}")

    # Where it fails

    def fail(self, service: str, why: str) -> None:
        """Go back to what ran before, and say how that went. Raises Failure."""
        self.show_log(service)
        self.context.console.step("go back to what ran before")
        what = f"{self.name}_{service} {why}"
        if not self.go_back():
            raise NotServing(
                f"{what}. The agent does not serve. What is above says why; when it is mended: ops/three-tier swarm"
            )
        raise Failure(f"{what}. What ran before serves; your files still say what failed")

    def show_log(self, service: str) -> None:
        """The end of the log of its newest task that failed, or of all."""
        failed = self.failures(service, self.began)
        task = failed[0]["ID"] if failed else f"{self.name}_{service}"
        reason = f" ({failed[0]['Status'].get('Err', '')})" if failed else ""
        said = self.context.programs.attempt("docker", "service", "logs", "--raw", "--tail", "50", task)
        self.context.console.say(
            f"── the end of the log of {self.name}_{service}{reason}\n{said.out}{said.err}".rstrip()
        )
        if not failed:
            form = "{{.Name}}: {{.CurrentState}} {{.Error}}"
            self.context.console.say(self.docker("service", "ps", "--format", form, f"{self.name}_{service}"))

    def go_back(self) -> bool:
        """Take back what was updated, since a new password, say, concerns more than one service.

        What is new is removed, as an update of it would be taken back to what never worked. Whether all that ran
        before runs again.
        """
        back = []
        for service in self.services:
            state = (self.service(service).get("UpdateStatus") or {}).get("State", "")
            name = f"{self.name}_{service}"
            if state.startswith("rollback") or self.context.docker.succeeds("service", "rollback", "--detach", name):
                back.append(service)
            else:
                self.docker("service", "rm", name)
        if not {*TIERS} <= {*back}:
            return False
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if all(self.runs(service) for service in back):
                return True
            time.sleep(0.5)
        return False

    # What is not needed any more

    def remove_former(self) -> None:
        """Services that the files do not name, whose data is kept; and what is neither used nor needed to go back."""
        config = self.context.docker.ask("stack", "config", *self.files, **self.variables)
        body = config.partition("\nservices:\n")[2].partition("\nvolumes:")[0]
        named = set(re.findall(r"^  (\S+):$", body, re.MULTILINE))
        label = f"label={NAMESPACE}={self.name}"
        for service in self.docker("service", "ls", "--filter", label, "--format", "{{.Name}}").split():
            if service.removeprefix(f"{self.name}_") not in named:
                self.docker("service", "rm", service)
        used = self.in_use()
        for kind in ("secret", "config"):
            for item in self.docker(kind, "ls", "--filter", label, "--format", "{{.Name}}").split():
                if item not in used:
                    self.docker(kind, "rm", item)
        for tier in TIERS:
            form, repository = "{{.Repository}}:{{.Tag}}", f"{self.registry}{self.name}-{tier}"
            for image in self.docker("image", "ls", "--format", form, repository).split():
                if re.search(r":[0-9a-f]{12}$", image) and image not in used:
                    self.context.docker.succeeds("image", "rm", image)

    def in_use(self) -> set[str]:
        """What the services use by name, and what they used before their last update."""
        used: set[str] = set()
        for service in self.services:
            facts = self.service(service)
            for spec in (facts["Spec"], facts.get("PreviousSpec")):
                container = spec["TaskTemplate"]["ContainerSpec"] if spec else {}
                used |= {str(container.get("Image", ""))}
                used |= {each["SecretName"] for each in container.get("Secrets") or ()}
                used |= {each["ConfigName"] for each in container.get("Configs") or ()}
        return used


def _compared(spec: dict[str, Any]) -> str:
    """What a task has in common with its service where it is not one of a former version."""
    container = spec.get("ContainerSpec", {})
    parts = ("Image", "Command", "Args", "Env", "Mounts", "Healthcheck", "Secrets", "Configs", "User")
    whole = ("Resources", "Placement", "Networks", "LogDriver", "ForceUpdate")
    return json.dumps([*(container.get(part) for part in parts), *(spec.get(part) for part in whole)], sort_keys=True)
