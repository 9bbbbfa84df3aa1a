"""Signing in and out."""

import math
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from attempts import Attempts, network_of
from gate import OpenRoute
from sessions import NoSession, Sessions

UNKNOWN_PROXY = "FORWARDED_ALLOW_IPS does not name this proxy, so all who come through it count as one"

log = structlog.get_logger("signin")
router = APIRouter(route_class=OpenRoute)


class SignIn(BaseModel):
    """The password, or the token of a link."""

    model_config = ConfigDict(extra="forbid")

    password: str | None = Field(None, max_length=1000)
    token: str | None = Field(None, max_length=1000)


class Session(BaseModel):
    """Who is here, and with whom."""

    agent: str
    signed_in: bool


async def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


async def _attempts(request: Request) -> Attempts:
    attempts: Attempts = request.app.state.attempts
    return attempts


type Known = Annotated[Sessions, Depends(_sessions)]


@router.get("/session")
async def session(request: Request, sessions: Known) -> Session:
    """Tell whether the visitor is signed in, and the name of the agent."""
    try:
        sessions.check(request)
    except NoSession:
        return Session(agent=request.app.title, signed_in=False)
    return Session(agent=request.app.title, signed_in=True)


@router.post("/session", status_code=204)
async def sign_in(
    body: SignIn,
    request: Request,
    response: Response,
    sessions: Known,
    attempts: Annotated[Attempts, Depends(_attempts)],
) -> None:
    """Open a session for who knows the password or has the link."""
    host = request.client.host if request.client else ""
    if wait := math.ceil(attempts.wait(host)):
        request.state.quiet = True
        detail = f"Too many attempts to sign in. Try again in {wait} seconds."
        raise HTTPException(429, detail, {"Retry-After": str(wait)})
    if not sessions.accepts(body.password or body.token or ""):
        attempts.fail(host)
        _log_wait(request, host, attempts.wait(host))
        raise HTTPException(401, "This link does not work any more." if body.token else "This password is wrong.")
    attempts.forget(host)
    sessions.open(request, response)


def _log_wait(request: Request, host: str, wait: float) -> None:
    if not wait:
        return
    forwarded = request.headers.get("X-Forwarded-For")
    hint = {"hint": UNKNOWN_PROXY} if forwarded and host not in forwarded else {}
    log.warning("Sign-in is closed to a network", network=network_of(host), seconds=round(wait), **hint)


@router.delete("/session", status_code=204)
async def sign_out(response: Response, sessions: Known) -> None:
    """End the session of this browser."""
    sessions.close(response)
