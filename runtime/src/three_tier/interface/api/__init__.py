"""The API interface, and what the routes of a project need of it."""

from three_tier.interface.agent_client import AgentClient, Refused
from three_tier.interface.agent_types import Question, Reply
from three_tier.interface.api.app import create_app
from three_tier.interface.api.gate import Agent, Owner
from three_tier.interface.api.problems import Connection
from three_tier.interface.api.routes import Router
from three_tier.interface.api.settings import Settings
from three_tier.interface.api.threads import IdempotencyKey
from three_tier.interface.http.serving import serve

__all__ = ["Agent", "AgentClient", "IdempotencyKey", "Owner", "Question", "Refused", "Reply", "Router", "run"]


def run(*own: Router) -> int:
    """Serve the API until SIGTERM, and return the exit code of the process.

    Args:
        own: The routes of the project.

    Raises:
        TypeError: A router is not a `Router`, so its routes would be open to everybody.
        ValueError: A route has the method and the path of a built-in one.
    """
    return serve(Settings, lambda settings: create_app(settings, *own), Connection)
