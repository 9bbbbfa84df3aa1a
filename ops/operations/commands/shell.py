"""Open a shell in the container of a tier."""

from argparse import ArgumentParser, Namespace

from operations.context import Context
from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.add_argument("tier", help="which one, such as agent")


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    context = Context.of(workspace)
    workspace.programs.become(*context.compose().command("exec", context.service_of(args.tier), "sh"))
