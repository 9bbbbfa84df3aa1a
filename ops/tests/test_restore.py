from pathlib import Path

import pytest
from conftest import Project

from operations import backup, deploy, restore
from operations.deploy import Options
from operations.errors import Failure

BASE = "lyco_lyco_data"


@pytest.fixture
def written(project: Project) -> Path:
    """A backup of what runs."""
    deploy.deploy(project.context, Options())
    return backup.back_up(project.context, project.context.compose())


def suffix(project: Project) -> str:
    return project.context.compose().value("POSTGRES_DATA_SUFFIX")


def leftovers(project: Project) -> list[str]:
    folder = project.root / "backups"
    label = "com.docker.compose.project"
    beside = [each["Id"] for each in project.engine.containers if each["Config"]["Labels"][label] != "lyco"]
    return [path.name for path in folder.iterdir() if path.suffix != ".backup"] + beside


def test_a_backup_is_restored_into_a_new_volume_and_the_former_is_kept(project: Project, written: Path, said) -> None:
    restore.from_file(project.context, written, signed=True)
    assert project.database.loaded == b"2 threads\n"
    assert suffix(project).startswith("-2")
    assert {*project.engine.volumes} == {BASE, f"{BASE}{suffix(project)}"}
    assert project.engine.containers[-1]["Config"]["Labels"]["com.docker.compose.project"] == "lyco"
    assert f"to go back to it:  ops/three-tier restore --volume {BASE}\n" in said.getvalue()
    assert leftovers(project) == []


def test_what_differs_from_what_was_backed_up_is_not_used(project: Project, written: Path) -> None:
    before = project.running()
    project.database.data = b"1 threads\n"
    with pytest.raises(Failure, match="The backup was not restored, as said above. Nothing was changed"):
        restore.from_file(project.context, written, signed=True)
    assert (suffix(project), {*project.engine.volumes}, project.running()) == ("", {BASE}, before)
    assert leftovers(project) == []


def test_a_drill_leaves_nothing(project: Project, written: Path, said) -> None:
    before = project.engine.state()
    restore.drill(project.context, signed=True)
    assert f"✓ {written.name} can be restored: 2 threads, as they were at" in said.getvalue()
    assert project.engine.state() == before
    assert leftovers(project) == []


def test_without_a_backup_a_drill_says_how_to_write_one(project: Project) -> None:
    deploy.deploy(project.context, Options())
    with pytest.raises(Failure, match="there is no backup of lyco in .*: ops/three-tier backup writes one"):
        restore.drill(project.context, signed=True)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", ["compare it with what was backed up", "start the tiers on the volume"])
def test_after_a_kill_the_same_command_finishes(
    project: Project, written: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    plain = project.context.console.step

    def killed(title: str) -> None:
        plain(title)
        if title.startswith(step):
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(project.context.console, "step", killed)
        patched.setattr("operations.restore._Restore.clean_up", lambda _: None)  # as after kill -9
        with pytest.raises(Killed):
            restore.from_file(project.context, written, signed=True)
    assert leftovers(project) != []
    monkeypatch.setattr("operations.backups.STAMP", "%Y%m%dT%H%M%S9")  # another second
    former = suffix(project)
    restore.from_file(project.context, written, signed=True)
    assert suffix(project) != former
    assert leftovers(project) == []
    kept = {BASE, f"{BASE}{former}", f"{BASE}{suffix(project)}"}
    assert {*project.engine.volumes} == kept


def test_the_way_back_is_a_volume_of_this_project_that_is_there(project: Project, written: Path) -> None:
    restore.from_file(project.context, written, signed=True)
    with pytest.raises(Failure, match="is no volume of lyco"):
        restore.volume(project.context, "another_volume")
    with pytest.raises(Failure, match="does not exist. Nothing was changed"):
        restore.volume(project.context, f"{BASE}-20200101T000000Z")
    restore.volume(project.context, BASE)
    assert suffix(project) == ""


def test_where_a_tier_does_not_work_on_it_the_way_back_is_said(project: Project, written: Path) -> None:
    project.verdicts = ["it does not answer"]
    with pytest.raises(Failure, match=f"uses the volume .* now(.|\n)*restore --volume {BASE}$"):
        restore.from_file(project.context, written, signed=True)
    assert leftovers(project) == []
