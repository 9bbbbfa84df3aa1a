"""What the tests of your part of the page share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from page import SUGGESTIONS
from three_tier.interface.web.testing import Page, running


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio."""
    return "asyncio"


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """The page with your part of it, in front of an agent that repeats each message."""
    async with running(SUGGESTIONS, Path(__file__).parents[1] / "static") as found:
        yield found
