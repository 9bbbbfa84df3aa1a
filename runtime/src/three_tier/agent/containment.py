"""What the logic raises ends its own turn: never the process, and nobody else's turn."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from three_tier.agent.contract import LogicBroke, LogicFailed


@contextmanager
def contained() -> Iterator[None]:
    """Let nothing out of the logic but what its contract names.

    Raises:
        LogicFailed: as the logic raised it.
        LogicBroke: it raised anything else, be it `SystemExit`, or was cancelled by nobody but itself.
        CancelledError: the turn is cancelled.
    """
    try:
        yield
    except (LogicBroke, LogicFailed):
        raise
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
            raise
        raise LogicBroke(f"the logic raised {type(error).__name__}") from error


def contained_task[T](loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], **options: Any) -> asyncio.Task[T]:
    """A task factory. asyncio ends the whole loop where a task exits; with this only the task fails."""

    async def contain() -> T:
        try:
            return await work
        except (SystemExit, KeyboardInterrupt) as error:
            raise LogicBroke(f"a task raised {type(error).__name__}") from error

    task = asyncio.Task(contain(), loop=loop, **options)
    task.add_done_callback(lambda _: work.close())  # where it was cancelled before it began
    return task
