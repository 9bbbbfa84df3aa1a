"""test: runs the tests of agent and interface, and those of the agent's memory against a real database."""

import secrets
from pathlib import Path

from operations.context import TIERS, Context
from operations.errors import Failure

MEMORY_TESTS = """
export TEST_DATABASE_URL="${DATABASE_URL}" TEST_DATABASE_PASSWORD="${DATABASE_PASSWORD}"
exec python -m pytest -p no:cacheprovider tests/test_memory.py "tests/test_$1.py"
"""


def command(context: Context) -> None:
    """Test in images and a project of their own, of which nothing is left afterwards. Raises Failure."""
    name = f"{context.name}-test-{secrets.token_hex(4)}"
    context.env_file = context.root / f".env.test-{name[-8:]}"
    context.programs.variables["COMPOSE_PROJECT_NAME"] = name
    try:
        for tier in TIERS:
            context.console.step(f"the tests of the {tier}")
            tag = ("--target", "test", "--tag", f"{name}-{tier}")
            context.programs.follow("docker", "build", "--progress", "plain", *tag, str(context.root / tier))
        context.console.step("the tests of the memory, on a database")
        context.complete_settings()
        compose = context.compose()
        context.start_database(compose)
        run = compose.command("run", "--rm", "--no-deps", "--no-TTY", context.agent)
        context.programs.follow(*run, "sh", "-s", "--", context.database.kind, given=MEMORY_TESTS)
    except Failure as failure:
        raise Failure(f"tests failed: {failure}") from None
    finally:
        _remove(context, name)
    context.console.say("All tests passed.")


def _remove(context: Context, name: str) -> None:
    env_file: Path = context.env_file
    if env_file.exists():
        context.compose().follow("down", "--volumes", "--timeout", "5")
        env_file.unlink()
    context.docker.succeeds("image", "rm", *(f"{name}-{tier}" for tier in TIERS))
