"""The API interface: threads and messages under API keys, and OpenAI's chat completions beside them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from three_tier.common.http import loaded
from three_tier.interface.agent_client import AgentClient
from three_tier.interface.api import completions, docs, problems, routes, threads
from three_tier.interface.api.gate import Agent, Gate
from three_tier.interface.api.routes import Router
from three_tier.interface.api.settings import Settings, read_origins
from three_tier.interface.http.envelope import Envelope
from three_tier.interface.http.state import health_of, live

DESCRIPTION = """Talk to the agent: in threads that it remembers, or with any client of OpenAI's chat completions.

Every call carries an API key as `Authorization: Bearer KEY`. A thread belongs to the name of the key that made it;
for any other it does not exist. Errors are problem documents (RFC 9457) with OpenAI's `error` object inside."""


def create_app(settings: Settings, *own: Router) -> ASGIApp:
    """Build the application.

    Args:
        settings: Who may call, and how much.
        own: The routes of the project.
    """
    routes.check(own, [threads.router, completions.router])

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AgentClient(settings) as agent:
            app.state.agent = agent
            loaded.settle()
            yield

    app = FastAPI(
        title=settings.agent_name,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.gate = Gate(settings)
    app.add_api_route("/live", live, tags=["State"])
    app.add_api_route("/health", health, tags=["State"])
    app.include_router(threads.router)
    app.include_router(completions.router)
    for router in own:
        app.include_router(router)
    problems.install(app)
    docs.install(app)
    return Envelope(_open_to(app, read_origins(settings.cors_origins)))


def _open_to(app: ASGIApp, origins: list[str]) -> ASGIApp:
    """Let the pages of these origins call, with a key that they send themselves; browsers add no cookies to that."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["*"],  # OpenAI's clients send many of their own
        expose_headers=["Retry-After", "X-Request-ID"],
    )


async def health(agent: Agent) -> JSONResponse:
    """Whether the interface works: 503 until the agent has answered once. Later `agent` says whether it is away."""
    return health_of(agent)
