"""Errors as RFC 9457 problem documents. What an exception says stays inside; what a caller sent is not echoed."""

from collections.abc import Iterable
from http import HTTPStatus
from itertools import takewhile
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from three_tier.agent.contract import (
    Busy,
    Declined,
    KeyReused,
    LogicBroke,
    LogicFailed,
    NoReply,
    NotFound,
    NotStorable,
    Overloaded,
    TookTooLong,
    TooLong,
    Unavailable,
)

log = structlog.get_logger("problems")

KNOWN = {
    NotFound: (404, "There is no such thread."),
    Busy: (409, "Another message of this thread is still being answered."),
    KeyReused: (422, "This Idempotency-Key was used with another message, thread or title."),
    LogicBroke: (500, "The agent could not answer."),
    LogicFailed: (502, "Something that the agent needs did not answer."),
    Declined: (400, "The service that the agent asks refuses this message. Please put it another way."),
    NoReply: (502, "The agent came to no answer. Please try again."),
    TooLong: (413, "That is more than the agent can read at once. Make it shorter, or send it in parts."),
    TookTooLong: (502, "The answer took longer than it may."),
    NotStorable: (502, "The agent's answer is too large to be kept."),
    Overloaded: (503, "The agent has too much to do. Please try again in a moment."),
    Unavailable: (503, "The agent's database does not answer."),
}
MOST_ERRORS = 10  # named in one answer
HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    409: {"Retry-After": "2"},
    503: {"Retry-After": "2"},
}


class WrongField(BaseModel):
    """Where in a request something is wrong, and what."""

    field: str
    message: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[WrongField] | None = None


REFUSALS = {
    400: "The owner is missing, or the body cannot be read.",
    401: "No valid token.",
    404: "The owner has no such thread.",
    409: "Another message of the thread is still being answered; Retry-After says when to try again.",
    413: "The request is too long.",
    422: "The request is not valid.",
    502: "Something that the agent needs did not answer.",
    503: "The database does not answer, or there is too much to do; Retry-After says when to try again.",
}
REFUSED: dict[int | str, dict[str, Any]] = {  # for the description of routes
    status: {
        "description": text,
        "model": Problem,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, text in REFUSALS.items()
}


def problem(status: int, detail: str, **more: object) -> JSONResponse:
    """A problem document as a response."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, HEADERS.get(status), media_type="application/problem+json")


def in_words(message: str) -> str:
    """What pydantic says of a field, without its own terms."""
    return message.removeprefix("Value error, ").replace(" after validation", "")


def explain(error: Exception) -> tuple[int, str]:
    """The status and the sentence that a caller gets for an error."""
    return KNOWN.get(type(error), (500, "The agent could not answer."))


def reason(error: Exception) -> str:
    """What the log says of an error: its text only where it is one of the contract's, which quote nobody."""
    return str(error) if type(error) in KNOWN else type(error).__name__


def install(app: FastAPI, fields: Iterable[str]) -> None:
    """Answer every error of the application with a problem document.

    Args:
        app: the application.
        fields: names of all fields in requests. Errors name no others, because those are the caller's own words.
    """
    ours = {"body", "header", "path", "query", "Idempotency-Key", "X-Thread-Owner", *fields}

    async def known(_: Request, error: Exception) -> JSONResponse:
        status, detail = explain(error)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or isinstance(error, LogicFailed):
            log.warning("request failed", status=status, reason=reason(error), exc_info=error)
        return problem(status, detail)

    async def http(_: Request, error: HTTPException) -> JSONResponse:
        response = problem(error.status_code, error.detail)
        response.headers.update(error.headers or {})
        return response

    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        def place(parts: tuple[str | int, ...]) -> str:
            return ".".join(map(str, takewhile(lambda part: part in ours or isinstance(part, int), parts)))

        errors = [{"field": place(e["loc"]), "message": in_words(e["msg"])} for e in error.errors()[:MOST_ERRORS]]
        return problem(422, "The request is not valid.", errors=errors)

    for kind in (*KNOWN, Exception):
        app.add_exception_handler(kind, known)
    app.exception_handler(HTTPException)(http)
    app.exception_handler(RequestValidationError)(invalid)
