"""The web interface: one page to talk to the agent, and the calls that it makes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from three_tier.common.http import loaded
from three_tier.interface.http.envelope import Envelope
from three_tier.interface.http.state import health_of, live
from three_tier.interface.web import page, problems, signin, threads
from three_tier.interface.web.attempts import Attempts
from three_tier.interface.web.gate import Agent
from three_tier.interface.web.page_agent import PageAgent
from three_tier.interface.web.sessions import Sessions
from three_tier.interface.web.settings import Settings


def create_app(settings: Settings, suggestions: Sequence[str] = (), files: Path | None = None) -> ASGIApp:
    """Build the application.

    Args:
        settings: Who may sign in, and for how long.
        suggestions: What the page offers as first messages.
        files: A folder whose files come before the page's own.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with PageAgent(settings) as agent:
            app.state.agent = agent
            loaded.settle()
            yield

    app = FastAPI(title=settings.agent_name, lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    app.state.max_body = settings.max_body
    app.state.suggestions = suggestions
    app.state.sessions = Sessions(settings)
    app.state.attempts = Attempts()
    app.add_api_route("/live", live)
    app.add_api_route("/health", health)
    app.include_router(signin.router)
    app.include_router(signin.private)
    app.include_router(threads.router)
    page.install(app, files)
    problems.install(app)
    return _below(settings.root_path, Envelope(app))


async def health(agent: Agent) -> JSONResponse:
    """Whether the interface works: 503 until the agent has answered once. Later `agent` says whether it is away."""
    return health_of(agent)


def _below(prefix: str, app: ASGIApp) -> ASGIApp:
    """The application below a path, whether a proxy passes that on or takes it away.

    PREFIX leads to PREFIX/, since the page's links are relative.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path.startswith(f"{prefix}/"):
            scope["path"] = path.removeprefix(prefix)
        await (RedirectResponse(f"{prefix}/") if path == prefix else app)(scope, receive, send)

    return serve if prefix else app
