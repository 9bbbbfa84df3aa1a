"""The release that passed its checks last: images, Compose files, settings, and the files that containers see."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from operations import files, settings
from operations.compose import Compose, files_of
from operations.context import TIERS, Context

LAST = "last"  # a link to the folder beside it, so that it changes in one step


@dataclass(frozen=True)
class Releases:
    """The releases of one copy of a project; another kind of database has its own."""

    context: Context
    project: str

    @property
    def folder(self) -> Path:
        """Where they are kept."""
        return self.context.root / ".deployed" / f"{self.project}-{self.context.database.kind}"

    @property
    def last(self) -> Path:
        """The one to go back to."""
        return self.folder / LAST

    def exists(self) -> bool:
        """Whether there is one to go back to."""
        return (self.last / "images").exists()

    def images(self) -> dict[str, str]:
        """The id of each image by its name."""
        lines = (self.last / "images").read_text().splitlines() if self.exists() else []
        return dict(line.split() for line in lines)

    def keep(self, compose: Compose) -> None:
        """Remember what runs now. What is interrupted here leaves the former release or the new one."""
        docker, names = self.context.docker, [compose.service(f"{self.context.name}-{tier}").image for tier in TIERS]
        images = dict(zip(names, docker.image_ids(*names), strict=True))
        former = self.images()
        files.make_folder(self.folder.parent, files.PRIVATE_FOLDER)
        files.make_folder(self.folder, files.PRIVATE_FOLDER)
        draft = Path(tempfile.mkdtemp(dir=self.folder))
        for source in (*compose.files, *compose.mounted_files()):
            target = draft / source.relative_to(self.context.root)
            files.make_folder(target.parent)
            shutil.copy2(source, target)
        shutil.copyfile(compose.env_file, draft / ".env")
        (draft / ".env").chmod(files.PRIVATE)
        (draft / "images").write_text("".join(f"{name} {id_}\n" for name, id_ in images.items()))
        for path in (draft, *draft.rglob("*")):
            files.give_to_owner(path)
        for name, image in images.items():
            docker.ask("tag", image, f"{name.rpartition(':')[0]}:deployed")  # with a name, so that it is not pruned
        os.sync()
        link = self.folder / f"{LAST}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(draft.name)
        files.give_to_owner(link)
        link.replace(self.last)
        self._forget(draft, set(former.values()) - set(images.values()))

    def _forget(self, kept: Path, images: set[str]) -> None:
        """Remove what was kept before. What cannot be removed is in nobody's way."""
        others = [each for each in self.folder.iterdir() if each.is_dir() and not each.is_symlink() and each != kept]
        left = [str(each) for each in others if not files.remove_tree(each)]
        if left:
            self.context.console.warn(f"{' '.join(left)} belongs to another user: it may be removed as root")
        for facts in self.context.docker.inspect("image", images):
            if not facts["RepoTags"]:
                self.context.docker.succeeds("image", "rm", facts["Id"])

    def go_back(self) -> Compose:
        """The project as the last release had it, with its images under their names again.

        Which data is in use is no part of a release, nor are secrets that are being replaced: the one or the other may
        have changed since, and the database with it.
        """
        for name, image in self.images().items():
            self.context.docker.ask("tag", image, name)
        env = settings.read(self.last / ".env")
        current = settings.read(self.context.env_file)
        rotated = Path(f"{self.context.env_file}.rotated")
        newer = [current.entries[place] for name, place in current.variables().items() if name.endswith("_DATA_SUFFIX")]
        newer += settings.read(rotated).entries if rotated.exists() else []
        env.entries += newer
        env_file = self.last / "going-back.env"
        files.replace(env_file, env.text())
        names = tuple({*env.variables(), *current.variables()})
        plain = Compose(self.context.docker, self.context.root, files_of(self.last), env_file, settings=names)
        overlay = self.last / "going-back.json"
        files.replace(overlay, json.dumps({"services": self._mounts(plain)}))
        self.context.hide(plain)
        return Compose(self.context.docker, self.context.root, (*plain.files, overlay), env_file, settings=names)

    def _mounts(self, compose: Compose) -> dict[str, object]:
        """The files that have changed since, as they are kept; a container that needs no other is left alone."""
        services: dict[str, object] = {}
        for name, facts in compose.config["services"].items():
            changed = [
                {**mount, "source": str(self._kept(mount["source"]))}
                for mount in facts.get("volumes", ())
                if mount["type"] == "bind" and self._has_changed(mount["source"])
            ]
            if changed:
                services[name] = {"volumes": changed}
        return services

    def _kept(self, source: str) -> Path:
        path = Path(source)
        inside = path.is_relative_to(self.context.root)
        return self.last.resolve() / path.relative_to(self.context.root) if inside else path

    def _has_changed(self, source: str) -> bool:
        kept, path = self._kept(source), Path(source)
        return kept.is_file() and (not path.is_file() or kept.read_bytes() != path.read_bytes())
