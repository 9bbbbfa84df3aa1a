"""The agent as the page sees it: besides its threads it knows which sessions were ended."""

from pydantic import BaseModel

from three_tier.interface.agent_client import AgentClient


class PageAgent(AgentClient):
    """The client of an agent, with sessions."""

    async def revoke(self, owner: str, session: str | None, *, opened_by: int, expires_at: int) -> None:
        """End a session of `owner`, or all of them.

        Args:
            owner: Whose sessions they are.
            session: The id of one; None for all.
            opened_by: In milliseconds since 1970: only what was opened until then is ended.
            expires_at: Likewise, when the last of them would end by itself.
        """
        body = {"session": session, "opened_by": opened_by, "expires_at": expires_at}
        await self._call("POST", "/revocations", owner, body=body)

    async def is_revoked(self, owner: str, session: str, opened_at: int) -> bool:
        """Whether a session of `owner`, opened at this millisecond since 1970, was ended."""
        answer = await self._call("GET", f"/revocations/{session}", owner, query={"opened_at": str(opened_at)})
        return _Revoked.model_validate_json(answer).revoked


class _Revoked(BaseModel):
    revoked: bool
