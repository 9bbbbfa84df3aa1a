"""Put what `export` wrote into the database, compare it, and deploy."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from operations import transfer
from operations.context import Context
from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.add_argument("file", metavar="FILE", help="what `export` wrote")
    parser.add_argument("--add", action="store_true", help="put it beside what the database holds already")


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    workspace.console.record(workspace.root, "import")
    transfer.bring_in(Context.of(workspace), Path(args.file).absolute(), beside_others=args.add)
