"""Make what runs what the files say, verify it, and go back where that fails."""

from argparse import ArgumentParser, Namespace

from operations import deploy
from operations.context import Context
from operations.errors import UsageError
from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.add_argument("--dry-run", action="store_true", help="check everything, say what would be done")
    parser.add_argument("--no-backup", action="store_true", help="do not back the data up first")
    parser.add_argument("--pull", action="store_true", help="look for newer versions of the base images")
    parser.add_argument("--roll-back", action="store_true", help="go back to the last release that passed its checks")


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    workspace.console.record(workspace.root, "deploy")
    context = Context.of(workspace)
    if not args.roll_back:
        deploy.deploy(context, deploy.Options(dry_run=args.dry_run, backup=not args.no_backup, pull=args.pull))
    elif args.dry_run or args.no_backup or args.pull:
        raise UsageError("--roll-back goes with no other option")
    else:
        deploy.roll_back(context)
