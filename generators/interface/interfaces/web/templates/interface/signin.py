"""Signing in and out."""

import math
import time
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from pydantic import BaseModel, ConfigDict, Field

from gate import OpenRoute
from sessions import NoSession, Sessions

# Attempts of one address, and those of all of them together. The counts are this process's own.
ATTEMPTS = parse("5/minute")
ALL_ATTEMPTS = parse("50/minute")

router = APIRouter(route_class=OpenRoute)


class Attempts:
    """Counts the attempts to sign in."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def count(self, request: Request) -> None:
        """Count one attempt. Raises HTTPException: 429 when there were too many, which then do not fill the log."""
        for limit, who in ((ATTEMPTS, _address(request)), (ALL_ATTEMPTS, "all")):
            if not await self._limiter.hit(limit, who):
                window = await self._limiter.get_window_stats(limit, who)
                wait = max(1, math.ceil(window.reset_time - time.time()))
                request.state.quiet = True
                detail = f"Too many attempts to sign in. Try again in {wait} seconds."
                raise HTTPException(429, detail, {"Retry-After": str(wait)})

    async def forget(self, request: Request) -> None:
        """Let an address that signed in begin anew."""
        await self._limiter.clear(ATTEMPTS, _address(request))


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


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
    await attempts.count(request)
    if not sessions.accepts(body.password or body.token or ""):
        raise HTTPException(401, "This link does not work any more." if body.token else "This password is wrong.")
    await attempts.forget(request)
    sessions.open(request, response)


@router.delete("/session", status_code=204)
async def sign_out(response: Response, sessions: Known) -> None:
    """End the session of this browser."""
    sessions.close(response)
