"""Make what runs on Docker Swarm what stack.yml and the settings say."""

from argparse import ArgumentParser, Namespace

from operations import swarm
from operations.context import Context
from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.add_argument("--wait", type=float, default=600, help="seconds that an update of a service may take; 600")


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    workspace.console.record(workspace.root, "swarm")
    swarm.deploy(Context.of(workspace), args.wait)
