"""For tests: the page, in front of an agent that is not one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import httpx
from pydantic import HttpUrl, SecretStr

from three_tier.interface.http.serving import build_server
from three_tier.interface.http.testing import caller, connected
from three_tier.interface.testing.fake_agent import TOKEN
from three_tier.interface.web.app import create_app
from three_tier.interface.web.fake_page_agent import FakePageAgent
from three_tier.interface.web.problems import Connection
from three_tier.interface.web.settings import Settings

PASSWORD = token_hex()


@dataclass(frozen=True)
class Page:
    """The page while a test runs.

    Attributes:
        agent: What answers in place of the agent: it repeats each message, or says what `agent.script` has for it.
        owner: Somebody who has signed in.
        stranger: Somebody who has not.
    """

    agent: FakePageAgent
    owner: httpx.AsyncClient
    stranger: httpx.AsyncClient


@asynccontextmanager
async def running(suggestions: Sequence[str] = (), files: Path | None = None) -> AsyncIterator[Page]:
    """Run the page. The arguments are those of `three_tier.interface.web.run`."""
    async with FakePageAgent() as agent:
        settings = Settings(
            agent_name="agent",
            agent_url=HttpUrl(agent.url),
            agent_token=SecretStr(TOKEN),
            web_password=SecretStr(PASSWORD),
            session_secret=SecretStr(PASSWORD),
            port=0,
        )
        server = build_server(settings, create_app(settings, suggestions, files), Connection)
        async with connected(server) as url, caller(url) as owner, caller(url) as stranger:
            (await owner.post("/session", json={"password": PASSWORD})).raise_for_status()
            yield Page(agent, owner, stranger)
