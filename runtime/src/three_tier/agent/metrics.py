"""What Prometheus can ask of the agent (GET /metrics)."""

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

TURNS = Counter("agent_turns", "Turns by outcome", ["outcome"])
TURN_SECONDS = Histogram("agent_turn_seconds", "Seconds that the answer to a question takes", buckets=SECONDS)
REQUESTS = Counter("agent_http_requests", "HTTP requests by route and status", ["method", "route", "status"])
OUTAGES = Counter("agent_database_outages", "Calls that the database did not answer in time")


class CountRequests:
    """Middleware that counts requests by route template, so that ids in paths do not become labels."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count its status; a request that ends in an exception counts as 500."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            REQUESTS.labels(scope["method"] if route != "other" else "other", route, status).inc()
