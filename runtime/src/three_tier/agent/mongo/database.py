"""The connections to MongoDB, and patience when it does not answer."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError

from three_tier.agent.contract import Unavailable
from three_tier.agent.patience import insist
from three_tier.agent.settings import Settings

type Document = dict[str, Any]
type Database = AsyncDatabase[Document]

DOWN = (PyMongoError, TimeoutError)
HINTS = {  # by the server's error codes
    13: "the user may not use this database: check DB_NAME",
    18: "the user was refused: check DB_USER and DB_PASSWORD",
    14031: "the database's disk is full",
}
DUPLICATE = 11000
CONNECT_TIMEOUT = 2  # seconds
AT_ONCE = 1.25  # seconds that a call without patience may take


class Mongo:
    """A pool of connections that rides out a short outage."""

    def __init__(self, settings: Settings) -> None:
        """Describe the connections; the first query makes the pool, because it must be made in the running loop."""
        self.settings = settings
        self.database: Database | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self.database is not None:
            await self.database.client.close()

    async def query[Answer](self, ask: Callable[[Database], Awaitable[Answer]], *, patient: bool = True) -> Answer:
        """Ask the database something that may be asked twice.

        Args:
            ask: sends one command.
            patient: try again for a while when the database does not answer.

        Raises:
            Unavailable: the database did not answer.
        """
        try:
            async with asyncio.timeout(self.settings.database_timeout if patient else AT_ONCE):
                return await ask(self.connected())
        except DOWN as error:
            if not is_down(error):
                raise
            if patient:
                return await insist(
                    lambda: ask(self.connected()),
                    self.settings.database_patience,
                    is_down,
                    explain,
                    explain(TimeoutError()),
                )
            raise Unavailable(explain(error)) from error

    def connected(self) -> Database:
        """The database, by way of a pool that the first call makes."""
        if self.database is None:
            settings = self.settings
            client: AsyncMongoClient[Document] = AsyncMongoClient(
                settings.database_url,
                password=settings.database_password.get_secret_value(),
                authSource="admin",  # where init-collections.js keeps the user
                appname=settings.agent_name,
                maxPoolSize=settings.database_pool,
                maxConnecting=settings.database_pool,
                connectTimeoutMS=CONNECT_TIMEOUT * 1000,
                socketTimeoutMS=round(settings.database_timeout * 1000),
                retryReads=False,  # both are done here,
                retryWrites=False,  # for longer
                w="majority",
                journal=True,  # a write that is confirmed is on the disk
                tz_aware=True,
                tzinfo=UTC,
            )
            self.database = client.get_default_database()
        return self.database


def is_down(error: BaseException) -> bool:
    """Whether trying again may help; it does not where what was sent is there already, or is no command."""
    refused = isinstance(error, OperationFailure) and _codes(error) != {DUPLICATE}
    return refused or isinstance(error, TimeoutError | ConnectionFailure)


def explain(error: Exception) -> str:
    """What to check, in one line, by the names of the variables in .env."""
    if isinstance(error, OperationFailure):
        known = (HINTS[code] for code in _codes(error) if code in HINTS)
        return next(known, f"the database refuses: see its log, and whether its disk is full ({error.code})")
    return f"the database does not answer: check that it runs, and DATABASE_URL ({type(error).__name__})"


def _codes(error: OperationFailure) -> set[int | None]:
    """The server's error codes: of a bulk, those of its parts."""
    if isinstance(error, BulkWriteError):
        return {refusal["code"] for refusal in error.details["writeErrors"]}
    return {error.code}
