"""What an interface says of its own state."""

from fastapi.responses import JSONResponse

from three_tier.interface.agent_client import AgentClient


async def live() -> dict[str, str]:
    """Whether the process runs."""
    return {"status": "ok"}


def health_of(agent: AgentClient) -> JSONResponse:
    """Whether the interface works: 503 until the agent has answered once. Later `agent` says whether it is away."""
    if agent.info is None:
        return JSONResponse({"status": "waiting", "agent": "away"}, 503)
    return JSONResponse({"status": "ok", "agent": "ok" if agent.connected else "away"})
