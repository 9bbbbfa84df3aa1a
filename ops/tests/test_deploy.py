import os

import pytest
from conftest import Project

from operations import deploy
from operations.deploy import Options
from operations.errors import Failure, NotServing
from operations.releases import Releases

AGENT, INTERFACE, STORE = "lyco-agent", "lyco-interface", "lyco-postgres"
BUSY = [0, "POST /invoke: 503 The agent has too much to do."]
WRONG = [1, "POST /invoke: 500 The agent could not answer."]


def run(project: Project, **options: bool) -> None:
    deploy.deploy(project.context, Options(**options))


def fails(project: Project, error: type[Failure] = Failure) -> str:
    with pytest.raises(Failure) as failed:
        run(project)
    assert type(failed.value) is error
    return str(failed.value)


def test_a_first_deployment_starts_all_and_keeps_what_it_can_go_back_to(project: Project, said) -> None:
    run(project)
    assert [image for _, image in project.running().values()] == ["sha256:postgres", "sha256:first", "sha256:first"]
    assert Releases(project.context, "lyco").images() == {
        "lyco-agent:latest": "sha256:first",
        "lyco-interface:latest": "sha256:first",
    }
    assert not [name for name in project.engine.images if name.endswith(":candidate")]
    assert "✓ deployed lyco in" in said.getvalue()
    assert not (project.root / "backups").exists()


def test_a_second_one_without_a_change_backs_up_and_replaces_nothing(project: Project, said) -> None:
    run(project)
    before = project.running()
    run(project)
    assert project.running() == before
    assert len(list((project.root / "backups").glob("*.backup"))) == 1
    assert "try the new agent" not in said.getvalue()
    run(project, backup=False)
    assert len(list((project.root / "backups").glob("*.backup"))) == 1


def test_a_secret_is_judged_as_compose_reads_it(project: Project) -> None:
    project.context.env_file.write_text("DB_PASSWORD=abc$HOME_OF_NOBODY$DEFAULT_OF_NOTHING\n")
    assert "DB_PASSWORD" in fails(project)
    assert project.running() == {}


def test_a_dry_run_changes_nothing(project: Project, said) -> None:
    before = project.engine.state()
    run(project, dry_run=True)
    assert project.engine.state() == before
    assert not project.context.env_file.exists()
    assert "Would now:" in said.getvalue()


def test_a_new_agent_takes_the_place_of_the_old_one_after_its_trial(project: Project, said) -> None:
    run(project)
    before = project.running()
    project.change("agent", "second")
    run(project)
    after = project.running()
    assert after[AGENT][1] == "sha256:second"
    assert (after[STORE], after[INTERFACE]) == (before[STORE], before[INTERFACE])
    assert "try the new agent beside the one that serves" in said.getvalue()
    assert "sha256:first" not in project.engine.images.values() or after[INTERFACE][1] == "sha256:first"


@pytest.mark.parametrize(("exits", "says"), [(["sha256:second"], {}), ([], {"sha256:second": WRONG})])
def test_a_broken_agent_never_serves(project: Project, exits: list[str], says: dict[str, list[object]]) -> None:
    run(project)
    before = project.running()
    project.change("agent", "second")
    project.engine.exits, project.engine.says = exits, says
    reason = fails(project)
    assert reason.startswith("could not try the new agent beside the one that serves: it was ")
    assert "What was deployed before serves" in reason
    assert project.running() == before


def test_an_agent_that_others_keep_from_answering_like_the_old_one_is_taken(project: Project) -> None:
    run(project)
    project.change("agent", "second")
    project.engine.says = {"sha256:second": BUSY, "sha256:first": BUSY}
    run(project)
    assert project.running()[AGENT][1] == "sha256:second"


def test_an_agent_that_cannot_answer_where_the_old_one_can_is_not_taken(project: Project) -> None:
    run(project)
    project.change("agent", "second")
    project.engine.says = {"sha256:second": BUSY}
    fails(project)
    assert project.running()[AGENT][1] == "sha256:first"


def test_a_broken_interface_is_replaced_by_the_one_before(project: Project) -> None:
    run(project)
    project.change("interface", "second")
    project.engine.exits = ["sha256:second"]
    reason = fails(project)
    assert reason.startswith("could not start agent and interface: lyco-interface is exited with status 1. What was")
    assert project.running()[INTERFACE][1] == "sha256:first"
    assert project.engine.images["lyco-interface:latest"] == "sha256:first"


def test_where_nothing_serves_it_says_so(project: Project) -> None:
    project.engine.exits = ["sha256:first"]
    assert "The agent does not serve." in fails(project, NotServing)


def test_a_check_that_fails_while_the_agent_answers_is_not_called_not_serving(project: Project) -> None:
    project.verdicts = ["a check failed", "it failed again"]
    assert "The agent answers nevertheless" in fails(project)
    run(project)
    project.change("interface", "second")
    project.verdicts = ["a check failed", "and after going back, too"]
    assert "nor go back to what was deployed before. The agent answers nevertheless" in fails(project)


def test_a_check_that_fails_has_what_was_deployed_before_back(project: Project, said) -> None:
    run(project)
    project.change("interface", "second")
    project.verdicts = ["a check failed"]
    assert fails(project).startswith("could not verify the tiers: a check failed. What was deployed before serves")
    assert project.running()[INTERFACE][1] == "sha256:first"
    assert "✓ what was deployed last serves again" in said.getvalue()


def test_going_back_by_itself(project: Project) -> None:
    project.context.complete_settings()
    with pytest.raises(NotServing, match="so there is none to go back to"):
        deploy.roll_back(project.context)
    run(project)
    project.change("interface", "second")
    project.context.compose().follow("build", TAG="latest")
    project.context.compose().follow("up")
    assert project.running()[INTERFACE][1] == "sha256:second"
    deploy.roll_back(project.context)
    assert project.running()[INTERFACE][1] == "sha256:first"


def test_clean_up_fails_no_deployment(project: Project, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    run(project)
    monkeypatch.setattr("operations.files.remove_tree", lambda _: False)
    run(project)
    assert "belongs to another user: it may be removed as root" in capsys.readouterr().err

    def refused(*_: object) -> None:
        raise PermissionError("not yours")

    monkeypatch.setattr(Releases, "keep", refused)
    run(project)
    assert "! this release could not be kept, so none can be gone back to: not yours" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write in the name of another")
def test_what_root_deploys_in_anothers_folder_belongs_to_whom_the_folder_belongs_to(project: Project) -> None:
    os.chown(project.root, 4711, 4712)
    run(project)
    run(project)
    made = [project.root / name for name in (".deployed", "backups", ".env", ".lock")]
    paths = [path for folder in made for path in (folder, *folder.rglob("*"))]
    assert len(paths) > 8
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in paths} == {(4711, 4712)}


def test_what_a_run_that_was_killed_left_is_removed(project: Project) -> None:
    run(project)
    before = project.running()
    trial = {**project.engine.containers[1], "Id": "c99", "Name": "/lyco-agent-trial"}
    project.engine.containers = [*project.engine.containers, trial]
    run(project)
    assert project.running() == before


def test_nothing_is_deployed_during_a_rotation(project: Project) -> None:
    run(project)
    (project.root / ".env.rotation").touch()
    assert "ops/three-tier rotate goes on" in fails(project)
