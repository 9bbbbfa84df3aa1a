"""What the tests of your commands share."""

from collections.abc import AsyncIterator

import pytest

from bot import commands
from three_tier.interface.telegram.testing import Chat, running


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio."""
    return "asyncio"


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    """A private chat with your bot, behind which an agent repeats each message."""
    async with running(commands) as found:
        yield found
