"""The connections to PostgreSQL, and patience when it does not answer."""

import asyncio
import socket

import asyncpg
from asyncpg import Record
from tenacity import AsyncRetrying, retry_if_exception, wait_random_exponential

from contract import Unavailable
from metrics import OUTAGES
from settings import Settings

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
    asyncpg.InsufficientPrivilegeError: "the tables belong to another role: apply init-role.sh",
    asyncpg.DiskFullError: "the database's disk is full",
    asyncpg.TooManyConnectionsError: "the database has no connection left: check DATABASE_POOL",
    socket.gaierror: "the database's host is not found: check that it runs, and DATABASE_URL",
}
CONNECT_TIMEOUT = 2  # seconds


class Postgres:
    """A pool of connections that rides out a short outage."""

    def __init__(self, settings: Settings) -> None:
        """Describe the connections; `open` makes the pool, because it must be made in the running loop."""
        self.settings = settings
        self.pool: asyncpg.Pool[Record] | None = None

    async def open(self) -> None:
        """Make the pool. Its connections are opened when they are needed."""
        settings = self.settings
        self.pool = await asyncpg.create_pool(
            settings.database_url,
            password=settings.database_password.get_secret_value(),
            min_size=0,
            max_size=settings.database_pool,
            timeout=CONNECT_TIMEOUT,
            command_timeout=settings.database_timeout,
            reset=_keep_session,
            server_settings={"application_name": settings.agent_name, "timezone": "UTC"},
        )

    async def close(self) -> None:
        """Close the connections."""
        if self.pool:
            self.pool.terminate()

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
                return await self._insist(statement, values)
            raise Unavailable(explain(error)) from error

    async def _fetch(self, statement: str, values: tuple[object, ...]) -> list[Record]:
        if not self.pool:
            raise Unavailable("the memory is not open")
        async with self.pool.acquire(timeout=self.settings.database_timeout) as connection:
            try:
                return await connection.fetch(statement, *values)
            except (TimeoutError, asyncio.CancelledError):
                connection.terminate()  # to ask a server that is frozen to cancel would wait for it again
                raise

    async def _insist(self, statement: str, values: tuple[object, ...]) -> list[Record]:
        reason = "the database does not answer"
        try:
            async with asyncio.timeout(self.settings.database_patience):
                async for attempt in AsyncRetrying(
                    retry=retry_if_exception(is_down), wait=wait_random_exponential(multiplier=0.05, max=1)
                ):
                    with attempt:
                        try:
                            return await self._fetch(statement, values)
                        except DOWN as error:
                            reason = explain(error)
                            raise
        except TimeoutError:
            pass
        OUTAGES.inc()
        raise Unavailable(reason)


async def _keep_session(_: object) -> None:
    """No statement changes its session, so the round trip that would reset it after each one is saved."""


def is_down(error: BaseException) -> bool:
    """Whether trying again may help; it does not where a value cannot be sent."""
    return isinstance(error, DOWN) and not isinstance(error, asyncpg.DataError)


def explain(error: Exception) -> str:
    """What to check, in one line, by the names of the variables in .env."""
    known = (hint for kind, hint in HINTS.items() if isinstance(error, kind))
    return next(known, f"the database does not answer: check DATABASE_URL ({type(error).__name__})")
