"""Around every answer: security headers, a request id, and one line in the log that holds no text and no key."""

import time
import uuid
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

QUIET = {"/health", "/live"}  # asked every few seconds
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
CALLER_GONE = 499  # the usual status in logs where the caller left before there was one

log = structlog.get_logger("envelope")


class Envelope:
    """Middleware around the whole application, its error pages included.

    The log line also says `caller` and `reason` where the application put them into `request.state`, and there is none
    where it put `quiet`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        request_id = uuid.uuid4().hex
        status: int | None = None

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):  # the agent's log lines have it too
            try:
                await self.app(scope, receive, send_with_headers)
            finally:
                _write(scope, status or CALLER_GONE, request_id, time.perf_counter() - start)


def _write(scope: MutableMapping[str, Any], status: int, request_id: str, seconds: float) -> None:
    state = scope.get("state", {})
    route = getattr(scope.get("route"), "path", None)  # with its placeholders: ids are not logged
    if (route in QUIET and status == HTTPStatus.OK) or state.get("quiet"):
        return
    said = {name: state[name] for name in ("caller", "reason") if name in state}
    log.info(
        "request",
        method=scope["method"],
        route=route,
        status=status,
        ms=round(seconds * 1000, 1),
        **said,
        request_id=request_id,
    )
