"""The interface as its callers find it: served in this process, or as a process of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from main import build_server
from settings import Settings
from tests.waiting import until

HERE = Path(__file__).parents[1]


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[str]:
    """Serve the interface on a free port, and yield its address."""
    server = build_server(settings.model_copy(update={"port": 0}))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


async def start(environment: dict[str, str]) -> asyncio.subprocess.Process:
    """Start the interface as its container does."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "main.py",
        cwd=HERE,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def answers(client: httpx.AsyncClient) -> bool:
    """Whether the interface is up."""
    try:
        return (await client.get("/health")).is_success
    except httpx.TransportError:
        return False
