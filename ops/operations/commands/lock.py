"""Compile requirements.in of both tiers into requirements.txt."""

from argparse import ArgumentParser, Namespace

from operations import requirements
from operations.context import Context
from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    requirements.command(Context.of(workspace), upgrade=args.upgrade)
