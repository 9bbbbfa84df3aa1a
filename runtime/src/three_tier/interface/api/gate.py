"""Who gets in: keys, rate limits and the size of a request, all checked before its body is read."""

import hmac
import math
import time
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.types import Message, Receive

from three_tier.interface.agent_client import AgentClient
from three_tier.interface.api.keys import ApiKeys
from three_tier.interface.api.settings import Settings, read_rate

# All calls without a valid key together. A valid key is never held up by them, however many they are.
STRANGERS = parse("60/minute")
PUBLIC = "public"  # the owner and the name of those who call a public route without a key

# Whose threads those of the verification are; no key has such a name.
VERIFICATION = "ops:verify"

bearer = Depends(HTTPBearer(auto_error=False, description="One of the API_KEYS, without its name."))


class Gate:
    """Knows the keys and counts the requests. The counts are this process's own."""

    def __init__(self, settings: Settings) -> None:
        self._keys = ApiKeys(settings.api_keys.get_secret_value())
        self._rate = read_rate(settings.rate_limit)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._max_body = settings.max_body
        self._agent_token = settings.agent_token.get_secret_value().encode()

    async def admit(self, request: Request) -> None:
        """Let the request in, its caller's name in `request.state.caller`.

        Raises:
            HTTPException: 401 without a valid key, 429 after too many requests, 413 when the body is announced as
                too long.
        """
        if self._is_verification(request):
            request.state.caller = VERIFICATION
            return
        name = self._name(request)
        if name is None:
            request.state.quiet = True
            await self._count(STRANGERS, "strangers", "Too many requests without a valid API key.")
            request.state.quiet = False
            raise HTTPException(401, "Send an API key as Authorization: Bearer KEY.", {"WWW-Authenticate": "Bearer"})
        request.state.caller = name
        await self._bound(request, f"caller:{name}")

    async def admit_anybody(self, request: Request) -> None:
        """Let the request in, with a key or without: all who have none share one rate. Raises as `admit` does."""
        name = self._name(request)
        if name:
            request.state.caller = name
        await self._bound(request, f"caller:{name}" if name else PUBLIC)

    def _name(self, request: Request) -> str | None:
        return self._keys.name_of(_sent(request))

    async def _bound(self, request: Request, who: str) -> None:
        if self._rate:
            await self._count(self._rate, who, f"Too many requests: {self._rate} are allowed.")
        length = request.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self._max_body:
            raise self._too_long()

    def _is_verification(self, request: Request) -> bool:
        """Whether ops/verify.sh asks, from inside of the container: it counts as nobody's request."""
        host = request.client.host if request.client else ""
        return host == "127.0.0.1" and hmac.compare_digest(_sent(request).encode(), self._agent_token)

    def bounded(self, receive: Receive) -> Receive:
        """`receive`, until the body grows too long: then it raises HTTPException."""
        left = self._max_body

        async def receive_bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise self._too_long()
            return message

        return receive_bounded

    async def _count(self, rate: RateLimitItem, who: str, detail: str) -> None:
        if not await self._limiter.hit(rate, who):
            window = await self._limiter.get_window_stats(rate, who)
            wait = max(1, math.ceil(window.reset_time - time.time()))
            raise HTTPException(429, detail, {"Retry-After": str(wait)})

    def _too_long(self) -> HTTPException:
        # The rest of the body is not read, so the connection ends with the answer.
        return HTTPException(413, f"A request has at most {self._max_body} bytes.", {"Connection": "close"})


class GatedRoute(APIRoute):
    """A route that a request reaches through the gate only."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, behind the gate."""
        handle = super().get_route_handler()

        async def admit_and_handle(request: Request) -> Response:
            gate: Gate = request.app.state.gate
            await self.admit(gate, request)
            return await handle(Request(request.scope, gate.bounded(request.receive)))

        return admit_and_handle

    async def admit(self, gate: Gate, request: Request) -> None:
        """Let the request in. Raises HTTPException."""
        await gate.admit(request)


class PublicRoute(GatedRoute):
    """A route for everybody, as long as requests are neither too many nor too long."""

    async def admit(self, gate: Gate, request: Request) -> None:
        """Let the request in. Raises HTTPException."""
        await gate.admit_anybody(request)


async def _owner(request: Request) -> str:
    caller: str | None = getattr(request.state, "caller", None)
    return f"api:{caller}" if caller else PUBLIC


async def _agent(request: Request) -> AgentClient:
    agent: AgentClient = request.app.state.agent
    return agent


Owner = Annotated[str, Depends(_owner)]
Agent = Annotated[AgentClient, Depends(_agent)]


def _sent(request: Request) -> str:
    """What is sent as a bearer token; blank where nothing is."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
