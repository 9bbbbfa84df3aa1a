"""Ports for servers that a test starts later, or stops and starts again."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_port(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Find a free port, and keep it while nothing of the test listens there.

    On Linux a port to which a socket is bound is given to nobody else, and yet a server that asks for it may listen
    there. Other systems do not let it, so on them the port is merely a free one.
    """
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        found: int = bound.getsockname()[1]
        if sys.platform != "linux":
            bound.close()
        yield found
