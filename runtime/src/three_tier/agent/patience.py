"""How long is waited: for a database that does not answer, and for a thread that another run holds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import SystemRandom

from tenacity import AsyncRetrying, retry_if_exception, wait_random_exponential

from three_tier.agent.contract import Busy, Unavailable
from three_tier.agent.metrics import OUTAGES

FIRST_PAUSE = 0.01  # seconds between two attempts to take a thread
LONGEST_PAUSE = 0.25


async def insist[Answer](
    ask: Callable[[], Awaitable[Answer]],
    seconds: float,
    is_down: Callable[[BaseException], bool],
    explain: Callable[[Exception], str],
    reason: str,
) -> Answer:
    """Ask a database again and again.

    Args:
        ask: sends what may be sent twice.
        seconds: until it is given up.
        is_down: whether asking again may help after an error; any other is raised as it is.
        explain: what to check after an error.
        reason: what is said where there was no error, and no answer either.

    Raises:
        Unavailable: the database did not answer.
    """
    try:
        async with asyncio.timeout(seconds):
            async for attempt in AsyncRetrying(
                retry=retry_if_exception(is_down), wait=wait_random_exponential(multiplier=0.05, max=1)
            ):
                with attempt:
                    try:
                        return await ask()
                    except Exception as error:
                        reason = explain(error)
                        raise
    except TimeoutError:
        pass
    OUTAGES.inc()
    raise Unavailable(reason)


class Waiting:
    """Pauses that grow, between attempts to take a thread.

    Args:
        seconds: that they may take together.
    """

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._pause = FIRST_PAUSE

    async def pause(self) -> None:
        """Wait for a moment. Raises `Busy` where the time is over."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Busy
        await asyncio.sleep(min(left, self._pause * SystemRandom().uniform(0.5, 1.5)))
        self._pause = min(self._pause * 1.5, LONGEST_PAUSE)
