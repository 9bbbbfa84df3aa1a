"""Answers that grow: server-sent events, and what happens when the caller leaves before the end."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from three_tier.interface.agent_client import Refused
from three_tier.interface.agent_types import Event

DONE = "data: [DONE]\n\n"
HEARTBEAT = ": ping\n\n"


class CallerGone(Exception):
    """The caller closed the connection before there was an answer."""


class EventStream(StreamingResponse):
    """Server-sent events. When the caller leaves, the generator behind them is closed at once."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[str]) -> None:
        super().__init__(frames, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        async with aclosing(self._frames):
            await super().__call__(scope, receive, send)


async def while_connected[T](request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the caller goes away.

    Raises:
        CallerGone: The caller went away.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_wait_until_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CallerGone
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def begin(request: Request, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    """The events, once the first of them is there: a refusal before it can still be an HTTP status.

    A refusal after it becomes an event of the type `error`.
    """
    first = await while_connected(request, _first(events))
    return _continue(first, events)


async def _first(events: AsyncGenerator[Event]) -> Event:
    return await anext(events)


async def _continue(first: Event, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    async with aclosing(events):
        yield first
        try:
            async for event in events:
                yield event
        except Refused as refused:
            yield Event(type="error", status=refused.status, detail=refused.detail)


async def frames(events: AsyncGenerator[Event]) -> AsyncGenerator[str]:
    """The agent's own events as server-sent events, the last of them `[DONE]`."""
    async with aclosing(events):
        async for event in events:
            if event.type == "ping":
                yield HEARTBEAT
            else:
                yield f"event: {event.type}\ndata: {event.model_dump_json(exclude_unset=True)}\n\n"
    yield DONE
