"""What happens to connections on which nothing comes, or no end of it, or from which nothing is read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

import connections

pytestmark = pytest.mark.anyio

PATIENCE = 0.6  # seconds
HEAD = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n"
HEAD_OF_CHUNKS = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: "
MUCH = 20 * 2**20  # bytes, more than the buffers on the way hold


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body, later than a request may arrive; `more` is answered with so much that it must be read."""
    body = await Request(scope, receive).body()
    await asyncio.sleep(PATIENCE * 2)
    await PlainTextResponse(bytes(MUCH) if body == b"more" else body)(scope, receive, send)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[uvicorn.Server]:
    """A server with little patience."""
    monkeypatch.setattr(connections, "PATIENCE", PATIENCE)
    config = uvicorn.Config(application, port=0, http=connections.Connection, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield server
    server.should_exit = True
    await serving


async def connect(server: uvicorn.Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("in vain for 10 seconds")


async def closed(server: uvicorn.Server) -> None:
    """Wait until the server has no connection left."""
    await until(lambda: not server.server_state.connections)


@pytest.mark.parametrize("start", [b"", HEAD, HEAD + b"\r\n", HEAD + b"\r\nab"])
async def test_a_request_that_does_not_arrive_ends_the_connection(server: uvicorn.Server, start: bytes) -> None:
    _, writer = await connect(server)
    writer.write(start)
    await asyncio.sleep(PATIENCE / 2)
    assert server.server_state.connections
    await closed(server)
    writer.close()


async def test_a_byte_now_and_then_is_no_request(server: uvicorn.Server) -> None:
    _, writer = await connect(server)
    writer.write(HEAD + b"X-Slow: ")
    await asyncio.sleep(PATIENCE / 2)
    async with asyncio.timeout(10):
        while server.server_state.connections:
            writer.write(b"x")
            await asyncio.sleep(PATIENCE / 10)
    writer.close()


@pytest.mark.parametrize("endless", [b"GET /", HEAD + b"X-Long: ", HEAD + b"X-Many: ", HEAD_OF_CHUNKS])
async def test_a_head_without_an_end_ends_the_connection(server: uvicorn.Server, endless: bytes) -> None:
    reader, writer = await connect(server)
    writer.write(endless)
    piece = b"a\r\nX-Many: " * 100 if endless.endswith(b"Many: ") else b"a" * 1000
    with suppress(ConnectionError):
        for _ in range(200):
            writer.write(piece)
            await writer.drain()
    with suppress(ConnectionError):  # the answer may be lost where there was more to read
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    await closed(server)
    writer.close()


async def test_who_does_not_read_the_answer_is_left(server: uvicorn.Server) -> None:
    _, writer = await connect(server)
    writer.write(HEAD + b"\r\nmore")
    await asyncio.sleep(PATIENCE * 2.5)
    assert server.server_state.connections, "the answer takes its time"
    await closed(server)
    writer.close()


async def test_an_answer_may_take_longer_and_another_request_follow(server: uvicorn.Server) -> None:
    reader, writer = await connect(server)
    for body in (b"abcd", b"efgh"):
        for piece in (HEAD, b"\r\n", body[:2], body[2:]):
            writer.write(piece)
            await asyncio.sleep(PATIENCE / 10)
        assert (await reader.readuntil(body)).startswith(b"HTTP/1.1 200 OK")
    writer.close()
