"""Write everything into a file that another kind of database can take; agent and interface stay stopped."""

import sys
from argparse import ArgumentParser, Namespace

from operations import transfer
from operations.context import Context
from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.set_defaults(stream=sys.stderr)  # the path is all that goes to standard output


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    workspace.console.stream = args.stream
    workspace.console.record(workspace.root, "export")
    print(transfer.export(Context.of(workspace)))
