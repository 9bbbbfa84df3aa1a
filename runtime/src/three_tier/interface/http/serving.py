"""The process of an interface that is asked over HTTP: it serves until SIGTERM."""

import signal
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from three_tier.common import log
from three_tier.common.http.connections import Connection
from three_tier.interface.base_settings import InterfaceSettings, load

DRAIN = 25  # seconds that requests in flight have after SIGTERM
IDLE = 65  # seconds that an unused connection stays open: longer than a reverse proxy keeps one


def serve[S: InterfaceSettings](kind: type[S], create_app: Callable[[S], ASGIApp], connection: type[Connection]) -> int:
    """Read the settings, serve the application, and return the exit code of the process.

    Args:
        kind: The settings class of this interface.
        create_app: Builds the application.
        connection: Its HTTP connections, which refuse what cannot be read in the words of this interface.

    Raises:
        SystemExit: A setting is missing or wrong.
    """
    settings = load(kind)
    log.configure(settings.log_level)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # the server raises it again once it has drained
    build_server(settings, create_app(settings), connection).run()
    return 0


def build_server(settings: InterfaceSettings, app: ASGIApp, connection: type[Connection]) -> uvicorn.Server:
    """The HTTP server with the application in it."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=DRAIN,
    )
    return uvicorn.Server(config)
