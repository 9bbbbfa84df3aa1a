"""The connections to Redis, and patience when it does not answer."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis

from three_tier.agent.contract import Unavailable
from three_tier.agent.patience import insist
from three_tier.agent.redis.scripts import Script
from three_tier.agent.settings import Settings

PORT = 6379
CONNECT_TIMEOUT = 2  # seconds
PING_AFTER = 30  # seconds that a connection may be idle before it is tried first

HINTS: dict[type[BaseException], str] = {
    exceptions.AuthenticationError: "the user was refused: check DB_USER and DB_PASSWORD",
    exceptions.NoPermissionError: "the user may not touch these keys: check DB_NAME and DB_USER, or run deploy.sh",
    exceptions.OutOfMemoryError: "the database's memory is full: raise DB_MAXMEMORY, or set RETENTION_DAYS",
    exceptions.ReadOnlyError: "the database only copies another one: check DATABASE_URL",
    exceptions.BusyLoadingError: "the database is still loading its data",
    socket.gaierror: "the database's host is not found: check that it runs (its log says why not), and DATABASE_URL",
}
# Errors that have no type of their own, by how they begin.
CODES = {
    "MISCONF": "the database cannot write to its disk: is it full?",
    "BUSY": "the database is busy with a script",
    "ACL failure in script": "the user may not call what the scripts need: see init-users.sh, and run deploy.sh",
    "max number of clients": "the database has no connection left: check DATABASE_POOL",
    "Connection closed": "the database ended the connection: its log says why, such as a full disk",
}
DOWN = (
    OSError,
    TimeoutError,
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.NoPermissionError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
)


class Database:
    """A pool of connections that rides out a short outage."""

    def __init__(self, settings: Settings) -> None:
        """Describe the connections. They are opened when they are needed."""
        url = urlsplit(settings.database_url)
        self.settings = settings
        self.prefix = f"{url.path.strip('/')}:"  # of every key
        pool = BlockingConnectionPool(
            host=url.hostname,
            port=url.port or PORT,
            username=unquote(url.username or ""),
            password=settings.database_password.get_secret_value(),
            client_name=settings.agent_name,
            max_connections=settings.database_pool,
            timeout=settings.database_timeout,
            socket_timeout=settings.database_timeout,
            socket_connect_timeout=CONNECT_TIMEOUT,
            health_check_interval=PING_AFTER,
            protocol=2,
            decode_responses=True,
        )
        self.client = Redis.from_pool(pool)
        self.execute: Callable[..., Awaitable[Any]] = self.client.execute_command

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def send(self, *words: object) -> Any:
        """Send a command once, and return the reply in bounded time."""
        async with asyncio.timeout(self.settings.database_timeout):
            return await self.execute(*words)

    async def write(self, key: str, value: str) -> None:
        """Write a value in one attempt.

        Args:
            key: the key, without the prefix.
            value: the value.

        Raises:
            Unavailable: the database did not answer, or did not take it.
        """
        await self._command("SET", f"{self.prefix}{key}", value, patient=False)

    async def run(self, script: Script, *values: str | int | None, patient: bool = True) -> list[Any]:
        """Run a script that may run twice.

        Args:
            script: the script.
            values: its arguments.
            patient: try again for a while when the database does not answer.

        Raises:
            Unavailable: the database did not answer.
        """
        try:
            reply: list[Any] = await self._command("EVALSHA", script.hash, 1, self.prefix, *values, patient=patient)
        except exceptions.NoScriptError:  # the server has restarted, or has never seen it
            reply = await self._command("EVAL", script.text, 1, self.prefix, *values, patient=patient)
        return reply

    async def _command(self, *words: object, patient: bool) -> Any:
        try:
            return await self.send(*words)
        except Exception as error:
            if not is_down(error):
                raise
            if patient:
                return await insist(
                    lambda: self.send(*words),
                    self.settings.database_patience,
                    is_down,
                    explain,
                    "the database does not answer in time: check DATABASE_URL",
                )
            raise Unavailable(explain(error)) from error


def is_down(error: BaseException) -> bool:
    """Whether trying again may help."""
    return isinstance(error, DOWN) or str(error).startswith(tuple(CODES))


def explain(error: BaseException) -> str:
    """What to check, in one line, by the names of the variables in .env."""
    for cause in _causes(error):
        for kind, hint in HINTS.items():
            if isinstance(cause, kind):
                return hint
        for code, hint in CODES.items():
            if str(cause).startswith(code):
                return hint
    return "the database does not answer: check that it runs (its log says if the disk is full), and DATABASE_URL"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__
