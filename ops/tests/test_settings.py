import os
import socket
from pathlib import Path

import pytest

from operations import settings
from operations.context import Context
from operations.errors import Failure
from operations.settings import EnvFile, refuse_weak


def values(context: Context) -> dict[str, str]:
    env = settings.read(context.env_file)
    return {name: env.entries[place].partition("=")[2] for name, place in env.variables().items()}


def test_a_new_file_is_the_template_with_fresh_secrets(context: Context) -> None:
    context.complete_settings()
    text = context.env_file.read_text()
    assert text.startswith("# The settings.\n\n# The database.\nDB_NAME=lyco\n")
    made = values(context)
    secrets = [made[name] for name in ("DB_PASSWORD", "DB_ADMIN_PASSWORD", "AGENT_TOKEN", "BACKUP_KEY")]
    assert all(len(secret) == 48 for secret in secrets)
    assert len(set(secrets)) == 4
    assert made["API_KEYS"].startswith("default:")
    assert context.env_file.stat().st_mode & 0o777 == 0o600


def test_a_second_run_changes_nothing(context: Context) -> None:
    context.complete_settings()
    before = context.env_file.read_bytes()
    context.complete_settings()
    assert context.env_file.read_bytes() == before


def test_what_is_missing_is_added_with_its_comment_and_all_else_is_kept(context: Context) -> None:
    kept = (
        "export DB_NAME='mine' # a comment\r\nMINE=\"two\nlines\"\nDB_ADMIN_PASSWORD=p@s:s/w#r%d!\nAGENT_TOKEN="
        + "t" * 20
    )
    context.env_file.write_bytes(kept.encode())
    context.complete_settings()
    text = context.env_file.read_bytes().decode()
    assert text.startswith(kept + "\n")
    assert "# Password of the role. Generated.\nDB_PASSWORD=" in text
    assert "DB_NAME=lyco" not in text


def test_the_run_says_what_it_did_and_no_secret(context: Context, said) -> None:
    context.env_file.write_text("MINE=1\nDB_NAME=x\n")
    context.complete_settings()
    text = said.getvalue()
    assert f"not used any more, and kept in {context.env_file}: MINE" in text
    assert "generated: DB_PASSWORD DB_ADMIN_PASSWORD AGENT_TOKEN BACKUP_KEY API_KEYS" in text
    assert values(context)["DB_PASSWORD"] not in text


def test_a_port_that_is_in_use_is_replaced_by_the_next(context: Context, said) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        template = context.root / ".env.template"
        template.write_text(template.read_text().replace("AGENT_PORT=8000", f"AGENT_PORT={port}"))
        context.complete_settings()
    assert int(values(context)["AGENT_PORT"]) > port
    assert f"not {port}" in said.getvalue()


def test_a_quote_that_is_never_closed_is_an_error_and_nothing_is_written(context: Context) -> None:
    context.env_file.write_text("DB_NAME='x\nOTHER=1\n")
    with pytest.raises(Failure, match="a quote is opened and never closed: DB_NAME"):
        context.complete_settings()
    assert context.env_file.read_text() == "DB_NAME='x\nOTHER=1\n"


PASSWORD = "a-long-enough-password"


@pytest.mark.parametrize(
    "line",
    [
        f"DB_PASSWORD={PASSWORD}",
        f"DB_PASSWORD={PASSWORD} # it's mine",
        f"DB_PASSWORD='{PASSWORD}'",
        f'DB_PASSWORD="{PASSWORD}" # "mine"',
        f"export DB_PASSWORD={PASSWORD}",
        f'  DB_PASSWORD = "{PASSWORD}"  ',
        f"DB_PASSWORD: {PASSWORD}",
        f"DB_PASSWORD={PASSWORD}\r",
        f"DB_PASSWORD='{PASSWORD}'\r",
        f"DB_PASSWORD=\nDB_PASSWORD={PASSWORD}",
        f"\ufeffDB_PASSWORD={PASSWORD}",
        "DB_PASSWORD=#a-password-that-begins-so",
        'DB_PASSWORD="a backslash at the end\\\\"',
        'DB_PASSWORD="two\nlines that are long enough"',
        "DB_PASSWORD='it\\'s a long password'",
    ],
)
def test_a_password_that_is_there_is_kept(context: Context, line: str) -> None:
    context.env_file.write_bytes(f"# mine\n{line}".encode() if line[0] != "\ufeff" else line.encode())
    context.complete_settings()
    entries = [entry for entry in settings.read(context.env_file).entries if "DB_PASSWORD" in entry]
    assert "\n".join(entries) == line.removeprefix("\ufeff")


@pytest.mark.parametrize("line", ["A=''", 'A=""', "A=", "A=  # none", "export A = ", 'A="" # blank', "A=\r", "A:"])
def test_what_counts_as_blank(line: str) -> None:
    assert EnvFile(f"{line}\n", ".env").is_blank(0)


@pytest.mark.parametrize("line", ["A='#'", "A=0", 'A="\\""', "A=x # y"])
def test_what_counts_as_a_value(line: str) -> None:
    assert not EnvFile(f"{line}\n", ".env").is_blank(0)


def test_the_last_of_a_variable_counts() -> None:
    assert EnvFile("A=1\nB=2\nA=3\n", ".env").variables() == {"A": 2, "B": 1}


@pytest.mark.parametrize("value", ["changeme-please-do-it", "short", "", "0123456789abcde"])
def test_weak_secrets_are_refused(value: str) -> None:
    with pytest.raises(Failure, match="AGENT_TOKEN in .env is a default, or has less than 16 characters"):
        refuse_weak("AGENT_TOKEN", value, Path(".env"), named=False)


def test_a_password_of_the_database_may_be_shorter_than_what_the_services_refuse() -> None:
    refuse_weak("DB_PASSWORD", "0123456789ab", Path(".env"), named=False)
    with pytest.raises(Failure, match="less than 12"):
        refuse_weak("DB_PASSWORD", "0123456789a", Path(".env"), named=False)


def test_each_key_of_a_list_is_judged() -> None:
    refuse_weak("API_KEYS", f"a:{'x' * 16},b:{'y' * 16}", Path(".env"), named=True)
    with pytest.raises(Failure, match="API_KEYS"):
        refuse_weak("API_KEYS", f"a:{'x' * 16},b:short", Path(".env"), named=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write in the name of another")
def test_what_root_writes_belongs_to_whom_the_folder_belongs_to(context: Context) -> None:
    os.chown(context.root, 4711, 4712)
    context.complete_settings()
    assert (context.env_file.stat().st_uid, context.env_file.stat().st_gid) == (4711, 4712)
