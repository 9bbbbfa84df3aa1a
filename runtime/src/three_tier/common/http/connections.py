"""The HTTP connections. uvicorn waits for its callers, and takes a head of any length; here both have an end."""

import asyncio
from http import HTTPStatus
from typing import Any, Protocol, override

from starlette.responses import Response
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

PATIENCE = 60.0  # seconds until a request must have arrived with its body, and in which some of an answer must be taken
LARGEST_HEAD = 64 * 1024  # bytes of a request besides its body: line, headers, and what stands between chunks
MOST_HEADERS = 100
PIECE = 4 * 1024  # bytes after which a head is measured, however many arrive at once
FAREWELL = 2.0  # seconds in which a refused caller can read why; closed at once, its system might throw the answer away


class Problem(Protocol):
    """Makes a problem document of a status and a sentence."""

    def __call__(self, status: int, detail: str, /) -> Response:
        """The document as a response."""


class Connection(HttpToolsProtocol):
    """One connection, closed where the caller neither sends the request nor takes the answer, or sends too long a head.

    Otherwise a few callers could fill the memory, before anything looks at who they are. Each tier has a class of its
    own, which says how it refuses.
    """

    problem: Problem

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head = 0
        self._asked = False  # whether there was a request with a whole head
        self._trailing = False  # whether what looks like a header stands after the body
        self._refused = False
        self._arrival = self._in_time()
        self._taking: asyncio.TimerHandle | None = None

    @override
    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE):
            if self._refused or self.transport.is_closing():
                return
            piece = data[start : start + PIECE]
            self._head += len(piece)
            super().data_received(piece)
            if self._head > LARGEST_HEAD:
                self._refuse()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._trailing:  # a proxy in front looks at headers, and may let trailers pass
            super().on_header(name, value)
        self._measure()

    @override
    def on_headers_complete(self) -> None:
        self._measure()
        super().on_headers_complete()
        self._asked = self._trailing = True

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._trailing = False
        self._arrival.cancel()
        self._arrival = self._in_time()

    @override
    def on_body(self, body: bytes) -> None:
        self._head -= len(body)
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._measure()
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

    def _measure(self) -> None:
        """Stop the parser where the head is too long. Raises ValueError, and so the request is refused."""
        if self._is_too_long():
            raise ValueError("the head of a request is too long")

    def _is_too_long(self) -> bool:
        return self._head > LARGEST_HEAD or len(self.headers or ()) > MOST_HEADERS

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse()

    def _refuse(self) -> None:
        """Say what is wrong with the request as a problem document, and close the connection."""
        if self._refused:
            return
        self._refused = True
        if self._asked and not self.cycle.response_complete:
            if self.cycle.response_started or not self.cycle.more_body:  # the caller waits for another answer first
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(self._refusal())
        self.transport.write_eof()
        self.flow.resume_reading()
        self._arrival.cancel()
        self._arrival = self.loop.call_later(FAREWELL, self.transport.close)

    def _refusal(self) -> bytes:
        status, detail = HTTPStatus.BAD_REQUEST, "The request cannot be read."
        if self._is_too_long():
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            detail = f"A request has at most {LARGEST_HEAD} bytes and {MOST_HEADERS} headers before its body."
        answer = self.problem(status.value, detail)
        headers = {**answer.headers, "connection": "close"}
        head = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*head, "", ""]).encode() + bytes(answer.body)

    def _in_time(self) -> asyncio.TimerHandle:
        return self.loop.call_later(PATIENCE, self._give_up)

    def _give_up(self) -> None:
        self.transport.abort()
