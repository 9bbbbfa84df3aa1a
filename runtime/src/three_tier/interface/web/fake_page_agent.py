"""The agent for tests, which also keeps which sessions were ended."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from three_tier.interface.testing.fake_agent import FakeAgent


@dataclass
class FakePageAgent(FakeAgent):
    """The fake, with sessions. Its `requests` are those for threads alone."""

    revocations: list[dict[str, Any]] = field(default_factory=list)
    questions: int = 0  # whether a session was ended

    def routes(self) -> list[web.RouteDef]:
        """What it answers."""
        return [
            *super().routes(),
            web.post("/revocations", self.revoke),
            web.get("/revocations/{session}", self.is_revoked),
        ]

    @web.middleware
    async def watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Note what is asked about sessions apart."""
        if request.path.startswith("/revocations"):
            return await self.admit(request, handler)
        answer: web.StreamResponse = await super().watch(request, handler)
        return answer

    async def revoke(self, request: web.Request) -> web.Response:
        """End a session, or all."""
        self.revocations.append(await request.json() | {"owner": request.headers["X-Thread-Owner"]})
        return web.Response(status=204)

    async def is_revoked(self, request: web.Request) -> web.Response:
        """Tell whether a session was ended."""
        self.questions += 1
        session, opened_at = request.match_info["session"], int(request.query["opened_at"])
        revoked = any(
            each["session"] in {session, None} and opened_at <= each["opened_by"] for each in self.revocations
        )
        return web.json_response({"revoked": revoked})
