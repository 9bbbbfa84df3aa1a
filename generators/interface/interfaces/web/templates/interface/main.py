"""Starts the interface: the page, with your part of it in page.py and static/."""

import sys
from pathlib import Path

from page import SUGGESTIONS
from three_tier.interface.web import run

if __name__ == "__main__":
    sys.exit(run(SUGGESTIONS, Path(__file__).parent / "static"))
