"""Bring a backup back, or prove that it can be brought back."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from operations import restore
from operations.context import Context
from operations.errors import UsageError
from operations.workspace import Workspace


def arguments(parser: ArgumentParser) -> None:
    """What can be given."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="restore this backup into a new volume, and use that")
    parser.add_argument("--drill", action="store_true", help="restore the newest backup, and throw it away again")
    parser.add_argument(
        "--remote", nargs="?", const="latest", metavar="SNAPSHOT", help="one from the restic repository; the newest"
    )
    parser.add_argument("--volume", help="use this volume again: the way back")
    parser.add_argument("--unsigned", action="store_true", help="believe a backup that this project has not signed")


def run(workspace: Workspace, args: Namespace) -> None:
    """Run it. Raises Failure."""
    if sum(map(bool, (args.file, args.drill, args.remote, args.volume))) != 1:
        raise UsageError("give one of FILE, --drill, --remote and --volume VOLUME")
    context, signed = Context.of(workspace), not args.unsigned
    if args.volume:
        restore.volume(context, args.volume)
    elif args.remote:
        restore.from_remote(context, args.remote, signed=signed)
    elif args.drill:
        restore.drill(context, signed=signed)
    else:
        restore.from_file(context, Path(args.file).absolute(), signed=signed)
