"""The HTTP connections. uvicorn waits for its callers, and takes a head of any length; here both have an end."""

import asyncio
from typing import Any, override

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

PATIENCE = 60.0  # seconds until a request must have arrived with its body, and in which some of an answer must be taken
LARGEST_HEAD = 64 * 1024  # bytes of a request besides its body: line, headers, and what stands between chunks


class Connection(HttpToolsProtocol):
    """One connection, closed where the caller neither sends the request nor takes the answer, or never ends its head.

    Otherwise a few callers could fill the memory, before anything looks at who they are.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head = 0
        self._arrival = self._in_time()
        self._taking: asyncio.TimerHandle | None = None

    @override
    def data_received(self, data: bytes) -> None:
        self._head += len(data)
        super().data_received(data)
        if self._head > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of a request is too long.")

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arrival.cancel()
        self._arrival = self._in_time()

    @override
    def on_body(self, body: bytes) -> None:
        self._head -= len(body)
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._head = 0
        self._arrival.cancel()
        super().on_message_complete()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking = self._in_time()

    @override
    def resume_writing(self) -> None:
        if self._taking:
            self._taking.cancel()
        super().resume_writing()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._arrival.cancel()
        if self._taking:
            self._taking.cancel()
        super().connection_lost(exc)

    def _in_time(self) -> asyncio.TimerHandle:
        return self.loop.call_later(PATIENCE, self._give_up)

    def _give_up(self) -> None:
        self.transport.abort()
