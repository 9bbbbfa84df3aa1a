"""Replace the secrets of the running system by new ones."""

from argparse import ArgumentParser, Namespace

from operations import rotate
from operations.context import Context
from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.description = __doc__


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    workspace.console.record(workspace.root, "rotate")
    rotate.command(Context.of(workspace))
