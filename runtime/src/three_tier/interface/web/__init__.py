"""The web interface. `run` is all that `main.py` needs."""

from collections.abc import Sequence
from functools import partial

from three_tier.interface.http.serving import serve
from three_tier.interface.web.app import create_app
from three_tier.interface.web.problems import Connection
from three_tier.interface.web.settings import Settings

__all__ = ["run"]


def run(suggestions: Sequence[str] = ()) -> int:
    """Serve the page until SIGTERM, and return the exit code of the process.

    Args:
        suggestions: Messages that the page offers where a conversation has not begun.
    """
    return serve(Settings, partial(create_app, suggestions=suggestions), Connection)
