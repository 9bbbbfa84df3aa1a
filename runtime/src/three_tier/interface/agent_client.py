"""The agent as this tier sees it: an address, a token, and answers or refusals."""

import asyncio
import math
import socket
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from random import SystemRandom
from typing import Any, Self
from urllib.parse import quote

import structlog
from aiohttp import (
    AddrInfoType,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    SocketTimeoutError,
    TCPConnector,
)
from pydantic import BaseModel, ValidationError
from yarl import URL

from three_tier.interface.agent_types import Created, Event, Info, Messages, Question, Reply, Threads, WrongField
from three_tier.interface.base_settings import InterfaceSettings
from three_tier.interface.replicas import Replicas

CONNECTIONS = 1000  # to the agent at a time; a call that finds none free waits for one
CONNECT_TIMEOUT = 3.0  # seconds
MARGIN = 30.0  # seconds that a message may wait at the agent before its turn begins, and its answer be on the way
SILENCE = 60.0  # seconds until a call is given up, and without a byte a stream; heartbeats come far more often
# An agent that was cut off from the network says nothing any more, and a call would wait for its reply until it gives
# up. So the kernel asks after two seconds of silence, which one that only works for long answers, and ends the
# connection after five.
KEEP_ALIVE = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 2,  # seconds
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 5000,  # milliseconds in which what was sent must have arrived
}
READ_BUFFER = 2**20  # bytes; an event is one line, and a reply can be long
LONGEST_PAUSE = 2.0  # seconds between two attempts
LOOK_EVERY = 5.0  # seconds between two looks whether the agent is there
SLOW = "The agent took too long. The same request with the same Idempotency-Key asks for the same reply."

log = structlog.get_logger("agent_client")


class Refused(Exception):
    """The agent said no.

    Attributes:
        status: The HTTP status that fits.
        detail: A sentence that a person may read.
        errors: Which fields of the request are wrong.
        retry_after: Seconds after which another try may succeed.
    """

    def __init__(
        self, status: int, detail: str, *, errors: list[WrongField] | None = None, retry_after: str | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after


class Away(Refused):
    """The agent does not answer, or its answer broke off. A retry with the same key is safe.

    Attributes:
        asked: Whether the request had reached it. Then it may be the request that ends it.
    """

    def __init__(self, *, asked: bool = False) -> None:
        super().__init__(503, "The agent does not answer at the moment.", retry_after="2")
        self.asked = asked


class WrongAgent(Refused):
    """What answers at AGENT_URL is not the agent, or does not know this interface's AGENT_TOKEN."""

    def __init__(self, detail: str) -> None:
        super().__init__(502, detail)


class AgentClient:
    """Asks the agent, retries what a lost connection broke, and watches whether the agent is there.

    Where the agent has replicas, they take turns; a call whose replica dies is asked of another one.

    Use it as `async with AgentClient(settings) as agent`. Its methods raise `Refused` with the agent's own status and
    words, `Away` when the agent could not be reached in time, and `WrongAgent` when a setting has to be mended first.

    Attributes:
        info: What the agent last said about itself; None until it has answered once.
        connected: Whether the agent answered when it was last asked.
        complaint: What was wrong when it did not, in a sentence that a person may read.
    """

    def __init__(self, settings: InterfaceSettings) -> None:
        self.info: Info | None = None
        self.connected = False
        self.complaint = ""
        self._url = URL(str(settings.agent_url).rstrip("/"))
        self._replicas = Replicas(self._url)
        self._token = settings.agent_token.get_secret_value()
        self._timeout = settings.turn_timeout + MARGIN
        self._patience = settings.agent_patience
        self._away_since: float | None = None

    async def __aenter__(self) -> Self:
        """Start to watch the agent."""
        self._http = ClientSession(
            headers={"Authorization": f"Bearer {self._token}", "Host": self._url.authority},
            connector=TCPConnector(limit=CONNECTIONS, socket_factory=watched_socket),
            read_bufsize=READ_BUFFER,
        )
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        self._watcher.cancel()
        await asyncio.wait({self._watcher})
        await self._http.close()

    # Threads

    async def create_thread(self, owner: str, title: str | None = None, key: str | None = None) -> Created:
        """Make a thread for `owner`."""
        body = {} if title is None else {"title": title}
        return _read(Created, await self._call("POST", "/threads", owner, key=key or _new_key(), body=body))

    async def threads(self, owner: str, *, limit: int = 50, before: str | None = None) -> Threads:
        """A page of the owner's threads, the newest first; `before` names the thread that the page comes after."""
        return _read(Threads, await self._call("GET", "/threads", owner, query=_page(limit, before)))

    async def move_threads(self, owner: str, to: str) -> None:
        """Give all threads of an owner to another one. May be repeated; none of them may be in use."""
        await self._call("PATCH", "/threads", owner, body={"owner": to})

    async def keep_message(self, owner: str, message: str, key: str) -> Created:
        """Have a message stored without an answer, in a thread of its own; once for each key."""
        return _read(Created, await self._call("POST", "/messages", owner, key=key, body={"message": message}))

    async def rename_thread(self, owner: str, thread_id: str, title: str | None) -> None:
        """Give a thread another title."""
        await self._call("PATCH", _path(thread_id), owner, body={"title": title})

    async def delete_thread(self, owner: str, thread_id: str) -> None:
        """Delete a thread and its messages."""
        await self._call("DELETE", _path(thread_id), owner)

    async def messages(self, owner: str, thread_id: str, *, limit: int = 50, before: int | None = None) -> Messages:
        """A page of a thread's messages, the newest last; `before` is the id of the message that it ends before."""
        path = f"{_path(thread_id)}/messages"
        return _read(Messages, await self._call("GET", path, owner, query=_page(limit, before)))

    # Turns

    async def invoke(self, owner: str, question: Question, key: str | None = None) -> Reply:
        """The reply to a question.

        Args:
            owner: Whose threads they are, such as `api:default`.
            question: The message and its thread, or its history.
            key: Names this turn: the same key gives the same reply and stores nothing twice. Made when absent.
        """
        body = question.model_dump(exclude_none=True)
        answer = await self._call("POST", "/invoke", owner, key=key or _new_key(), body=body, seconds=self._timeout)
        return _read(Reply, answer)

    async def stream(self, owner: str, question: Question, key: str | None = None) -> AsyncGenerator[Event]:
        """The reply to a question as it grows. The arguments are those of `invoke`.

        A connection that breaks is retried with the same key as long as nothing of the answer was yielded. Close the
        iterator (`aclosing`) to stop the agent's work.
        """
        key = key or _new_key()
        body = question.model_dump(exclude_none=True)
        pauses = _Pauses(self._patience)
        seen: set[str] = set()
        asked = False
        while True:
            try:
                async with aclosing(self._events(owner, key, body)) as events:
                    async for event in events:
                        if event.type != "metadata" or "metadata" not in seen:
                            yield event
                        seen.add(event.type)
            except Away as away:
                away.asked = asked = asked or away.asked
                if seen - {"metadata", "ping"} or not await pauses.wait(self._away_since):
                    raise
            else:
                return

    async def _events(self, owner: str, key: str, body: dict[str, Any]) -> AsyncGenerator[Event]:
        times = ClientTimeout(connect=CONNECT_TIMEOUT, sock_read=SILENCE)
        async with self._request("POST", "/stream", owner, key=key, body=body, times=times) as answer:
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    yield _read(Event, line[6:])
                elif line.startswith(b":"):
                    yield Event(type="ping")
                elif line.startswith(b"data: [DONE]"):
                    return
        raise Away(asked=True)

    # What all calls have in common

    async def _call(
        self,
        method: str,
        path: str,
        owner: str,
        *,
        key: str | None = None,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        seconds: float = SILENCE,
    ) -> bytes:
        """One answer, asked for again while the connection fails: at most until the agent's patience is over."""
        times = ClientTimeout(seconds, connect=CONNECT_TIMEOUT)
        pauses = _Pauses(self._patience)
        while True:
            try:
                async with self._request(method, path, owner, key=key, query=query, body=body, times=times) as answer:
                    return await answer.read()
            except Away:
                if not await pauses.wait(self._away_since):
                    raise

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        owner: str,
        *,
        times: ClientTimeout,
        key: str | None = None,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
    ) -> AsyncIterator[ClientResponse]:
        """One request, its failures told as `Refused`."""
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        headers = {"X-Thread-Owner": owner, "Idempotency-Key": key, "X-Request-ID": request_id}
        replica = await self._replica()
        try:
            async with self._http.request(
                method,
                URL(f"{replica}{path}", encoded=True),  # as it is: a thread may be called ".."
                headers={name: value for name, value in headers.items() if value},
                params=query,
                json=body,
                timeout=times,
                allow_redirects=False,
                server_hostname=self._url.host,
            ) as answer:
                self._replicas.trust(replica)
                if not answer.ok:
                    raise await _refusal(answer)
                self._found()
                yield answer
        except SocketTimeoutError as error:
            raise Refused(504, SLOW) from error
        except ClientError as error:
            away = Away(asked=not isinstance(error, (ClientConnectorError, ConnectionTimeoutError)))
            if not self._replicas.avoid(replica):
                self._lost(away)
            raise away from error
        except TimeoutError as error:
            raise Refused(504, SLOW) from error

    async def _replica(self) -> str:
        try:
            return await self._replicas.next()
        except OSError as error:
            away = Away()
            self._lost(away)
            raise away from error

    # Whether the agent is there

    async def _watch(self) -> None:
        while True:
            pauses = _Pauses(math.inf)
            while not await self._look():
                await pauses.wait(self._away_since)
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self) -> bool:
        try:
            times = ClientTimeout(10, connect=CONNECT_TIMEOUT)
            async with self._request("GET", "/info", "interface", times=times) as answer:
                self.info = _read(Info, await answer.read())
        except Away:
            return False
        except Refused as refused:
            self._complain(refused)
            return False
        self._found()
        return True

    def _found(self) -> None:
        if self.info and not self.connected:
            self.connected, self._away_since, self.complaint = True, None, ""
            log.info("Connected", agent=self.info.name, engine=self.info.engine)

    def _lost(self, away: Away) -> None:
        if self.connected or self._away_since is None:
            self.connected, self._away_since = False, time.monotonic()
            self._complain(away)

    def _complain(self, refused: Refused) -> None:
        if refused.detail != self.complaint:
            self.complaint = refused.detail
            log.warning("Not connected", status=refused.status, reason=refused.detail)


class _Pauses:
    """Ever longer pauses between the attempts of one call, with jitter, for `patience` seconds."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._deadline: float | None = None
        self._longest = 0.1

    async def wait(self, away_since: float | None) -> bool:
        """Pause, or return False when there is no time left for another attempt.

        Patience runs from the moment the agent went away: in a long outage a call fails at once.
        """
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = (away_since or now) + self._patience
        pause = self._longest * SystemRandom().uniform(0.5, 1.0)
        if now + pause > self._deadline:
            return False
        self._longest = min(self._longest * 2, LONGEST_PAUSE)
        await asyncio.sleep(pause)
        return True


def watched_socket(address: AddrInfoType) -> socket.socket:
    """A socket that notices when the other side is gone."""
    family, kind, protocol, *_ = address
    found = socket.socket(family, kind, protocol)
    for (level, option), value in KEEP_ALIVE.items():
        found.setsockopt(level, option, value)
    return found


def _new_key() -> str:
    return uuid.uuid4().hex


def _path(thread_id: str) -> str:
    return f"/threads/{quote(thread_id, safe='')}"


def _page(limit: int, before: str | int | None) -> dict[str, str]:
    return {"limit": str(limit)} if before is None else {"limit": str(limit), "before": str(before)}


def _read[M: BaseModel](kind: type[M], data: bytes) -> M:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise WrongAgent("The agent's answer cannot be read.") from error


async def _refusal(answer: ClientResponse) -> Refused:
    """What the agent answered instead of what was asked for."""
    if answer.status in {401, 403}:
        return WrongAgent("The agent does not accept this interface: AGENT_TOKEN must be the same in both.")
    try:
        problem = _Problem.model_validate_json(await answer.read())
    except ValidationError:
        return WrongAgent("What answers at AGENT_URL is not the agent.")
    retry_after = answer.headers.get("Retry-After")
    return Refused(answer.status, problem.detail, errors=problem.errors, retry_after=retry_after)


class _Problem(BaseModel):
    """An RFC 9457 problem document."""

    detail: str
    errors: list[WrongField] | None = None
