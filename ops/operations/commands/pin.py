"""Write behind the tag of each base image the digest that it has now, so that every build is from that very image."""

from argparse import ArgumentParser, Namespace

from operations import pin
from operations.context import Context
from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.description = __doc__


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    pin.command(Context.of(workspace))
