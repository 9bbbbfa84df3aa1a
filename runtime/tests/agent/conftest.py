"""What the tests share: settings, a memory and a logic that need nothing outside, and the agent around them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from tests.agent.fakes import EchoLogic, InMemory
from tests.ports import kept_port
from three_tier.agent.app import create_app
from three_tier.agent.settings import Settings

TOKEN = "a-token-for-the-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "X-Thread-Owner": "api:ann"}


REACHING = {"open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec"}


@cache
def _reached() -> list[str]:
    """What of REACHING happens in this process from now on, but for its own source, which tracebacks quote."""
    found: list[str] = []

    def note(event: str, args: tuple[Any, ...]) -> None:
        if event in REACHING and not str(args[0]).endswith((".py", ".pyc", ">")):  # the last is <string> and the like
            found.append(f"{event} {args}")

    sys.addaudithook(note)
    return found


@pytest.fixture
def reached() -> list[str]:
    """The files, hosts and programs that something reaches for, to be cleared before it does."""
    return _reached()


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def settings() -> Iterator[Settings]:
    with kept_port() as port:
        yield Settings(
            agent_name="tested",
            agent_token=TOKEN,
            database_url="unused://nowhere/unused",
            database_password=TOKEN,
            max_body=64 * 1024,
            turn_lease=0.5,
            turn_wait=5,
            port=port,
        )


@pytest.fixture
def real(settings: Settings) -> Settings:
    """The settings of the real database, whose tests are skipped without one (see ops/test.sh)."""
    if not (url := os.environ.get("TEST_DATABASE_URL")):
        pytest.skip("TEST_DATABASE_URL is not set")
    password = SecretStr(os.environ.get("TEST_DATABASE_PASSWORD", ""))
    return settings.model_copy(update={"database_url": url, "database_password": password})


@pytest.fixture
def memory() -> InMemory:
    return InMemory(window=40)


@pytest.fixture
def logic() -> EchoLogic:
    return EchoLogic()


@pytest.fixture
def app(settings: Settings, memory: InMemory, logic: EchoLogic) -> FastAPI:
    return create_app(settings, memory, logic)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the agent without a network."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://agent", headers=HEADERS) as found:
        yield found


@pytest.fixture
async def wire(app: FastAPI, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the agent through a real server, for what only a connection shows."""
    server = uvicorn.Server(uvicorn.Config(app, port=settings.port, log_config=None, lifespan="off"))
    running = asyncio.create_task(server.serve())
    async with connected(settings) as found:
        yield found
    server.should_exit = True
    await running


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that is just starting."""
    transport = httpx.AsyncHTTPTransport(retries=5)
    url = f"http://127.0.0.1:{settings.port}"
    async with httpx.AsyncClient(transport=transport, base_url=url, headers=HEADERS, timeout=10) as found:
        while True:
            try:
                await found.get("/live")
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.02)
        yield found
