"""The API interface. `run` is all that `main.py` needs."""

from three_tier.interface.api.app import create_app
from three_tier.interface.api.problems import Connection
from three_tier.interface.api.settings import Settings
from three_tier.interface.http.serving import serve

__all__ = ["run"]


def run() -> int:
    """Serve the API until SIGTERM, and return the exit code of the process."""
    return serve(Settings, create_app, Connection)
