"""The connections to PostgreSQL, and patience when it does not answer."""

import asyncio
import socket
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg import Connection, Record

from three_tier.agent.contract import Unavailable
from three_tier.agent.patience import insist
from three_tier.agent.settings import Settings

type Link = Connection[Record]

DOWN = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that dies in the moment it is taken
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # the server starts or stops
    asyncpg.DeadlockDetectedError,  # somebody changes the tables
    asyncpg.InsufficientResourcesError,  # its disk is full, or its connections are used up
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedTableError,
)
HINTS: dict[type[Exception], str] = {
    asyncpg.InvalidAuthorizationSpecificationError: "the role was refused: check DB_USER and DB_PASSWORD",
    asyncpg.InvalidCatalogNameError: "the server has no such database: check DB_NAME",
    asyncpg.UndefinedTableError: "the tables are missing: apply init-tables.sql",
    asyncpg.InsufficientPrivilegeError: "the role lacks rights on the tables: apply init-role.sh",
    asyncpg.DiskFullError: "the database's disk is full",
    asyncpg.TooManyConnectionsError: "the database has no connection left: check DATABASE_POOL",
    socket.gaierror: "the database's host is not found: check that it runs, and DATABASE_URL",
}
CONNECT_TIMEOUT = 2  # seconds
IDLE = 300  # seconds until a connection that nobody needs is closed


class Postgres:
    """Connections that ride out a short outage.

    No statement changes its session and each is a transaction of its own, so a connection goes from one to the next as
    it is. The client's own pool, which prepares it for strangers, doubles the processor time of a statement.
    """

    def __init__(self, settings: Settings) -> None:
        """Describe the connections. They are opened when they are needed."""
        self.settings = settings
        self.places = asyncio.Semaphore(settings.database_pool)
        self.idle: deque[tuple[Link, float]] = deque()  # and since when, the longest first

    def close(self) -> None:
        """Close the connections."""
        while self.idle:
            link, _ = self.idle.pop()
            link.terminate()

    async def query(self, statement: str, *values: object, patient: bool = True) -> list[Record]:
        """Run a statement that may run twice.

        Args:
            statement: SQL with $1, $2 ... for the values.
            values: the values.
            patient: try again for a while when the database does not answer.

        Raises:
            Unavailable: the database did not answer.
        """
        try:
            return await self._fetch(statement, values)
        except DOWN as error:
            if not is_down(error):
                raise
            if patient:
                return await insist(
                    lambda: self._fetch(statement, values),
                    self.settings.database_patience,
                    is_down,
                    explain,
                    "the database does not answer",
                )
            raise Unavailable(explain(error)) from error

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Link]:
        """A connection for own statements and transactions, of which none is tried again.

        Raises:
            Unavailable: there is none. What its statements raise stays as it is.
        """
        try:
            async with asyncio.timeout(self.settings.database_timeout):
                await self.places.acquire()
        except TimeoutError as error:
            raise Unavailable("all connections are in use: see DATABASE_POOL") from error
        try:
            try:
                link = await self._take()
            except DOWN as error:
                raise Unavailable(explain(error)) from error
            try:
                yield link
                await link.reset()
            except BaseException:
                link.terminate()  # whatever state it is in
                raise
            self._give_back(link)
        finally:
            self.places.release()

    async def _fetch(self, statement: str, values: tuple[object, ...]) -> list[Record]:
        async with asyncio.timeout(self.settings.database_timeout):
            await self.places.acquire()
        try:
            link = await self._take()
            try:
                return await link.fetch(statement, *values)
            except (TimeoutError, asyncio.CancelledError):
                link.terminate()  # to ask a server that is frozen to cancel would wait for it again
                raise
            finally:
                self._give_back(link)
        finally:
            self.places.release()

    async def _take(self) -> Link:
        while self.idle:
            link, _ = self.idle.pop()
            if not link.is_closed():
                return link
        return await asyncpg.connect(
            self.settings.database_url,
            password=self.settings.database_password.get_secret_value(),
            timeout=CONNECT_TIMEOUT,
            command_timeout=self.settings.database_timeout,
            server_settings={"application_name": self.settings.agent_name, "timezone": "UTC"},
        )

    def _give_back(self, link: Link) -> None:
        now = time.monotonic()
        if not link.is_closed():
            self.idle.append((link, now))
        if self.idle and now - self.idle[0][1] > IDLE:
            unneeded, _ = self.idle.popleft()
            unneeded.terminate()


def is_down(error: BaseException) -> bool:
    """Whether trying again may help; it does not where a value cannot be sent."""
    return isinstance(error, DOWN) and not isinstance(error, asyncpg.DataError)


def explain(error: Exception) -> str:
    """What to check, in one line, by the names of the variables in .env."""
    known = (hint for kind, hint in HINTS.items() if isinstance(error, kind))
    return next(known, f"the database does not answer: check DATABASE_URL ({type(error).__name__})")
