"""The agent in a process of its own, as the main.py of a project starts it."""

import os
import sys
from pathlib import Path

from tests.samples import LOGICS

SOURCES = Path(__file__).parents[2] / "src"
MAIN = """
import sys
from three_tier.agent.{database} import build_memory
from three_tier.agent.{logic} import load
from three_tier.agent.main import run
sys.exit(run(load, build_memory))
"""


def command(*words: str, database: str = "postgres", logic: str = "business") -> list[str]:
    """What starts the agent.

    Args:
        words: its command line.
        database: the kind of its database.
        logic: the kind of its logic.
    """
    return [sys.executable, "-c", MAIN.format(database=database, logic=logic), *words]


def environment(logic: str = "business", **variables: str) -> dict[str, str]:
    """Its variables, among them where the package and the sample logic are."""
    paths = [SOURCES, LOGICS / logic / "templates" / "agent"]
    python = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    return {"PATH": os.environ["PATH"], **python, **variables}
