"""The agent's HTTP application: its routes behind a token, a size limit and counters."""

import re
import uuid

import structlog
from anyio import BrokenResourceError, ClosedResourceError
from fastapi import FastAPI, HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from three_tier.agent import problems, routes
from three_tier.agent.auth import TokenRequired
from three_tier.agent.capacity import most_turns
from three_tier.agent.contract import Logic, Memory
from three_tier.agent.metrics import CountRequests
from three_tier.agent.settings import Settings
from three_tier.agent.turns import Turns

log = structlog.get_logger("app")


def create_app(settings: Settings, memory: Memory, logic: Logic) -> FastAPI:
    """Build the application around a memory and a logic."""
    app = FastAPI(
        title=settings.agent_name, version=routes.VERSION, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.state.turns = Turns(
        memory,
        logic,
        lease=settings.turn_lease,
        wait=settings.turn_wait,
        limit=settings.turn_timeout,
        most=settings.max_turns or most_turns(logic.turn_bytes),
    )
    app.state.database_answers = None  # until it does for the first time, for which main.py waits
    app.include_router(routes.public)
    app.include_router(routes.router)
    problems.install(app, routes.FIELDS)
    app.add_middleware(LetGo)
    app.add_middleware(LimitBody, limit=settings.max_body)
    app.add_middleware(TokenRequired, token=settings.agent_token.get_secret_value())
    app.add_middleware(CountRequests)
    app.add_middleware(NamedRequests)
    return app


class NamedRequests:
    """Middleware that gives all log lines of a request its name, which the interface has given it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        given = next((value for name, value in scope.get("headers", ()) if name == b"x-request-id"), b"")
        name = given.decode("latin-1") if re.fullmatch(rb"[\w-]{1,64}", given) else uuid.uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=name):
            await self.app(scope, receive, send)


class LetGo:
    """Middleware for callers that leave a stream unread: its channel breaks inside the framework, which is no error."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and end quietly where nobody is left to be answered."""
        try:
            await self.app(scope, receive, send)
        except* (BrokenResourceError, ClosedResourceError):
            log.info("the caller left its stream")


class LimitBody:
    """Middleware that refuses a body of more than `limit` bytes, announced or not, with 413."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413 where the application reads too much."""
        announced = next((value for name, value in scope.get("headers", ()) if name == b"content-length"), None)
        if announced and int(announced) > self.limit:
            await problems.problem(413, self._detail())(scope, receive, send)
            return
        if announced or scope["type"] != "http":  # the server holds a body to its announced length
            await self.app(scope, receive, send)
            return
        left = self.limit

        async def count() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, self._detail())
            return message

        await self.app(scope, count, send)

    def _detail(self) -> str:
        return f"A request has at most {self.limit} bytes."
