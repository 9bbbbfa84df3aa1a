"""The interface as its callers find it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn

from three_tier.interface.testing.waiting import until


@asynccontextmanager
async def running(server: uvicorn.Server) -> AsyncIterator[str]:
    """Have the interface served, and yield its address."""
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@asynccontextmanager
async def connected(server: uvicorn.Server) -> AsyncIterator[str]:
    """Have the interface served, and yield its address once it has found its agent."""
    async with running(server) as url, httpx.AsyncClient(base_url=url) as client:
        await until(lambda: answers(client))
        yield url


async def answers(client: httpx.AsyncClient) -> bool:
    """Whether the interface is up."""
    try:
        return (await client.get("/health")).is_success
    except httpx.TransportError:
        return False
