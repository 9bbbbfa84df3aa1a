"""Who may call: holders of the agent's token, each time for one owner of threads."""

import hmac
import re
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from three_tier.agent.problems import problem

NAME = r"^[A-Za-z0-9._:@-]{1,128}$"  # owners, threads and idempotency keys
OWNER = "X-Thread-Owner"
KEY = "Idempotency-Key"
PUBLIC = frozenset({"/health", "/live"})

bearer = HTTPBearer(auto_error=False, description="The AGENT_TOKEN.")  # for the API's description


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


# The headers that routes read. They are described here, since to have the framework read them as parameters takes
# longer than to make a short answer.


def described(*headers: str) -> dict[str, Any]:
    """The token, and headers that `named` reads, for a route's `openapi_extra`."""
    schema = {"type": "string", "pattern": NAME}
    return {
        "security": [{bearer.scheme_name: []}],
        "parameters": [{"name": h, "in": "header", "required": h == OWNER, "schema": schema} for h in headers],
    }


def named(request: Request, header: str) -> str | None:
    """The name in a header, or None without the header.

    Raises:
        RequestValidationError: what the header holds is not a name.
    """
    name = request.headers.get(header)
    if name is not None and not re.fullmatch(NAME, name):
        raise RequestValidationError([{"loc": ("header", header), "msg": f"String should match pattern '{NAME}'"}])
    return name


async def owner(request: Request) -> str:
    """The owner of threads for whom the caller speaks. Raises HTTPException without one, and what `named` raises."""
    name = named(request, OWNER)
    if name is None:
        raise HTTPException(400, f"Send the owner of the thread as {OWNER}.")
    return name


Owner = Annotated[str, Depends(owner)]
