"""What the commands that need Docker work with: the services of the project, and the kinds of its tiers."""

from dataclasses import dataclass, field
from pathlib import Path

from operations import files, settings
from operations.compose import Compose, Service, files_of
from operations.console import SHORTEST_SECRET
from operations.contracts import Database, Interface
from operations.docker import Docker
from operations.errors import Failure, UsageError
from operations.kinds import DATABASE, INTERFACE
from operations.workspace import Workspace

TIERS = ("agent", "interface")  # those whose images are built here
# Settings that this program reads and no container gets.
OWN_SETTINGS = ("BACKUP_DAYS", "BACKUP_KEEP", "BACKUP_KEY", "BACKUP_UPLOAD_CMD", "RESTIC_PASSWORD", "RESTIC_REPOSITORY")


@dataclass
class Context(Workspace):
    """A project whose tiers are all there."""

    database: Database = DATABASE
    interface: Interface = INTERFACE
    docker: Docker = field(init=False)

    def __post_init__(self) -> None:
        """Reach the engine through the programs."""
        self.docker = Docker(self.programs)

    @classmethod
    def of(cls, workspace: Workspace) -> "Context":
        """The project of a run."""
        context = cls(workspace.root, workspace.env_file, workspace.console, workspace.programs)
        context.lock_wait = workspace.lock_wait
        return context

    @property
    def agent(self) -> str:
        """The name of the agent's service."""
        return f"{self.name}-agent"

    @property
    def store(self) -> str:
        """The name of the database's service."""
        return f"{self.name}-{self.database.kind}"

    @property
    def front(self) -> str:
        """The name of the interface's service."""
        return f"{self.name}-interface"

    @property
    def services(self) -> tuple[str, str, str]:
        """From the bottom to the top, as they depend on each other."""
        return self.store, self.agent, self.front

    def service_of(self, tier: str) -> str:
        """The service that a person means. Raises UsageError."""
        tiers = {"db": self.store, **{name.removeprefix(f"{self.name}-"): name for name in self.services}}
        if tier not in tiers:
            raise UsageError(f"{tier} is no tier; one of {', '.join(tiers)}")
        return tiers[tier]

    @property
    def names(self) -> dict[str, str]:
        """The names of the services by what they are."""
        return {"store": self.store, "agent": self.agent, "front": self.front}

    @property
    def suffix_variable(self) -> str:
        """The setting that the name of the data's volume ends in; each kind of database has one for its own volumes."""
        return f"{self.database.kind.upper()}_DATA_SUFFIX"

    def compose(self, env_file: Path | None = None) -> Compose:
        """The project as its files and settings say now. Raises Failure where there are no settings."""
        chosen = env_file or self.env_file
        if not chosen.is_file():
            raise Failure(f"there is no {chosen}: ./deploy.sh makes it")
        variables = settings.read(chosen).variables()
        asked = tuple(sorted({*variables, *OWN_SETTINGS}))
        compose = Compose(self.docker, self.root, files_of(self.root), chosen, settings=asked)
        self.hide(compose)
        return compose

    def hide(self, compose: Compose) -> None:
        """Let the console show none of the secrets."""
        values = [compose.value(name) for name in compose.settings if settings.SECRET.search(name)]
        parts = {part for value in values for part in (value, *value.replace(",", ":").split(":"))}
        found = {part.strip() for part in parts if len(part.strip()) >= SHORTEST_SECRET}
        self.console.secrets = tuple(sorted({*self.console.secrets, *found}, key=len, reverse=True))

    def start_database(self, compose: Compose, *, unless_running: bool = False) -> None:
        """Start the database, whose user must be able to read its files. Raises CommandFailed."""
        files.make_readable([self.root / name for name in self.database.files])
        service = compose.service(self.store)
        if unless_running and self._runs(service):
            return
        service.up()

    def _runs(self, service: Service) -> bool:
        found = service.containers()
        wanted = service.compose.hashes[service.name]
        return bool(found) and all(each.state == "running, healthy" and each.config_hash == wanted for each in found)

    def data_volume(self, compose: Compose) -> str:
        """The volume that the settings name."""
        return str(compose.config["volumes"][f"{self.name}_data"]["name"])
