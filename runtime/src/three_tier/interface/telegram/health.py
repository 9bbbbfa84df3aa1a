"""What the container's health check asks, on a port that only the container sees."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from three_tier.interface.agent_client import AgentClient
from three_tier.interface.telegram.telegram_api import Telegram


@asynccontextmanager
async def serving(host: str, port: int, agent: AgentClient, telegram: Telegram) -> AsyncIterator[int]:
    """Answer GET /health, and yield the port."""

    async def health(_: web.Request) -> web.Response:
        """503 until the agent has answered once; from then on the fields say how things are."""
        state = {
            "status": "ok" if agent.info else "waiting",
            "agent": "ok" if agent.connected else "away",
            "telegram": telegram.state,
            "bot": telegram.name,
        }
        return web.json_response(state, status=200 if agent.info else 503)

    app = web.Application()
    app.router.add_get("/health", health)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
