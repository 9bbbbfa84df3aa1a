"""Starts the program; `ops/three-tier` finds a Python for it."""

import sys
from importlib import import_module
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # where the package is
sys.exit(import_module("operations.cli").main(sys.argv[1:]))
