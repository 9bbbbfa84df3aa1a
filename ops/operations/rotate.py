"""rotate: replaces the secrets of the running system by new ones."""

from pathlib import Path

from operations import deploy, files, settings
from operations.context import Context
from operations.errors import Failure

ROTATED = ("DB_PASSWORD", "DB_ADMIN_PASSWORD", "AGENT_TOKEN")  # and what the interface has


def command(context: Context) -> None:
    """Make new secrets, and have everything that runs use them; what was interrupted goes on with those it has made.

    Raises:
        Failure: it is not done yet.
    """
    pending = Path(f"{context.env_file}.rotation")  # which the database may know already and the settings do not
    settled = Path(f"{context.env_file}.rotated")  # which the settings have and what runs may not
    with context.exclusive("rotate"):
        if not context.env_file.exists():
            raise Failure(f"there is no {context.env_file}, so nothing is deployed: ./deploy.sh")
        try:
            _rotate(context, pending, settled)
        except Failure as failure:
            context.console.say(str(failure))
            if pending.exists() or settled.exists():
                raise Failure(
                    "new secrets are made, but not everywhere in use. What is above says why; when it is mended:\n"
                    "  ops/three-tier rotate   goes on where this has stopped"
                ) from None
            raise Failure(
                "the secrets are those of before. What is above says why; when it is mended: ops/three-tier rotate"
            ) from None
        settled.unlink()
        context.console.say("✓ only the new secrets are valid")


def _rotate(context: Context, pending: Path, settled: Path) -> None:
    if pending.exists() or settled.exists():
        context.console.step("go on with a rotation that was interrupted")
    else:
        context.console.step("make new secrets")
        context.complete_settings()
        context.start_database(context.compose())
        files.replace(pending, _new_secrets(context))
    if pending.exists():
        context.console.step(f"put them into the database and {context.env_file}")
        compose = context.compose()
        context.start_database(compose)
        new = settings.read(pending)
        values = {name: new.entries[place].partition("=")[2] for name, place in new.variables().items()}
        service = compose.service(context.store)
        context.database.set_administrator_password(service, values["DB_ADMIN_PASSWORD"])
        env = settings.read(context.env_file)
        for name, value in values.items():
            env.set(name, value)
        files.replace(context.env_file, env.text())
        pending.replace(settled)
    context.console.step("replace what runs")
    deploy.deploy(context, deploy.Options(backup=False))  # which would log in with what the database had before


def _new_secrets(context: Context) -> str:
    new = {name: settings.random_secret() for name in ROTATED}
    new |= context.interface.new_secrets(context.compose())
    return "".join(f"{name}={value}\n" for name, value in new.items())
