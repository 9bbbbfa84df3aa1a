"""Check the three tiers as they run, from the engine to a whole conversation."""

from argparse import ArgumentParser, Namespace

from operations import verify
from operations.context import Context
from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    verify.command(Context.of(workspace), as_json=args.json)
