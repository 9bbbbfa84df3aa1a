"""For tests: the API with the routes of a project, in front of an agent that is not one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from pydantic import HttpUrl, SecretStr

from three_tier.interface.api.app import create_app
from three_tier.interface.api.problems import Connection
from three_tier.interface.api.routes import Router
from three_tier.interface.api.settings import Settings
from three_tier.interface.http.serving import build_server
from three_tier.interface.http.testing import caller, connected
from three_tier.interface.testing.fake_agent import TOKEN, FakeAgent

KEY = "the-key-of-the-tests"


@dataclass(frozen=True)
class Api:
    """The API while a test runs.

    Attributes:
        agent: What answers in place of the agent: it repeats each message, or says what `agent.script` has for it.
        caller: Somebody with a key, whose name is `tester`.
        stranger: Somebody without one.
    """

    agent: FakeAgent
    caller: httpx.AsyncClient
    stranger: httpx.AsyncClient


@asynccontextmanager
async def running(*own: Router) -> AsyncIterator[Api]:
    """Run the API with these routes."""
    async with FakeAgent() as agent:
        settings = Settings(
            agent_name="agent",
            agent_url=HttpUrl(agent.url),
            agent_token=SecretStr(TOKEN),
            api_keys=SecretStr(f"tester:{KEY}"),
            rate_limit="",
            port=0,
        )
        server = build_server(settings, create_app(settings, *own), Connection)
        async with (
            connected(server) as url,
            caller(url, headers={"Authorization": f"Bearer {KEY}"}) as known,
            caller(url) as stranger,
        ):
            yield Api(agent, known, stranger)
