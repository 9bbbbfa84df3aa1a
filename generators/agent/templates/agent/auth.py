"""Who may call: holders of the agent's token, each time for one owner of threads."""

import hmac
import re
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from problems import problem

NAME = r"^[A-Za-z0-9._:@-]{1,128}$"  # owners, threads and idempotency keys
PUBLIC = frozenset({"/health", "/live"})


class TokenRequired:
    """Middleware that refuses a request without the token before its body is read."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self.expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] != "http" or scope["path"] in PUBLIC or self._has_token(scope):
            await self.app(scope, receive, send)
        else:
            refusal = problem(401, "Send the agent's token as Authorization: Bearer ...")
            await refusal(scope, receive, send)

    def _has_token(self, scope: Scope) -> bool:
        sent = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return hmac.compare_digest(sent, self.expected)


async def owner(request: Request) -> str:
    """The owner for whom the caller speaks, from X-Thread-Owner."""
    name = request.headers.get("x-thread-owner")
    if name is None:
        raise HTTPException(400, "Send the owner of the thread as X-Thread-Owner.")
    if not re.fullmatch(NAME, name):
        raise HTTPException(422, f"X-Thread-Owner must match {NAME}")
    return name


Owner = Annotated[str, Depends(owner)]
