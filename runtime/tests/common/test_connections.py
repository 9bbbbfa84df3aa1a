"""What happens to connections on which nothing comes, or too much or no end of it, or from which nothing is read."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from three_tier.agent.problems import problem
from three_tier.common.http import connections

pytestmark = pytest.mark.anyio


class Connection(connections.Connection):
    """One that refuses in the words of the agent."""

    problem = staticmethod(problem)


PATIENCE = 0.6  # seconds
HEAD = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n"
HEAD_OF_CHUNKS = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: "
MUCH = 20 * 2**20  # bytes, more than the buffers on the way hold


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body, later than a request may arrive.

    `look` is answered with the names of the headers, and `more` with so much that it must be read.
    """
    body = await Request(scope, receive).body()
    await asyncio.sleep(PATIENCE * 2)
    if body == b"look":
        body = b" ".join(name for name, _ in scope["headers"])
    await PlainTextResponse(bytes(MUCH) if body == b"more" else body)(scope, receive, send)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[uvicorn.Server]:
    """A server with little patience."""
    monkeypatch.setattr(connections, "PATIENCE", PATIENCE)
    config = uvicorn.Config(application, port=0, http=Connection, lifespan="off", log_config=None)
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


def is_refused(answer: bytes, status: int) -> None:
    """Check that a whole problem document came, and nothing before or after it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    assert line.startswith(f"HTTP/1.1 {status} ")
    assert set(headers) == {
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        "connection: close",
    }
    assert body == problem(status, json.loads(body)["detail"]).body, "the same document as of any other error"


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
    is_refused(await reader.read(), 431)
    writer.close()
    await closed(server)


TOO_MUCH = b"a" * 70 * 1024
TOO_LONG = {
    "line": b"GET /" + TOO_MUCH + b" HTTP/1.1\r\nHost: here\r\n\r\n",
    "query": b"GET /?" + TOO_MUCH + b" HTTP/1.1\r\nHost: here\r\n\r\n",
    "header": b"GET / HTTP/1.1\r\nHost: here\r\nX-Long: " + TOO_MUCH + b"\r\n\r\n",
    "name of a header": b"GET / HTTP/1.1\r\nHost: here\r\n" + TOO_MUCH + b": long\r\n\r\n",
    "headers": b"GET / HTTP/1.1\r\nHost: here\r\n" + (b"X-Some: " + b"a" * 1500 + b"\r\n") * 50 + b"\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: here\r\n" + b"a:\r\n" * 101 + b"\r\n",
    "with a body": HEAD + b"X-Long: " + TOO_MUCH + b"\r\n\r\nabcd",
    "trailer": HEAD_OF_CHUNKS + TOO_MUCH + b"\r\n\r\n",
    "between chunks": HEAD_OF_CHUNKS.replace(b"\r\n0\r\n", b"\r\n" + b"1\r\na\r\n" * 20_000 + b"0\r\n") + b"x\r\n\r\n",
    "chunk's extension": HEAD_OF_CHUNKS.replace(b"\r\n0\r\n", b"\r\n0;" + TOO_MUCH + b"\r\n") + b"x\r\n\r\n",
}


@pytest.mark.parametrize("request_", TOO_LONG.values(), ids=TOO_LONG)
@pytest.mark.parametrize("segment", [2**20, 1000], ids=["in one segment", "in many"])
async def test_too_long_a_head_is_refused(server: uvicorn.Server, request_: bytes, segment: int) -> None:
    reader, writer = await connect(server)
    for start in range(0, len(request_), segment):
        writer.write(request_[start : start + segment])
        await writer.drain()
    is_refused(await reader.read(), 431)
    writer.close()
    await closed(server)


async def test_what_is_no_request_is_refused(server: uvicorn.Server) -> None:
    reader, writer = await connect(server)
    writer.write(b"hello\r\n\r\n")
    is_refused(await reader.read(), 400)
    writer.close()
    await closed(server)


async def test_who_stays_after_a_refusal_is_left(server: uvicorn.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "FAREWELL", PATIENCE)
    reader, writer = await connect(server)
    writer.write(TOO_LONG["header"])
    is_refused(await reader.read(), 431)
    with suppress(ConnectionError):
        while server.server_state.connections:
            writer.write(TOO_MUCH)
            await writer.drain()
    await closed(server)
    writer.close()


async def test_an_answer_is_not_mixed_with_a_refusal(server: uvicorn.Server) -> None:
    reader, writer = await connect(server)
    writer.write(HEAD + b"\r\nabcd" + TOO_LONG["header"])
    assert await reader.read() == b""
    writer.close()
    await closed(server)


@pytest.mark.parametrize("segment", [2**20, 1000], ids=["in one segment", "in many"])
async def test_a_long_head_is_taken_and_so_is_the_next(server: uvicorn.Server, segment: int) -> None:
    reader, writer = await connect(server)
    for body in (b"abcd", b"efgh"):
        request = HEAD + b"X-Some: value\r\n" * 90 + b"X-Long: " + TOO_MUCH[: 55 * 1024] + b"\r\n\r\n" + body
        for start in range(0, len(request), segment):
            writer.write(request[start : start + segment])
            await writer.drain()
        assert (await reader.readuntil(body)).startswith(b"HTTP/1.1 200 OK")
    writer.write(TOO_LONG["header"])
    is_refused(await reader.read(), 431)
    writer.close()


@pytest.mark.parametrize("pause", [0, 0.1])
async def test_trailers_are_no_headers(server: uvicorn.Server, pause: float) -> None:
    reader, writer = await connect(server)
    head, _, rest = HEAD_OF_CHUNKS.partition(b"0\r\n")
    for _ in range(2):
        writer.write(head + b"4\r\nlook\r\n")
        await asyncio.sleep(pause)
        writer.write(b"0\r\n" + rest + b"x\r\n\r\n")
        answer = await reader.readuntil(b"transfer-encoding")
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"x-trailer" not in answer
    writer.close()


async def test_a_long_body_is_no_head(server: uvicorn.Server) -> None:
    reader, writer = await connect(server)
    body = b"a" * 2**20
    writer.write(HEAD.replace(b"Length: 4", b"Length: %d" % len(body)) + b"\r\n" + body)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
    assert await reader.readexactly(len(body)) == body
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
