"""restore: brings a backup back, or proves that it can be brought back."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from operations import backups, files, settings, verify
from operations.backups import Backup
from operations.compose import Compose
from operations.context import Context
from operations.docker import PROJECT
from operations.errors import Failure, UsageError
from operations.remote import Remote


def from_file(context: Context, path: Path, *, signed: bool) -> None:
    """Restore a backup into a new volume, compare it, and let the project use that. The former volume is kept."""
    with _restoring(context) as restore:
        backup = backups.read(context, restore.compose, path.resolve(), signed=signed)
        restore.repair()
        volume = restore.fill(backup)
        restore.switch(volume)
        context.console.say(f"✓ restored: {backup.holds}, as they were at {backup.taken}")


def from_remote(context: Context, snapshot: str, *, signed: bool) -> None:
    """Restore a backup from the restic repository. Raises Failure."""
    with _remote(context).fetched(snapshot) as path:
        from_file(context, path, signed=signed)


def _remote(context: Context) -> Remote:
    remote = Remote(context, context.compose())
    if not remote.is_set:
        raise UsageError(f"RESTIC_REPOSITORY in {context.env_file} is blank, so no backup is elsewhere")
    return remote


def drill(context: Context, *, signed: bool) -> None:
    """Restore the newest backup in the same way, and throw it away again. Nothing that runs or is stored is touched."""
    begun = time.monotonic()
    with _restoring(context) as restore:
        with _newest(context, restore.compose) as path:
            backup = backups.read(context, restore.compose, path, signed=signed)
            restore.repair()
            restore.fill(backup)
        seconds = time.monotonic() - begun
        held = f"{backup.holds}, as they were at {backup.taken} ({seconds:.0f} s)"
        context.console.say(f"✓ {backup.path.name} can be restored: {held}")


@contextmanager
def _newest(context: Context, compose: Compose) -> Iterator[Path]:
    """The newest backup: where a restic repository is set, the one that would be there if this machine were not."""
    remote, found = Remote(context, compose), backups.list_of(context, compose.name)
    if remote.is_set:
        with remote.fetched() as path:
            yield path
    elif found:
        yield found[-1]
    else:
        there = backups.folder(context)
        raise Failure(f"there is no backup of {compose.name} in {there}: ops/three-tier backup writes one")


def volume(context: Context, name: str) -> None:
    """Let the project use this volume again: the way back."""
    with _restoring(context) as restore:
        suffix = name.removeprefix(restore.base)
        if not (name.startswith(restore.base) and re.fullmatch(r"(-\d{8}T\d{6}Z)?", suffix)):
            raise Failure(
                f"{name} is no volume of {restore.compose.name}, whose names are {restore.base} and\n"
                f"  {restore.base}-TIME. Nothing was changed"
            )
        if not context.docker.has_volume(name):
            raise Failure(f"the volume {name} does not exist. Nothing was changed")
        restore.repair()
        if name == restore.volume:  # an earlier run may have been interrupted before it started the tiers
            restore.start_tiers()
        else:
            restore.switch(name)
        context.console.say(f"✓ the volume {name} is in use")


@contextmanager
def _restoring(context: Context) -> Iterator["_Restore"]:
    """A restore; whatever is unfinished at its end is removed, and where it stands is the last thing said."""
    context.console.record(context.root, "restore")
    with context.exclusive("restore"):
        context.complete_settings()
        restore = _Restore(context, context.compose())
        try:
            yield restore
        except Failure as failure:
            restore.clean_up()
            if not restore.standing:
                raise
            context.console.say(str(failure))
            raise Failure(restore.standing) from None
        else:
            restore.clean_up()
        finally:
            if restore.has_begun:  # it was interrupted
                restore.clean_up()


@dataclass
class _Restore:
    """One restore. A run that is killed leaves a journal, from which the next one knows of its volume."""

    context: Context
    compose: Compose
    standing: str = ""  # how things are, for the last line after a failure
    has_begun: bool = False

    @property
    def volume(self) -> str:
        """The volume that the project uses."""
        return self.context.data_volume(self.compose)

    @property
    def base(self) -> str:
        """The volume that the project began with."""
        suffix = self.compose.value(self.context.suffix_variable)
        return self.volume.removesuffix(suffix) if suffix else self.volume

    @property
    def journal(self) -> Path:
        """What an unfinished restore is known by: its new volume, and the one that is in use."""
        return backups.folder(self.context) / f".{self.compose.name}.restore"

    def repair(self) -> None:
        """Undo an earlier run that was killed before it switched. One that was killed later has lost nothing either."""
        if not self.journal.exists():
            return
        new, former = [*self.journal.read_text().split(), "", ""][:2]
        if self.volume == new:
            self.context.console.say(
                f"An earlier restore was interrupted when it had switched to {new}; before it, {former} was in use."
            )
        else:
            self.context.console.say(f"An earlier restore was interrupted; its unfinished volume {new} is removed.")
        self.clean_up()

    def fill(self, backup: Backup) -> str:
        """Load a backup into a new volume, and compare what is there with what was backed up; the volume."""
        new = self._begin()
        database = self.context.database
        self.context.console.step(f"restore {backup.path.name} into the volume {new}")
        beside = self._beside(new)
        service = beside.service(self.context.store)
        self.context.start_database(beside)
        with backup.data() as data:
            database.load(service, data)
        self.context.console.step("compare it with what was backed up")
        summary = self._summary_of(beside)
        held = backups.holds(summary)
        if held != backup.holds:
            raise Failure(f"the backup held {backup.holds}, but what was restored is {held}")
        if backups.checksum(summary) != backup.manifest["content sha256"]:
            raise Failure(
                f"what was restored has the right number ({held}), but not the\n  contents that were backed up"
            )
        database.apply_init_files(service)
        database.check_answers(service)
        self._remove(beside)
        return new

    def _summary_of(self, compose: Compose) -> str:
        """What a database holds, by way of a dump that nobody keeps."""
        service = compose.service(self.context.store)
        draft = backups.folder(self.context) / f".{self.compose.name}.comparison"
        draft.unlink(missing_ok=True)
        files.create(draft).close()
        try:
            with draft.open("wb") as file:
                self.context.database.dump(service, file.write)
            with draft.open("rb") as dump:
                return self.context.database.summarize(service, dump)
        finally:
            draft.unlink()

    def _begin(self) -> str:
        new = f"{self.base}-{datetime.now(UTC):{backups.STAMP}}"
        if self.context.docker.has_volume(new):
            raise Failure(f"the volume {new} exists already; run this again")
        there = backups.folder(self.context)
        files.make_folder(there, files.PRIVATE_FOLDER)
        files.replace(self.journal, f"{new}\n{self.volume}\n")
        self.has_begun = True
        self.standing = (
            f"The backup was not restored, as said above. Nothing was changed: {self.compose.name} uses the volume\n"
            f"  {self.volume}, as before. To try again: the same command. To try an older backup: ls {there}"
        )
        labels = (f"{PROJECT}={self.compose.name}", f"com.docker.compose.volume={self.context.name}_data")
        self.context.docker.ask("volume", "create", *(word for each in labels for word in ("--label", each)), new)
        return new

    def _beside(self, name: str) -> Compose:
        """A second project with nothing but a database on this volume, which no other tier can reach."""
        overlay = backups.folder(self.context) / f".{self.compose.name}.restore.json"
        volumes = {f"{self.context.name}_data": {"name": name, "external": True}}
        files.replace(overlay, json.dumps({"volumes": volumes}))
        return replace(self.compose, files=(*self.compose.files, overlay), project_name=f"{self.compose.name}_restore")

    def _remove(self, beside: Compose) -> None:
        beside.follow("down", "--remove-orphans", "--timeout", "60")

    def clean_up(self) -> None:
        """Remove the database beside, and its volume, unless that is the project's by now."""
        self.has_begun = False
        if not self.journal.exists():
            return
        self.compose = self.context.compose()
        new = (self.journal.read_text().split() or [""])[0]
        if new:
            self._remove(self._beside(new))
            if new != self.volume:
                self.context.docker.ask("volume", "rm", "--force", new)
        self.journal.unlink()
        (backups.folder(self.context) / f".{self.compose.name}.restore.json").unlink(missing_ok=True)

    def switch(self, new: str) -> None:
        """From one volume to another, of which the former is kept."""
        former = self.volume
        self._use(new)
        self.standing = (
            f"{self.compose.name} uses the volume {new} now, whose data is complete, but a tier does not work\n"
            f"  on it, as said above. When that is mended: ./deploy.sh. To go back:\n"
            f"  ops/three-tier restore --volume {former}"
        )
        self.start_tiers()
        if self.context.docker.has_volume(former):
            self.context.console.say(
                f"\nThe project uses the volume {new}. What was there before is kept on {former}:\n"
                f"  to go back to it:  ops/three-tier restore --volume {former}\n"
                f"  to delete it:      docker volume rm {former}"
            )

    def _use(self, name: str) -> None:
        """Make the volume the project's, all at once, by renaming a complete file."""
        env = settings.read(self.context.env_file)
        env.set(self.context.suffix_variable, name.removeprefix(self.base))
        files.replace(self.context.env_file, env.text())
        self.compose = self.context.compose()
        if self.volume != name:
            raise Failure(f"could not write {self.context.suffix_variable} into {self.context.env_file}")

    def start_tiers(self) -> None:
        """Start what ran before on the volume that is the project's now."""
        begun = time.time()
        if not self.compose.containers():
            self.context.console.say("Nothing of the project ran, so nothing was started. To start it: ./deploy.sh")
            return
        self.context.console.step(f"start the tiers on the volume {self.volume}")
        self.context.start_database(self.compose)
        self.context.database.apply_init_files(self.compose.service(self.context.store))
        self.compose.follow("up", "--detach", "--wait", "--wait-timeout", "120")
        verify.verify(self.context, self.compose, crashes_since=begun)
