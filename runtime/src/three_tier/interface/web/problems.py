"""Errors as RFC 9457 problem documents. Their `detail` is a sentence for people, and goes into the log as well.

What an exception says stays inside; what a visitor sent is not echoed.
"""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from three_tier.common.http import connections
from three_tier.interface.agent_client import Refused
from three_tier.interface.http.envelope import CALLER_GONE
from three_tier.interface.http.streams import CallerGone


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""

    async def refused(request: Request, error: Refused) -> Response:
        headers = {"Retry-After": error.retry_after} if error.retry_after else None
        return _problem(request, error.status, error.detail, headers)

    async def http(request: Request, error: HTTPException) -> Response:
        return _problem(request, error.status_code, error.detail, error.headers)

    async def invalid(request: Request, _: RequestValidationError) -> Response:
        return _problem(request, 422, "The request is not valid.")

    async def gone(_: Request, __: CallerGone) -> Response:
        return Response(status_code=CALLER_GONE)

    async def unexpected(request: Request, _: Exception) -> Response:
        return _problem(request, 500, "Something went wrong here.")

    app.exception_handler(Refused)(refused)
    app.exception_handler(HTTPException)(http)
    app.exception_handler(RequestValidationError)(invalid)
    app.exception_handler(CallerGone)(gone)
    app.exception_handler(Exception)(unexpected)


def _problem(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    request.state.reason = detail
    return problem(status, detail, headers)


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A problem document as a response."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


class Connection(connections.Connection):
    """A connection that refuses what cannot be read in the same form."""

    problem = staticmethod(problem)
