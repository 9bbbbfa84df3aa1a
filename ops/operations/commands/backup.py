"""Write all that is remembered into one file in backups/, while everything runs, and print its path."""

import sys
from argparse import ArgumentParser, Namespace

from operations import backup
from operations.context import Context
from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.set_defaults(stream=sys.stderr)  # the path is all that goes to standard output


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    workspace.console.stream = args.stream
    workspace.console.record(workspace.root, "backup")
    backup.command(Context.of(workspace))
