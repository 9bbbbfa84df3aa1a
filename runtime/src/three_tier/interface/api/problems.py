"""Errors as RFC 9457 problem documents that carry OpenAI's `error` object too, so that both kinds of client read them.

What an exception says stays inside; what a caller sent is not echoed.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from three_tier.common.http import connections
from three_tier.interface.agent_client import Refused
from three_tier.interface.agent_types import WrongField
from three_tier.interface.http.envelope import CALLER_GONE
from three_tier.interface.http.streams import CallerGone

ABSENT = re.compile(  # what else OpenAI's clients ask for
    r"/v1/(assistants|audio|batches|completions|conversations|embeddings|files|fine_tuning|images|moderations|realtime"
    r"|responses|uploads|vector_stores|videos)\b"
)
HERE = "Of OpenAI's API there are POST /v1/chat/completions and GET /v1/models; /docs describes all calls."

CODES = {
    401: ("authentication_error", "invalid_api_key"),
    404: ("not_found_error", "not_found"),
    409: ("conflict_error", "conflict"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}
MOST_ERRORS = 10  # named in one answer
OUR_FIELD = re.compile(r"[a-z_]{1,24}|Idempotency-Key")


class ErrorObject(BaseModel):
    """An error as OpenAI's clients read it."""

    message: str
    type: str = Field(examples=["not_found_error"])
    param: str | None = None
    code: str | None = Field(None, examples=["not_found"])


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no such thread."])
    error: ErrorObject
    errors: list[WrongField] | None = Field(None, description="The fields that are wrong, where it is known.")


REFUSALS = {
    400: "The request asks for what the agent cannot do.",
    401: "No valid API key.",
    404: "No such thread, or it belongs to another key.",
    409: "Another message of this thread is still being answered.",
    413: "The request is too long.",
    422: "The request is not valid.",
    429: "Too many requests; Retry-After says for how long.",
    503: "The agent or its database is away; Retry-After says for how long.",
}
REFUSED: dict[int | str, dict[str, Any]] = {  # for the documentation of routes
    status: {
        "description": text,
        "model": Problem,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, text in REFUSALS.items()
}


def error_object(status: int, detail: str) -> ErrorObject:
    """An error in OpenAI's form."""
    other = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    kind, code = CODES.get(status, (other, None))
    return ErrorObject(message=detail, type=kind, code=code)


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, errors: list[WrongField] | None = None
) -> JSONResponse:
    """A problem document as a response."""
    message = " ".join([detail, *(f"{wrong.field}: {wrong.message}." for wrong in errors or ())])
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        error=error_object(status, message),
        errors=errors,
    )
    content = body.model_dump(exclude={"errors"} if errors is None else None)
    return JSONResponse(content, status, headers, media_type="application/problem+json")


class Connection(connections.Connection):
    """A connection that refuses what cannot be read in the same form."""

    problem = staticmethod(problem)


def no_such_path(path: str) -> str:
    """What is there instead, for those who came with a client that asks for more."""
    if absent := ABSENT.match(path):
        return f"There is no {absent[0]} here: set the client to chat completions. {HERE}"
    if not path.startswith("/v1/") or path.startswith("/v1/v1/"):
        return f"There is no such path: those of the API begin with one /v1. {HERE}"
    return f"There is no such path. {HERE}"


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""

    async def missing(scope: Scope, receive: Receive, send: Send) -> None:
        await problem(404, no_such_path(scope["path"]))(scope, receive, send)

    async def refused(_: Request, error: Refused) -> Response:
        headers = {"Retry-After": error.retry_after} if error.retry_after else None
        return problem(error.status, error.detail, headers, error.errors)

    async def http(_: Request, error: HTTPException) -> Response:
        return problem(error.status_code, error.detail, error.headers)

    async def invalid(_: Request, error: RequestValidationError) -> Response:
        found = error.errors()[:MOST_ERRORS]
        errors = [WrongField(field=_place(wrong), message=_in_words(wrong["msg"])) for wrong in found]
        return problem(422, "The request is not valid.", errors=errors)

    async def gone(_: Request, __: CallerGone) -> Response:
        return Response(status_code=CALLER_GONE)

    async def unexpected(_: Request, __: Exception) -> Response:
        return problem(500, "The interface could not answer.")

    app.router.default = missing
    app.exception_handler(Refused)(refused)
    app.exception_handler(HTTPException)(http)
    app.exception_handler(RequestValidationError)(invalid)
    app.exception_handler(CallerGone)(gone)
    app.exception_handler(Exception)(unexpected)


def _in_words(message: str) -> str:
    """What pydantic says of a field, without its own terms."""
    return message.removeprefix("Value error, ").replace(" after validation", "")


def _place(found: dict[str, Any]) -> str:
    """Where in the request an error is, without names that the caller made up."""
    parts = found["loc"][:-1] if found["type"] == "extra_forbidden" else found["loc"]
    return ".".join(str(part) for part in parts if isinstance(part, int) or OUR_FIELD.fullmatch(part))
