"""The interface's process: reads the settings and serves HTTP until SIGTERM."""

import signal
import sys

import uvicorn

from three_tier.common import log
from app import create_app
from three_tier.interface.base_settings import load
from three_tier.common.http.connections import Connection
from settings import Settings

DRAIN = 25  # seconds that requests in flight have after SIGTERM
IDLE = 65  # seconds that an unused connection stays open: longer than a reverse proxy keeps one


def main() -> int:
    """Run the interface and return its exit code."""
    settings = load(Settings)
    log.configure(settings.log_level)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # the server raises it again once it has drained
    build_server(settings).run()
    return 0


def build_server(settings: Settings) -> uvicorn.Server:
    """The HTTP server with the application in it."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=DRAIN,
    )
    return uvicorn.Server(config)


if __name__ == "__main__":
    sys.exit(main())
