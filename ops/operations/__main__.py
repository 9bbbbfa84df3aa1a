"""Starts the program; `ops/three-tier` finds a Python for it."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from operations.cli import main  # noqa: E402  # the package is found by the line before

sys.exit(main(sys.argv[1:]))
