"""For tests: the interface as its callers find it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn

from three_tier.interface.testing.waiting import until

NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # plain HTTP needs none, and to read them takes 50 ms a client

LAST_STEPS = 2.0  # seconds for what a request still does once its answer is sent: closing a file, say


def caller(url: str, **more: Any) -> httpx.AsyncClient:
    """A client of the interface; it takes what `httpx.AsyncClient` takes."""
    return httpx.AsyncClient(base_url=url, verify=NO_AUTHORITIES, **more)


@asynccontextmanager
async def running(server: uvicorn.Server) -> AsyncIterator[str]:
    """Have the interface served, and yield its address.

    Ends at once: the server's own way to its end takes a fifth of a second, even where nobody is connected.
    """
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        for each in server.servers:
            each.close()
        for connection in list(server.server_state.connections):
            connection.shutdown()
        if tasks := set(server.server_state.tasks):
            await asyncio.wait(tasks, timeout=LAST_STEPS)
        await server.lifespan.shutdown()


@asynccontextmanager
async def connected(server: uvicorn.Server) -> AsyncIterator[str]:
    """Have the interface served, and yield its address once it has found its agent."""
    async with running(server) as url, caller(url) as client:
        await until(lambda: answers(client))
        yield url


async def answers(client: httpx.AsyncClient) -> bool:
    """Whether the interface is up."""
    try:
        return (await client.get("/health")).is_success
    except httpx.TransportError:
        return False
