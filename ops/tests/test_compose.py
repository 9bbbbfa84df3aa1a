import json
from pathlib import Path

import pytest
from conftest import stub

from operations import preflight
from operations.compose import files_of
from operations.context import Context
from operations.docker import Container
from operations.errors import Failure

CONFIG = {
    "name": "lyco",
    "services": {
        "lyco-agent": {
            "image": "lyco-agent:latest",
            "mem_limit": "536870912",
            "cpus": 0.5,
            "pids_limit": 100,
            "scale": 3,
            "ports": [{"target": 8000, "published": "8000-8002", "host_ip": "127.0.0.1"}],
        },
        "lyco-interface": {"image": "i", "ports": [{"target": 8080, "host_ip": "::1"}]},
        "lyco-postgres": {"image": "p", "environment": {"POSTGRES_PASSWORD": "a$$b"}},
    },
    "volumes": {"lyco_data": {"name": "lyco_lyco_data"}},
    "x-settings": {"DB_PASSWORD": "p@s:s/w#r%d $$x $$$$y"},
}


@pytest.fixture
def configured(context: Context) -> Context:
    context.env_file.write_text("DB_PASSWORD=x\n")
    (context.root / "docker-compose.yml").touch()
    stub(context, "docker", f"cat >/dev/null; cat <<'JSON'\n{json.dumps(CONFIG)}\nJSON")
    return context


def test_values_are_what_compose_reads(configured: Context) -> None:
    compose = configured.compose()
    assert compose.value("DB_PASSWORD") == "p@s:s/w#r%d $x $$y"
    assert compose.service("lyco-postgres").environment["POSTGRES_PASSWORD"] == "a$b"
    assert configured.data_volume(compose) == "lyco_lyco_data"


def test_ports_and_limits(configured: Context) -> None:
    compose = configured.compose()
    assert [(port.first, port.last, str(port.address)) for port in compose.ports] == [
        (8000, 8002, "127.0.0.1"),
        (0, 0, "::1"),
    ]
    assert compose.limits("lyco-agent") == (536870912, 500_000_000, 100)


def test_each_replica_needs_a_port(configured: Context) -> None:
    preflight.check_replicas(configured, configured.compose())
    configured.compose().config["services"]["lyco-agent"]["scale"] = 3
    compose = configured.compose()
    compose.config["services"]["lyco-agent"]["scale"] = 4
    with pytest.raises(Failure, match="write AGENT_PORT=8000-8003 into"):
        preflight.check_replicas(configured, compose)


@pytest.mark.parametrize("name", ["compose.override.yaml", "docker-compose.override.yml"])
def test_an_override_counts(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert files_of(tmp_path) == (tmp_path / "docker-compose.yml", tmp_path / name)


def test_settings_that_do_not_fit_are_named(context: Context, said) -> None:
    context.env_file.write_text("A=1\n")
    stub(
        context,
        "docker",
        "cat >/dev/null; echo 'required variable DB_NAME is missing: set DB_NAME in .env' >&2; exit 1",
    )
    with pytest.raises(Failure, match="the settings in .*env do not fit docker-compose.yml"):
        _ = context.compose().config
    assert "set DB_NAME in .env" in said.getvalue()


def container(**state: object) -> Container:
    return Container(
        {
            "Id": "1",
            "Name": "/lyco-agent-1",
            "Image": "sha256:1",
            "State": {"Status": "running", "Running": True, "ExitCode": 0, **state},
            "Config": {"Labels": {}, "Env": ["A=b=c", "D="]},
        }
    )


def test_how_a_container_is_in_words() -> None:
    assert container(Health={"Status": "healthy"}).state == "running, healthy"
    assert container().state == "running"
    assert container(Status="exited", Running=False, ExitCode=1).state == "exited with status 1"
    assert container().environment == {"A": "b=c", "D": ""}


@pytest.mark.parametrize(("version", "is_enough"), [("25.0.1", True), ("26.1.5+dfsg1", True), ("24.0.9", False)])
def test_versions(version: str, is_enough: bool) -> None:  # noqa: FBT001  # a column of the table
    if is_enough:
        preflight.require("the engine", version, (25, 0), "get it")
    else:
        with pytest.raises(Failure, match="is 24.0.9, but 25.0 or newer is needed: get it"):
            preflight.require("the engine", version, (25, 0), "get it")
