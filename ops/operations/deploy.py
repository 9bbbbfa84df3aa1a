"""deploy: makes what runs what the files say, verifies it, and goes back to the last release where that fails."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from operations import backup, preflight, verify
from operations.compose import Compose, Service
from operations.context import TIERS, Context
from operations.contracts import script
from operations.docker import HEALTHY, PROJECT, Container
from operations.errors import Failure, NotServing
from operations.programs import together
from operations.releases import Releases
from operations.settings import refuse_weak
from operations.workspace import GENERATED

CANDIDATE = "candidate"  # the tag of images that have not passed their checks yet


@dataclass(frozen=True)
class Options:
    """What a person asked for."""

    dry_run: bool = False
    backup: bool = True
    pull: bool = False


def deploy(context: Context, options: Options) -> None:
    """Deploy the project as its files say.

    Raises:
        Failure: it failed, and what ran before is as it was.
        NotServing: it failed, and the agent does not serve.
    """
    preflight.check_machine(context)
    if options.dry_run:
        with TemporaryDirectory() as folder:
            draft = Path(folder) / ".env"
            context.console.step("complete the settings")
            context.complete_settings(draft)
            _Deployment(context, context.compose(draft), options).plan()
        return
    with context.exclusive("deploy"):
        context.console.step("complete the settings")
        context.complete_settings()
        _refuse_during_rotation(context)
        _Deployment(context, context.compose(), options).run()


def roll_back(context: Context) -> None:
    """Go back to the last release that passed its checks. Raises Failure or NotServing."""
    preflight.check_machine(context)
    with context.exclusive("deploy"):
        _refuse_during_rotation(context)
        deployment = _Deployment(context, context.compose(), Options())
        deployment.refuse_to_replace_others()
        deployment.remove_leftovers()
        try:
            deployment.go_back()
        except Failure as failure:
            deployment.explain()
            raise deployment.given_up(f"could not {deployment.doing}: {failure}") from None


def check_settings(context: Context, compose: Compose) -> None:
    """No secret is weak, and what only a person can fill in is there. Raises Failure."""
    for variable, beginning in GENERATED.items():
        refuse_weak(variable, compose.value(variable), context.env_file, named=bool(beginning))
    context.interface.check_settings(compose)


def _refuse_during_rotation(context: Context) -> None:
    if Path(f"{context.env_file}.rotation").exists():
        raise Failure(
            "new secrets are on their way into the database: ops/three-tier rotate goes on with that, and deploys"
        )


@dataclass
class _Deployment:
    """One deployment, from what is there to what the files say."""

    context: Context
    compose: Compose
    options: Options
    doing: str = ""
    concerned: tuple[str, ...] = ()  # the services that can be the reason when the step fails
    touched: bool = False  # whether something that runs may have changed
    began: float = field(default_factory=time.time)

    def run(self) -> None:
        """The steps, in their order."""
        self.check()
        store, _, front = self.context.services
        try:
            self.remove_leftovers()
            self.step("build the images and back the data up", store)
            self.build_and_back_up()
            self.touched = True
            self.step("start the database and bring it up to date", store)
            self.context.start_database(self.compose, unless_running=True)
            self.context.database.apply_init_files(self.compose.service(store))
            self.try_agent()
            self.step("start agent and interface", *self.context.services)
            self.take_candidates()
            self.start_tiers()
            self.step("verify the tiers", *self.context.services)
            self.verify()
        except Failure as failure:
            self.fail(failure)
        except (OSError, LookupError, SystemExit) as error:  # a full disk, a signal
            self.fail(Failure(f"interrupted: {error!r}"))
        self.clean_up()
        self.context.console.say(self.context.interface.how_to_talk(self.compose, self.compose.service(front)))
        for warning in self.context.console.warnings:
            self.context.console.say(f"\n! {warning}")
        seconds = time.time() - self.began
        log = f"; the log is {self.context.console.log_path}" if self.context.console.log_path else ""
        self.context.console.say(f"\n✓ deployed {self.compose.name} in {seconds:.0f} s{log}")

    def clean_up(self) -> None:
        """Remember what runs now, and remove what is not needed any more; what serves does not depend on either."""
        try:
            self.releases.keep(self.compose)
        except (Failure, OSError) as error:
            self.context.console.warn(f"this release could not be kept, so none can be gone back to: {error}")
        self.remove_candidates()

    def plan(self) -> None:
        """Check all that can be checked, and say what would be done."""
        self.check()
        root, say = self.context.root, self.context.console.say
        say("All that is needed is there. Would now:")
        if self.has_data and self.options.backup:
            say(f"  - back the data up into {root}/backups")
        if self.options.pull:
            say("  - look for newer images")
        for tier in TIERS:
            say(f"  - build the image of {self.compose.name}-{tier} from {root}/{tier}")
        say(f"  - start {self.context.store}, unless it runs, and bring it up to date")
        say("  - try the new agent, then replace agent and interface, as far as they have changed")
        say("  - verify all three tiers, and go back to what runs now if they do not work")

    def step(self, title: str, *concerned: str) -> None:
        """Say what is done next; `concerned` can be the reason when it fails."""
        self.doing, self.concerned = title, concerned
        self.context.console.step(title)

    # What must hold before

    def check(self) -> None:
        """See that the settings fit, that nothing else has the name, and that the ports are free. Raises Failure."""
        check_settings(self.context, self.compose)
        self.refuse_to_replace_others()
        preflight.check_replicas(self.context, self.compose)
        preflight.check_ports(self.context, self.compose)
        self.volume = self.context.data_volume(self.compose)
        self.has_data = self.context.docker.has_volume(self.volume)
        if not self.has_data:
            self.mention_other_data()

    def refuse_to_replace_others(self) -> None:
        """A copy of this folder has the same project name, and would take over containers and data of the other."""
        name = self.compose.name
        for container in self.compose.containers():
            folder = Path(container.labels["com.docker.compose.project.working_dir"])
            if folder.is_dir() and not folder.samefile(self.context.root):
                raise Failure(
                    f"{name} runs already, from {folder}.\n"
                    f"  For a second copy, give it a name of its own: COMPOSE_PROJECT_NAME={name}-2 ./deploy.sh\n"
                    f"  If this folder replaces that one: docker compose -p {name} down (keeps the data), ./deploy.sh"
                )
        stack = self.context.programs.attempt(
            *("docker", "service", "ls", "--quiet", "--filter", f"label=com.docker.stack.namespace={name}")
        )
        if stack.out.strip():
            raise Failure(
                f"{name} runs on Docker Swarm. To update it there: ops/three-tier swarm, which comes with\n"
                "  yo three-tier:update --with swarm\n"
                f"  To change over to Compose: docker stack rm {name} (keeps the data), then ./deploy.sh"
            )

    def mention_other_data(self) -> None:
        """An empty database beside data of before is what few want: another kind was chosen, or .env was lost."""
        labels = (f"label={PROJECT}={self.compose.name}", f"label=com.docker.compose.volume={self.context.name}_data")
        filters = [word for label in labels for word in ("--filter", label)]
        suffix = self.compose.value(self.context.suffix_variable)
        own = self.volume.removesuffix(suffix) if suffix else self.volume
        for volume in self.context.docker.ask("volume", "ls", "--quiet", *filters).split():
            will = f"{self.context.store} will start empty, and {volume} holds what was remembered"
            if volume == own or volume.startswith(f"{own}-2"):
                self.context.console.warn(f"{will}. To use that instead: ops/three-tier restore --volume {volume}")
            else:
                self.context.console.warn(
                    f"{will} in another kind of database. To take it along:\n"
                    "  ops/three-tier import FILE, with the FILE that ops/three-tier export wrote before the kind was\n"
                    "  changed; without one, change it back first. Both commands come with\n"
                    "  yo three-tier:update --with transfer"
                )

    def remove_leftovers(self) -> None:
        """What a run that was killed left: its trial, and containers that never came to replace others."""
        found = self.context.docker.containers(self.compose.name, all_of_them=True)
        left = [each.id for each in found if each.name == self.trial or each.status == "created"]
        if left:
            self.context.docker.ask("rm", "--force", *left)

    # The steps

    def build_and_back_up(self) -> None:
        """Both at the same time: neither needs the other, and nothing that runs is changed by them."""
        steps: list[Callable[[], None]] = [self.build]
        if self.has_data:
            self.repair_database()
            if self.options.backup:
                steps.append(self.back_up)
        together(*steps)

    def back_up(self) -> None:
        """Back the data up. Raises Failure."""
        backup.back_up(self.context, self.compose)

    def build(self) -> None:
        """Build the images under a tag of their own."""
        if self.options.pull:
            self.compose.follow("pull", self.context.store)
        tiers = [f"{self.context.name}-{tier}" for tier in TIERS]
        pull = ["--pull"] if self.options.pull else []
        # Without attestations, which hold the time, what has not changed is the same image as before.
        self.compose.follow("build", *pull, *tiers, TAG=CANDIDATE, BUILDX_NO_DEFAULT_ATTESTATIONS="1")

    def repair_database(self) -> None:
        """A database whose first start was cut off may have half of what it needs: no start, or no tables."""
        database, service = self.context.database, self.compose.service(self.context.store)
        if _answers(self.context, service):
            return
        self.touched = True
        if database.is_unfinished(service, self.volume):
            self.compose.follow("rm", "--stop", "--force", service.name)
            if not database.is_unfinished(service, self.volume):  # once more, now that nobody writes to it
                raise Failure("the database began to work just now: run this again")
            self.context.docker.ask("volume", "rm", self.volume)
            self.context.console.say(
                "The first start of the database was cut off before it could hold anything: it starts anew."
            )
        self.context.start_database(self.compose)
        if not _answers(self.context, service):
            database.apply_init_files(service)

    @property
    def trial(self) -> str:
        """The name of the container in which a new agent is tried."""
        return f"{self.compose.name}-agent-trial"

    def candidate(self, tier: str) -> str:
        """The image that was just built for a tier."""
        return f"{self.compose.name}-{tier}:{CANDIDATE}"

    def try_agent(self) -> None:
        """Where the agent has changed, a new one answers a message on the real database while the old one serves."""
        service = self.compose.service(self.context.agent)
        running = service.containers()
        new = (self.context.docker.image_ids(self.candidate("agent"))[0], self.compose.hashes[service.name])
        if not running or all((each.image, each.config_hash) == new for each in running):
            return
        self.step("try the new agent beside the one that serves")
        command = self.compose.command("run", "--detach", "--no-deps", "--name", self.trial, service.name)
        self.context.programs.ask(*command, TAG=CANDIDATE)
        if not self.context.docker.wait_until_healthy(self.trial):
            raise Failure("it did not become healthy")
        said = self.ask_agent(self.trial)
        if said and not self.ask_agent(running[0].id):
            raise Failure(f"the one that serves answers, and the new one does not: {said}")
        self.remove_trial()

    def ask_agent(self, container: str) -> str:
        """Have an agent answer a message; nothing, or why it cannot although it serves. Raises CommandFailed."""
        return self.context.docker.run_inside(container, "python", "-", given=script("agent_round_trip.py"))

    def remove_trial(self) -> None:
        """Away with the container in which the new agent was tried."""
        self.context.docker.succeeds("rm", "--force", self.trial)

    def take_candidates(self) -> None:
        """The images that were tried become those that the settings name."""
        for tier in TIERS:
            self.context.docker.ask(
                "tag", self.candidate(tier), self.compose.service(f"{self.context.name}-{tier}").image
            )

    def remove_candidates(self) -> None:
        """Their second names are not needed any more."""
        self.context.docker.succeeds("image", "rm", *map(self.candidate, TIERS))

    def start_tiers(self) -> None:
        """Start what has changed, one tier after the other, so that it is clear which one is the reason if it fails."""
        self.replace_agents()
        for name in (self.context.agent, self.context.front):
            service = self.compose.service(name)
            before = {each.id for each in service.containers()}
            if self.is_outdated(service):
                self.compose.follow("up", "--detach", "--no-build", name)
                for container in service.containers():
                    if not self.context.docker.wait_until_healthy(container.id):
                        self.renew(service, container, before)
        # What else there may be in the Compose file, and away with the database of another kind; its volume stays.
        self.compose.follow("up", "--detach", "--no-build", "--remove-orphans", "--wait", "--wait-timeout", "120")
        self.reset_limits()

    def is_outdated(self, service: Service) -> bool:
        """Whether it does not run, or runs something else than it should."""
        running = service.containers()
        return not running or any(not self.is_current(service, each) for each in running)

    def is_current(self, service: Service, container: Container) -> bool:
        """Whether a container is what would be started now, and is healthy."""
        image = self.context.docker.image_ids(service.image)[0]
        made_from = (container.image, container.config_hash)
        return made_from == (image, self.compose.hashes[service.name]) and container.state == HEALTHY

    def renew(self, service: Service, container: Container, before: set[str]) -> None:
        """Make a container anew that hangs: Compose leaves it alone, since nothing about it has changed."""
        if container.id not in before:
            raise Failure(f"{service.name} did not become healthy")
        self.context.console.warn(f"{service.name} has not changed, but is unhealthy: it is made anew")
        self.show_log(service.name, container)
        self.context.docker.ask("rm", "--force", container.id)
        service.up()

    def replace_agents(self) -> None:
        """Where there are several, replace one after the other, so that one always answers."""
        service = self.compose.service(self.context.agent)
        if int(service.facts.get("scale", 1)) < 2:
            return
        outdated = [each for each in service.containers() if not self.is_current(service, each)]
        for useless in (each.id for each in outdated if each.state != HEALTHY):
            self.context.docker.ask("rm", "--force", useless)
        service.up("--no-recreate")
        for each in outdated:
            if each.state == HEALTHY:
                self.context.docker.ask("stop", each.id)
                self.context.docker.ask("rm", each.id)
                service.up("--no-recreate")

    def reset_limits(self) -> None:
        """Compose does not see what `docker update` has changed."""
        for container in self.compose.containers():
            if container.service not in self.context.services:
                continue
            wanted = self.compose.limits(container.service)
            if container.limits != wanted:
                memory, cpus, processes = wanted
                limits = ("--memory", str(memory), "--memory-swap", str(2 * memory), "--cpus", f"{cpus / 1e9:.9f}")
                self.context.docker.ask("update", *limits, "--pids-limit", str(processes), container.id)

    def verify(self) -> None:
        """What crashed before this run is not held against what it has started. Raises Failure."""
        verify.verify(self.context, self.compose, crashes_since=self.began)

    # Where it fails

    @property
    def releases(self) -> Releases:
        """What can be gone back to."""
        return Releases(self.context, self.compose.name)

    def go_back(self) -> None:
        """Start what was deployed last, whatever the files say by now. Raises Failure."""
        if not self.releases.exists():
            raise Failure(f"no deployment of {self.compose.name} has passed its checks, so there is none to go back to")
        self.step("go back to what was deployed before", *self.context.services)
        self.compose = self.releases.go_back()
        self.compose.service(self.context.store).up()
        self.context.database.apply_init_files(self.compose.service(self.context.store))
        self.start_tiers()
        self.verify()
        self.context.console.say("✓ what was deployed last serves again")

    def fail(self, failure: Failure) -> None:
        """After a failure what ran before serves again, or it is said that nothing does. Raises Failure."""
        self.context.console.say(str(failure))
        what = f"could not {self.doing}: {self.explain() or failure}"
        self.remove_trial()
        self.remove_candidates()
        if not self.touched:
            raise Failure(f"{what}. Nothing was changed: what ran before is as it was") from None
        if self.releases.exists():
            try:
                self.go_back()
            except Failure as second:
                self.context.console.error(str(second))
                self.explain()
                raise self.given_up(f"{what}, nor go back to what was deployed before") from None
            raise Failure(
                f"{what}. What was deployed before serves, and passed its checks; your files still say what failed"
            ) from None
        try:
            self.verify()
        except Failure:
            raise self.given_up(what) from None
        raise Failure(f"{what}. What runs now passes all checks nevertheless, and serves") from None

    def given_up(self, what: str) -> Failure:
        """How things are in the end, for which the agent itself is asked: checks may fail while it serves."""
        service, front = (self.compose.service(name) for name in (self.context.agent, self.context.front))
        try:
            self.ask_agent(service.container_id)
            answers = all(each.state == HEALTHY for each in front.containers()) and front.container_id
        except Failure:
            answers = ""
        if answers:
            return Failure(
                f"{what}. The agent answers nevertheless; what is above says what is wrong. Then: ./deploy.sh"
            )
        return NotServing(f"{what}. The agent does not serve. What is above says why; when it is mended: ./deploy.sh")

    def explain(self) -> str:
        """Show the end of the log of what is the reason, and say how that is.

        Where all are healthy and answer wrongly nevertheless, show what agent and interface say.
        """
        trial = self.context.docker.container(self.trial)
        if trial:
            self.show_log(f"the new {self.context.agent}", trial)
            return "it was " + trial.state.replace(HEALTHY, "healthy, but did not answer as it should")
        found = {each.service: each for each in reversed(self.compose.containers())}
        for container in (found[name] for name in self.concerned if name in found):
            if container.status == "created":
                env_file = self.context.env_file
                return f"{container.service} was not started. If its port is in use, choose another in {env_file}"
            if container.state != HEALTHY:
                self.show_log(container.service, container)
                return f"{container.service} is {container.state}"
        for name in self.concerned:
            if name != self.context.store and name in found:
                self.show_log(name, found[name])
        return ""

    def show_log(self, name: str, container: Container) -> None:
        """The end of what a container has said."""
        self.context.console.say(f"── the end of the log of {name}\n{self.context.docker.log_of(container.id)}")


def _answers(context: Context, service: Service) -> bool:
    try:
        context.database.check_answers(service)
    except Failure:
        return False
    return True
