"""Run the tests of both tiers, and those of the memory on a real database."""

from argparse import ArgumentParser, Namespace

from operations import testing
from operations.context import Context
from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.description = __doc__


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    testing.command(Context.of(workspace))
