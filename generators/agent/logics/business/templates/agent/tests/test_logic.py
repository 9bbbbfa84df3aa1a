"""What the agent does with a message, as a person talks to it."""

import pytest

import logic
from three_tier.agent.business.testing import Conversation

pytestmark = pytest.mark.anyio


async def test_the_list_is_kept_from_message_to_message() -> None:
    talk = Conversation(logic.commands, logic.reply_to)
    assert await talk.say("Please add 2 milk!") == "Added 2 milk. There is one thing on the list now."
    assert await talk.say("add bread") == "Added bread. There are 2 things on the list now."
    assert await talk.say("remove the milk") == "Removed 2 milk. There is one thing on the list now."
    assert await talk.say("What is on my list?") == "On the list:\n- bread"


async def test_a_refused_command_changes_nothing() -> None:
    talk = Conversation(logic.commands, logic.reply_to)
    await talk.say("add milk")
    assert "between 1 and" in await talk.say("add bread and 0 tea")
    assert await talk.say("show") == "On the list:\n- milk"


async def test_help_names_every_command() -> None:
    talk = Conversation(logic.commands, logic.reply_to)
    assert len((await talk.say("help")).splitlines()) == 1 + len(logic.commands.all)
