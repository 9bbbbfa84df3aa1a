"""Your commands, as people give them."""

import pytest

from three_tier.interface.telegram.testing import Chat

pytestmark = pytest.mark.anyio


async def test_id_shows_both_ids(chat: Chat) -> None:
    assert await chat.say("/id") == "You have the id 7, and this chat has the id 7."


async def test_help_shows_the_command(chat: Chat) -> None:
    assert "/id: Show your id and that of this chat." in await chat.say("/help")
