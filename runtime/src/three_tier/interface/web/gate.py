"""What a request must be before its body is read: from our own page, not too long, and with a session where needed."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from three_tier.interface.web.page_agent import PageAgent
from three_tier.interface.web.sessions import OWNER, NoSession, Session, Sessions

SAFE_METHODS = {"GET", "HEAD"}


class OpenRoute(APIRoute):
    """A route for everybody, as long as the request is bounded and comes from no other site."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, behind the checks."""
        handle = super().get_route_handler()

        async def admit_and_handle(request: Request) -> Response:
            await self.admit(request)
            return await handle(Request(request.scope, _bounded(request)))

        return admit_and_handle

    async def admit(self, request: Request) -> None:
        """Let the request in. Raises HTTPException: 403 when another site sent it, 413 when it says it is too long."""
        if request.method not in SAFE_METHODS and not from_our_page(request):
            raise HTTPException(403, "This request came from another site.")
        length = request.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > request.app.state.max_body:
            raise _too_long(request)


class PrivateRoute(OpenRoute):
    """A route for people who are signed in."""

    async def admit(self, request: Request) -> None:
        """Let the request in.

        Whether the session was signed out, the agent is asked each time: that costs no more than the shortest of the
        calls that follow, and what one replica of ours has signed out, no other lets in for a while longer.

        Raises:
            HTTPException: As above, and 401 without a session that counts.
            Refused: The agent does not say whether it counts.
        """
        session = session_of(request)
        await super().admit(request)
        agent: PageAgent = request.app.state.agent
        if await agent.is_revoked(OWNER, session.id, session.opened):
            raise signed_out()


def session_of(request: Request) -> Session:
    """The session of a request, as its cookie says. Raises HTTPException: 401 where there is none."""
    sessions: Sessions = request.app.state.sessions
    try:
        return sessions.read(request)
    except NoSession as error:
        raise HTTPException(401, str(error)) from error


def signed_out() -> HTTPException:
    """The refusal of a session that was signed out, here or elsewhere."""
    return HTTPException(401, "This session was signed out. Sign in again.")


def from_our_page(request: Request) -> bool:
    """Whether a browser sent the request from our own page, or a program did, which no site can make it do.

    Browsers say where a request comes from: in Sec-Fetch-Site over HTTPS and on this machine, in Origin anywhere.
    """
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    origin = request.headers.get("Origin")
    hosts = (request.headers.get("Host"), request.headers.get("X-Forwarded-Host"))
    return origin is None or urlsplit(origin).netloc in hosts


def _bounded(request: Request) -> Receive:
    """The request's `receive`, until its body grows too long: then it raises HTTPException."""
    left = request.app.state.max_body

    async def receive_bounded() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise _too_long(request)
        return message

    return receive_bounded


def _too_long(request: Request) -> HTTPException:
    # The rest of the body is not read, so the connection ends with the answer.
    return HTTPException(413, f"A request has at most {request.app.state.max_body} bytes.", {"Connection": "close"})


async def _agent(request: Request) -> PageAgent:
    agent: PageAgent = request.app.state.agent
    return agent


Agent = Annotated[PageAgent, Depends(_agent)]
