"""Waiting for something to become true."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

import pytest


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 10) -> None:
    """Wait until a condition holds, and fail the test when it does not in time."""
    for _ in range(int(seconds / 0.02)):
        outcome = condition()
        if (await outcome) if isawaitable(outcome) else outcome:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"in vain for {seconds} seconds")
