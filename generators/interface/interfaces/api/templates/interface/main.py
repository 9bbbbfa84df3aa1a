"""Starts the interface: the API, with your routes in app.py."""

import sys

from app import public, routes
from three_tier.interface.api import run

if __name__ == "__main__":
    sys.exit(run(routes, public))
