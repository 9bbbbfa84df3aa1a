"""Who may call: holders of the agent's token, each time for one owner of threads."""

import hmac
from typing import Annotated

from fastapi import Depends, Header, HTTPException
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from problems import problem

NAME = r"^[A-Za-z0-9._:@-]{1,128}$"  # owners, threads and idempotency keys
PUBLIC = frozenset({"/health", "/live"})

bearer = Depends(HTTPBearer(auto_error=False, description="The AGENT_TOKEN."))  # for the API's description


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


async def owner(name: Annotated[str | None, Header(alias="X-Thread-Owner", pattern=NAME)] = None) -> str:
    """The owner for whom the caller speaks, from X-Thread-Owner."""
    if name is None:
        raise HTTPException(400, "Send the owner of the thread as X-Thread-Owner.")
    return name


Owner = Annotated[str, Depends(owner)]
