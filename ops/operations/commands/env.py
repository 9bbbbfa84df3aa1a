"""Make .env from .env.template, or complete the one that is there."""

from argparse import ArgumentParser, Namespace

from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.description = __doc__


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    workspace.complete_settings()
