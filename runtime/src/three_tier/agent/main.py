"""The agent's process: an HTTP server that is up at once, and beside it the way to the database."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog
import uvicorn
import uvloop
from pydantic import ValidationError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from three_tier.agent import transfer
from three_tier.agent.app import create_app
from three_tier.agent.containment import contained_task
from three_tier.agent.contract import Logic, Memory, Unavailable
from three_tier.agent.problems import problem
from three_tier.agent.settings import Settings
from three_tier.common import log
from three_tier.common.http import loaded
from three_tier.common.http.connections import Connection

logger = structlog.get_logger("main")

type Load = Callable[[], AbstractAsyncContextManager[Logic]]

FORGET_EVERY = 3600  # seconds
FORGET_BATCH = 500  # threads, or revocations, in one statement


class AgentConnection(Connection):
    """A connection that refuses in the agent's words."""

    problem = staticmethod(problem)


async def serve(settings: Settings, logic: Logic, memory: Memory) -> int:
    """Serve until SIGTERM, finish the requests in flight, and return the exit code.

    The code is 1 if the database has not answered within the start-up timeout.
    """
    asyncio.get_running_loop().set_task_factory(contained_task)
    outside = asyncio.all_tasks()
    app = create_app(settings, memory, logic)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=AgentConnection,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.drain_timeout,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    starting = asyncio.create_task(start(memory, settings, server))
    turns = app.state.turns.most
    logger.info("serving", port=settings.port, engine=logic.engine, offline=logic.offline, turns=turns)
    signal.signal(signal.SIGTERM, lambda *_: None)  # the server raises it again once it has drained
    await server.serve()
    starting.cancel()
    left = asyncio.all_tasks() - outside  # requests that ran out of time give their threads back
    await asyncio.wait({starting, *left}, timeout=2)
    await memory.close()
    return 1 if starting.done() and not starting.cancelled() and starting.exception() else 0


async def start(memory: Memory, settings: Settings, server: uvicorn.Server) -> None:
    """Connect to the database, then forget what has had its time for as long as the process runs."""
    try:
        await connect(memory, settings.startup_timeout)
    except Exception as error:
        reason = str(error) if isinstance(error, Unavailable) else f"{type(error).__name__}: check DATABASE_URL"
        logger.critical("no database, giving up", reason=reason, seconds=settings.startup_timeout)
        server.should_exit = True
        raise
    logger.info("connected to the database")
    loaded.settle()
    while True:
        await forget(memory, settings.retention_days)
        await asyncio.sleep(FORGET_EVERY)


async def connect(memory: Memory, patience: float) -> None:
    """Wait up to `patience` seconds until the database answers. Raises Unavailable."""
    told = False
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(Unavailable),
        stop=stop_after_delay(patience),
        wait=wait_random_exponential(multiplier=0.1, max=2),
        reraise=True,
    ):
        with attempt:
            try:
                await memory.ping()
            except Unavailable as error:
                if not told:
                    logger.warning("waiting for the database", reason=str(error))
                    told = True
                raise


async def forget(memory: Memory, days: int) -> None:
    """Delete expired revocations, and the threads that had no message for `days` days unless it is 0; in batches."""
    try:
        while await memory.forget_revocations(FORGET_BATCH):
            pass
        if not days:
            return
        deleted = 0
        while batch := await memory.forget(days, FORGET_BATCH):
            deleted += batch
        logger.info("retention applied", deleted=deleted)
    except Unavailable as error:
        logger.warning("retention not applied, trying again later", reason=str(error))


def run(load: Load, build_memory: Callable[[Settings], Memory]) -> int:
    """Run the agent and return its exit code.

    With `export` or `import` on the command line it moves what the agent remembers instead (see transfer.py).

    Args:
        load: gives the logic for as long as the agent runs, once the settings are known to be right.
        build_memory: gives the memory, within the event loop.
    """
    log.configure("info")
    try:
        if sys.argv[1:]:
            return transfer.main(sys.argv[1:], build_memory)
        settings = Settings()
        log.configure(settings.log_level)
        return uvloop.run(_run(settings, load, build_memory))
    except ValidationError as error:
        for wrong in error.errors():
            variable = "_".join(map(str, wrong["loc"])).upper()
            logger.critical("wrong variable, see .env", variable=variable, problem=wrong["msg"])
        return 1


async def _run(settings: Settings, load: Load, build_memory: Callable[[Settings], Memory]) -> int:
    async with load() as logic:
        return await serve(settings, logic, build_memory(settings))
