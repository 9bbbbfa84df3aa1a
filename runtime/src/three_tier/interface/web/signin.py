"""Signing in and out, and what a page asks before and while it is signed in: who is here, and is the agent?"""

import asyncio
import math
from contextlib import suppress
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from three_tier.interface.agent_client import Refused
from three_tier.interface.web.attempts import Attempts, network_of
from three_tier.interface.web.gate import Agent, OpenRoute, PrivateRoute, session_of, signed_out
from three_tier.interface.web.page_agent import PageAgent
from three_tier.interface.web.sessions import OWNER, NoSession, Session, Sessions, now
from three_tier.interface.web.settings import LONGEST_SESSION

AT_ONCE = 1.0  # seconds that a page waits for what the agent says of its session
UNKNOWN_PROXY = "FORWARDED_ALLOW_IPS does not name this proxy, so all who come through it count as one"

log = structlog.get_logger("signin")
router = APIRouter(route_class=OpenRoute)
private = APIRouter(route_class=PrivateRoute)


class SignIn(BaseModel):
    """The password, or the token of a link."""

    model_config = ConfigDict(extra="forbid")

    password: str | None = Field(None, max_length=1000)
    token: str | None = Field(None, max_length=1000)


class Visit(BaseModel):
    """Who is here, and with whom."""

    agent: str
    signed_in: bool


class Presence(BaseModel):
    """The agent, as far as it is known, whether it answers, and what one may ask it first."""

    connected: bool
    complaint: str
    offline: bool
    suggestions: list[str]


async def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


async def _attempts(request: Request) -> Attempts:
    attempts: Attempts = request.app.state.attempts
    return attempts


type Known = Annotated[Sessions, Depends(_sessions)]


@router.get("/session")
async def visit(request: Request, sessions: Known, agent: Agent) -> Visit:
    """Tell whether the visitor is signed in, and the name of the agent."""
    signed_in = False
    with suppress(NoSession):
        signed_in = not await _is_known_to_be_revoked(agent, sessions.read(request))
    return Visit(agent=request.app.title, signed_in=signed_in)


@router.get("/agent")
async def presence(request: Request, agent: Agent) -> Presence:
    """Tell whether the agent is there. Pages ask it every few seconds, so it is not logged."""
    if await _is_known_to_be_revoked(agent, session_of(request)):
        raise signed_out()
    request.state.quiet = True
    return Presence(
        connected=agent.connected,
        complaint="" if agent.connected else agent.complaint,
        offline=bool(agent.info and agent.info.offline),
        suggestions=list(request.app.state.suggestions),
    )


async def _is_known_to_be_revoked(agent: PageAgent, session: Session) -> bool:
    """Whether the agent says at once that a session was ended: for what is to be told while it is away, too."""
    with suppress(Refused, TimeoutError):
        async with asyncio.timeout(AT_ONCE):
            return await agent.is_revoked(OWNER, session.id, session.opened)
    return False


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
async def sign_out(request: Request, response: Response, sessions: Known, agent: Agent) -> None:
    """End the session of this browser, and of whoever has a copy of its cookie.

    Raises:
        Refused: The agent does not answer. The cookie stays, so that it can be tried again.
    """
    with suppress(NoSession):
        session = sessions.read(request)
        await agent.revoke(OWNER, session.id, opened_by=session.opened, expires_at=session.ends)
    sessions.close(response)


@private.delete("/sessions", status_code=204)
async def sign_out_everywhere(response: Response, sessions: Known, agent: Agent) -> None:
    """End all sessions, this one too. Raises Refused as above."""
    opened_by = now()
    await agent.revoke(OWNER, None, opened_by=opened_by, expires_at=opened_by + LONGEST_SESSION * 3_600_000)
    sessions.close(response)
