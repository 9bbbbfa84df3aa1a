"""Show what the services have said."""

from argparse import ArgumentParser, Namespace

from operations.context import Context
from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.add_argument("tier", nargs="?", help="one of them, such as agent")
    parser.add_argument("--follow", "-f", action="store_true", help="go on until interrupted")
    parser.add_argument("--lines", "-n", type=int, default=100, help="how many of each; 100 by default")


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    context = Context.of(workspace)
    service = [context.service_of(args.tier)] if args.tier else []
    follow = ["--follow"] if args.follow else []
    command = context.compose().command("logs", "--tail", str(args.lines), *follow, *service)
    workspace.programs.become(*command)
