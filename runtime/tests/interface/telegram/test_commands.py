"""Commands of a project's own."""

import asyncio
import json

import pytest
from structlog.testing import capture_logs

from tests.interface.telegram.conftest import running
from tests.interface.telegram.test_bot import replies, stored
from three_tier.interface.telegram.bot import HASTE
from three_tier.interface.telegram.commands import Call, Commands
from three_tier.interface.telegram.fake_telegram import ALICE_ID, BOB, BOB_ID, GROUP, FakeTelegram
from three_tier.interface.telegram.settings import Settings
from three_tier.interface.telegram.testing import running as chatting
from three_tier.interface.testing.fake_agent import FakeAgent
from three_tier.interface.testing.waiting import until

pytestmark = pytest.mark.anyio

commands = Commands()


@commands.command("id")
async def show_id(call: Call) -> str:
    """Show who is who."""
    return f"**{call.name}** ({call.user}) in {call.chat} says {call.text!r}"


@commands.command("twice")
async def ask_twice(call: Call) -> str:
    """Ask the agent, and ask it again

    The rest of a docstring is for whoever reads the source.
    """
    return f"{await call.ask(call.text)}, {await call.ask(call.text)}"


@commands.command("defect")
async def fail(_: Call) -> str:
    """Fail"""
    raise RuntimeError("a secret")


async def test_a_command_is_answered_and_the_agent_hears_nothing_of_it() -> None:
    async with chatting(commands) as chat:
        assert await chat.say("/id please") == f"Alice Liddell ({ALICE_ID}) in {ALICE_ID} says 'please'"
        assert chat.agent.heard == []
        assert chat.telegram.chats[ALICE_ID].popitem()[1]["entities"], "the reply is Markdown"


async def test_a_command_asks_the_agent_in_the_conversation_of_the_chat() -> None:
    async with chatting(commands) as chat:
        chat.agent.script["tea"] = "green"
        assert await chat.say("/twice tea") == "green, green"
        assert await chat.say("and now?") == "3 and now?"
        assert stored(chat.agent) == [["tea", "tea", "and now?"]]


async def test_menu_and_help_show_them_beside_those_that_are_built_in() -> None:
    async with chatting(commands) as chat:
        text = await chat.say("/help")
        assert "\n/id: Show who is who.\n/twice: Ask the agent, and ask it again.\n/defect: Fail.\n" in text
        (menu,) = [form["commands"] for method, form in chat.telegram.calls if method == "setMyCommands"]
    shown = [(each["command"], each["description"]) for each in (json.loads(menu) if isinstance(menu, str) else menu)]
    assert shown[0] == ("id", "Show who is who")
    assert [name for name, _ in shown] == ["id", "twice", "defect", "new", "history", "help"]


async def test_a_command_that_fails_says_so_without_its_words() -> None:
    async with chatting(commands) as chat:
        with capture_logs() as logs:
            text = await chat.say("/defect")
        assert "something went wrong" in text
        assert "secret" not in text
        assert [line["event"] for line in logs if line["log_level"] == "error"] == ["Could not answer"]
        assert await chat.say("hello") == "1 hello"


async def test_who_may_not_write_may_not_command(bot_settings: Settings, telegram: FakeTelegram) -> None:
    settings = bot_settings.model_copy(update={"allowed_users": "@alice_l", "messages_per_minute": 1})
    async with running(settings, commands):
        for _ in range(2):
            telegram.command("/id")
        telegram.command("/id", BOB)
        mine, (refusal,) = await replies(telegram, 2), await replies(telegram, 1, BOB_ID)
    assert [text for text in mine if text != HASTE] == [f"Alice Liddell ({ALICE_ID}) in {ALICE_ID} says ''"]
    assert "private bot" in refusal


async def test_in_a_group_everybody_may(bot_settings: Settings, telegram: FakeTelegram) -> None:
    async with running(bot_settings, commands):
        telegram.command("/id@ParrotBot now", BOB, GROUP)
        assert await replies(telegram, 1, GROUP) == [f"Bob ({BOB_ID}) in {GROUP} says 'now'"]


async def test_a_command_that_is_delivered_again_asks_nothing_twice(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent
) -> None:
    """The process was killed before it confirmed the message."""
    keys: list[str] = []
    own = Commands()

    @own.command("note")
    async def note(call: Call) -> str:
        """Note something."""
        keys.append(call.key)
        return await call.ask(call.text)

    async with running(bot_settings, own):
        number = telegram.command("/note milk")
        update = telegram.updates[number]
        await replies(telegram, 1)
    telegram.updates[number] = update
    async with running(bot_settings, own):
        assert await replies(telegram, 2) == ["1 milk", "1 milk"]
    assert stored(agent) == [["milk"]]
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_a_command_that_is_in_hand_at_the_end_is_left_to_the_next_process(
    bot_settings: Settings, telegram: FakeTelegram
) -> None:
    begun = asyncio.Event()
    own = Commands()

    @own.command("slow")
    async def slow(_: Call) -> str:
        """Take long."""
        if not begun.is_set():
            begun.set()
            await asyncio.sleep(60)
        return "done"

    async with running(bot_settings, own):
        telegram.command("/slow")
        await begun.wait()
    assert telegram.texts() == []
    async with running(bot_settings, own):
        assert await replies(telegram, 1) == ["done"]


async def test_a_question_waits_for_an_agent_that_is_away(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent
) -> None:
    async with running(bot_settings, commands):
        await agent.stop()
        telegram.command("/twice tea")
        await until(lambda: bool(telegram.texts()))
        await agent.start()
        assert (await replies(telegram, 2))[1] == "1 tea, 2 tea"


@pytest.mark.parametrize("name", ["", "Report", "re-port", "/report", "x" * 33, "a b"])
def test_name_that_telegram_does_not_take(name: str) -> None:
    with pytest.raises(ValueError, match="is no command"):
        Commands().command(name)


@pytest.mark.parametrize("name", ["new", "help", "id"])
def test_name_that_is_taken(name: str) -> None:
    with pytest.raises(ValueError, match="is there already"):
        commands.command(name)


@pytest.mark.parametrize("docstring", [None, " \n", "x" * 257])
def test_description_is_needed(docstring: str | None) -> None:
    async def handler(_: Call) -> str:
        return ""

    handler.__doc__ = docstring
    with pytest.raises(ValueError, match="needs a docstring"):
        Commands().command("report")(handler)
