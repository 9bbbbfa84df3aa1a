"""The databases that an agent may have, each with what its tests need."""

import importlib
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from three_tier.agent.contract import Memory
from three_tier.agent.settings import Settings

NOWHERE = {  # addresses where no database answers, by the kind
    "postgres": "postgresql://someone@127.0.0.1:1/nothing",
    "redis": "redis://someone@127.0.0.1:1/nothing",
    "mongo": "mongodb://someone@127.0.0.1:1/nothing",
}
KINDS = {urlsplit(url).scheme: kind for kind, url in NOWHERE.items()}


def build_memory(settings: Settings) -> Memory:
    """The memory of the kind that DATABASE_URL names."""
    build: Callable[[Settings], Memory] = importlib.import_module(f"three_tier.agent.{kind_of(settings)}").build_memory
    return build(settings)


async def age(settings: Settings, owner: str, thread_id: str, days: int) -> None:
    """Make the thread's newest message `days` days old, behind the agent's back."""
    behind: Callable[..., Awaitable[None]] = importlib.import_module(f"tests.agent.{kind_of(settings)}.behind").age
    await behind(settings, owner, thread_id, days)


def kind_of(settings: Settings) -> str:
    return KINDS[urlsplit(settings.database_url).scheme]
