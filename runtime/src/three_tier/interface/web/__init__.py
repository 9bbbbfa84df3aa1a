"""The web interface: a page to talk to the agent."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from three_tier.interface.http.serving import serve
from three_tier.interface.web.app import create_app
from three_tier.interface.web.problems import Connection
from three_tier.interface.web.settings import Settings

__all__ = ["run"]


def run(suggestions: Sequence[str] = (), files: Path | None = None) -> int:
    """Serve the page until SIGTERM, and return the exit code of the process.

    Args:
        suggestions: Messages that the page offers where a conversation has not begun.
        files: A folder, which need not be there, of files that take the place of the page's own, or are added to them.
    """
    return serve(Settings, partial(create_app, suggestions=suggestions, files=files), Connection)
