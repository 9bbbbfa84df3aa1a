"""What the tests of your routes share."""

from collections.abc import AsyncIterator

import pytest

from app import public, routes
from three_tier.interface.api.testing import Api, running


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio."""
    return "asyncio"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """The API with your routes, in front of an agent that repeats each message."""
    async with running(routes, public) as found:
        yield found
