"""Conversations, from a message to the answer."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.interface.telegram.conftest import running
from three_tier.interface.telegram.bot import BEGUN, BROKE_OFF, HASTE, HELP, NO_HISTORY, ONLY_TEXT, WAITING
from three_tier.interface.telegram.fake_telegram import ALICE_ID, ANONYMOUS, BOB, BOB_ID, GROUP, FakeTelegram
from three_tier.interface.telegram.settings import Settings
from three_tier.interface.telegram.telegram_api import Telegram
from three_tier.interface.testing.fake_agent import FakeAgent
from three_tier.interface.testing.waiting import until

pytestmark = pytest.mark.anyio

OWNER = f"telegram:{ALICE_ID}"
PRIVATE = "I am a private bot"


def stored(agent: FakeAgent, owner: str = OWNER) -> list[list[str]]:
    """What was asked in each thread of an owner, the oldest first."""
    return [
        [message["content"] for message in thread["messages"] if message["role"] == "user"]
        for (found, _), thread in agent.threads.items()
        if found == owner
    ]


async def replies(telegram: FakeTelegram, count: int, chat: int = ALICE_ID) -> list[str]:
    """What the bot has written in a chat, once that is so many messages and all updates are confirmed."""
    await until(lambda: len(telegram.texts(chat)) >= count and not telegram.updates)
    return telegram.texts(chat)


async def test_conversation(bot: Telegram, telegram: FakeTelegram, agent: FakeAgent) -> None:
    telegram.say("with milk")
    telegram.say("and sugar")
    assert await replies(telegram, 2) == ["1 with milk", "2 and sugar"]
    assert stored(agent) == [["with milk", "and sugar"]]
    assert agent.bodies[-1]["metadata"] == {"from": "Alice Liddell"}
    assert bot.state == "ok"
    assert ("sendChatAction", {"chat_id": ALICE_ID, "action": "typing"}) in telegram.calls


@pytest.mark.usefixtures("bot")
async def test_the_agent_logs_under_the_number_of_the_update(telegram: FakeTelegram, agent: FakeAgent) -> None:
    numbers = [telegram.say("hello"), telegram.say("hello again")]
    await replies(telegram, 2)
    answered = [request.headers["X-Request-ID"] for request in agent.requests if request.path == "/stream"]
    assert answered == [f"update-{number}" for number in numbers]


@pytest.mark.usefixtures("bot")
async def test_reply_grows(telegram: FakeTelegram, agent: FakeAgent) -> None:
    agent.slow = 0.5
    telegram.say("**one** two three four")
    await until(lambda: telegram.counted("sendMessage") == 1 and not telegram.updates)
    assert telegram.texts() == ["1 one two three four"]
    agent.slow = 0
    telegram.say("short")
    await replies(telegram, 2)
    assert telegram.counted("editMessageText") <= 2


@pytest.mark.usefixtures("bot")
async def test_incomplete_reply_says_so(telegram: FakeTelegram, agent: FakeAgent) -> None:
    agent.finish = "length"
    telegram.say("hello")
    assert await replies(telegram, 1) == ["1 hello\n\n(This answer is cut off: it is as long as one may be.)"]


@pytest.mark.usefixtures("bot")
async def test_long_reply_takes_several_messages(telegram: FakeTelegram) -> None:
    text = " ".join(f"Sentence number {number}." for number in range(500))
    telegram.say(text)
    pieces = await replies(telegram, 3)
    assert " ".join(pieces) == f"1 {text}"
    assert all(piece.endswith(".") for piece in pieces)


@pytest.mark.usefixtures("bot")
async def test_commands(telegram: FakeTelegram, agent: FakeAgent) -> None:
    telegram.command("/start")
    telegram.command("/history")
    telegram.say("first")
    telegram.command("/new")
    telegram.say("second")
    telegram.command("/history")
    telegram.command("/help")
    start, empty, *rest = await replies(telegram, 7)
    assert "parrot" in start
    assert empty == NO_HISTORY
    assert rest == ["1 first", BEGUN, "2 second", "You: second\n\nparrot: 2 second", HELP.format(own="")]
    assert stored(agent) == [["first"], ["second"]]


@pytest.mark.usefixtures("bot")
async def test_group(telegram: FakeTelegram, agent: FakeAgent) -> None:
    telegram.say("not for the bot", chat=GROUP)
    mention = [{"type": "mention", "offset": 0, "length": 10}]
    telegram.say("@ParrotBot what is tea?", chat=GROUP, entities=mention)
    telegram.say("@ParrotBot and milk?", BOB, GROUP, entities=mention)
    assert await replies(telegram, 2, GROUP) == ["1 what is tea?", "2 and milk?"]
    assert stored(agent, f"telegram:{GROUP}") == [["what is tea?", "and milk?"]]
    sent = [form for method, form in telegram.calls if method == "sendMessage"]
    assert [form["reply_parameters"]["message_id"] for form in sent] == [2, 3]


async def test_strangers_learn_their_id(bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent) -> None:
    async with running(bot_settings.model_copy(update={"allowed_users": "@alice_l"})):
        telegram.say("hello", BOB)
        telegram.command("/new", BOB)
        telegram.say("hello")
        strangers = await replies(telegram, 2, BOB_ID)
        assert await replies(telegram, 1) == ["1 hello"]
    assert all(PRIVATE in text and str(BOB_ID) in text for text in strangers)
    assert stored(agent, f"telegram:{BOB['id']}") == []


async def test_strangers_in_a_group_learn_its_id(bot_settings: Settings, telegram: FakeTelegram) -> None:
    mention = [{"type": "mention", "offset": 0, "length": 10}]
    channel = {"id": -1009, "type": "channel", "title": "News", "username": "news"}
    async with running(bot_settings.model_copy(update={"allowed_users": "@alice_l,@news"})):
        telegram.say("@ParrotBot hello", BOB, GROUP, entities=mention)
        telegram.say("@ParrotBot hello", ANONYMOUS, GROUP, entities=mention, sender_chat={"id": GROUP, "type": "group"})
        telegram.say("@ParrotBot hello", ANONYMOUS, GROUP, entities=mention, sender_chat=channel)
        by_person, by_group, answer = sorted(await replies(telegram, 3, GROUP), key=len, reverse=True)
    assert f"{BOB_ID} or {GROUP} for everybody in this group" in by_person
    assert f"{GROUP} for everybody" in by_group
    assert str(ANONYMOUS["id"]) not in by_group, "all anonymous administrators of all groups have it"
    assert answer == "1 hello"


async def test_topics(bot: Telegram, telegram: FakeTelegram, agent: FakeAgent) -> None:
    mention = [{"type": "mention", "offset": 0, "length": 10}]
    for topic, text in ((3, "black"), (4, "green"), (3, "milk")):
        telegram.say(f"@ParrotBot {text}", chat=GROUP, entities=mention, message_thread_id=topic, is_topic_message=True)
    telegram.say("@ParrotBot tea", chat=GROUP, entities=mention)
    await replies(telegram, 4, GROUP)
    telegram.command("/new", chat=GROUP, message_thread_id=3, is_topic_message=True)
    telegram.say("@ParrotBot sugar", chat=GROUP, entities=mention, message_thread_id=3, is_topic_message=True)
    await replies(telegram, 6, GROUP)
    assert stored(agent, f"telegram:{GROUP}:3") == [["black", "milk"], ["sugar"]]
    assert stored(agent, f"telegram:{GROUP}:4") == [["green"]]
    assert stored(agent, f"telegram:{GROUP}") == [["tea"]]
    for method in ("sendMessage", "sendChatAction"):
        assert {form.get("message_thread_id") for called, form in telegram.calls if called == method} == {None, 3, 4}
    sent = {form["text"][2:]: form.get("message_thread_id") for method, form in telegram.calls if "text" in form}
    assert [sent[text] for text in ("black", "green", "tea", BEGUN[2:], "sugar")] == [3, 4, None, 3, 3]
    assert bot.state == "ok"


SUPERGROUP = -100456


def tell_migration(telegram: FakeTelegram) -> None:
    """What Telegram tells when a group becomes a supergroup."""
    telegram.say("", chat=GROUP, migrate_to_chat_id=SUPERGROUP)
    telegram.say("", ANONYMOUS, SUPERGROUP, migrate_from_chat_id=GROUP, sender_chat={"id": SUPERGROUP, "type": "group"})


async def test_supergroup_keeps_memory_and_place(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent
) -> None:
    mention = [{"type": "mention", "offset": 0, "length": 10}]
    settings = bot_settings.model_copy(update={"allowed_users": str(GROUP)})
    with capture_logs() as logs:
        async with running(settings):
            telegram.say("@ParrotBot what is tea?", chat=GROUP, entities=mention)
            await replies(telegram, 1, GROUP)
            agent.slow = 0.5
            telegram.say("@ParrotBot really?", chat=GROUP, entities=mention)
            await agent.working.wait()
            telegram.migrated[GROUP] = SUPERGROUP
            tell_migration(telegram)
            telegram.say("@ParrotBot and milk?", chat=SUPERGROUP, entities=mention)
            assert await replies(telegram, 2, SUPERGROUP) == ["2 really?", "3 and milk?"]
    assert stored(agent, f"telegram:{SUPERGROUP}") == [["what is tea?", "really?", "and milk?"]]
    assert stored(agent, f"telegram:{GROUP}") == []
    (line,) = [line for line in logs if "ALLOWED_USERS" in line["event"]]
    assert (line["former"], line["now"]) == (GROUP, SUPERGROUP)
    async with running(settings):
        telegram.say("@ParrotBot and sugar?", chat=SUPERGROUP, entities=mention)
        assert (await replies(telegram, 3, SUPERGROUP))[2] == "4 and sugar?"
        telegram.say("@ParrotBot hello", BOB, -999, entities=mention)
        assert PRIVATE in (await replies(telegram, 1, -999))[0]
    assert stored(agent, f"telegram:{SUPERGROUP}") == [["what is tea?", "really?", "and milk?", "and sugar?"]]


@pytest.mark.parametrize(
    ("allowed", "count"),
    [("", 0), ("@alice_l", 0), ("*", 0), (f"{GROUP}", 2), (f"{SUPERGROUP}", 0), (f"{GROUP},{SUPERGROUP}", 0)],
)
async def test_migration_is_kept_only_where_allowed_users_names_the_former_id(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent, allowed: str, count: int
) -> None:
    """Otherwise strangers could fill the database, each with groups of their own."""
    async with running(bot_settings.model_copy(update={"allowed_users": allowed})):
        tell_migration(telegram)
        await until(lambda: not telegram.updates)
    assert len(agent.threads) == count
    async with running(bot_settings.model_copy(update={"allowed_users": f"{GROUP},{SUPERGROUP}"})):
        await until(lambda: not agent.threads)


@pytest.mark.usefixtures("bot")
async def test_migration_while_the_agent_is_away(telegram: FakeTelegram, agent: FakeAgent) -> None:
    mention = [{"type": "mention", "offset": 0, "length": 10}]
    telegram.say("@ParrotBot what is tea?", chat=GROUP, entities=mention)
    await replies(telegram, 1, GROUP)
    await agent.stop()
    tell_migration(telegram)
    telegram.say("@ParrotBot and milk?", chat=SUPERGROUP, entities=mention)
    await asyncio.sleep(1)
    await agent.start()
    await replies(telegram, 1, SUPERGROUP)
    assert telegram.texts(SUPERGROUP)[-1] == "2 and milk?"
    assert stored(agent, f"telegram:{SUPERGROUP}") == [["what is tea?", "and milk?"]]


async def test_nobody_is_let_in_by_default(bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent) -> None:
    async with running(bot_settings.model_copy(update={"allowed_users": ""})):
        for _ in range(9):
            telegram.say("hello")
        await until(lambda: not telegram.updates and len(telegram.texts()) == 5)
        await asyncio.sleep(0.2)
    assert len(telegram.texts()) == 5, "a flood is not answered for ever"
    assert agent.bodies == []


async def test_haste(bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent) -> None:
    async with running(bot_settings.model_copy(update={"messages_per_minute": 2})):
        for number in range(4):
            telegram.say(f"message {number}")
        telegram.say("hello", BOB)
        texts = await replies(telegram, 4)
        assert [text[2:] for text in texts if text != HASTE] == ["message 0", "message 1"]
        assert texts.count(HASTE) == 2
        assert "hello" in (await replies(telegram, 1, BOB_ID))[0]
    assert stored(agent) == [["message 0", "message 1"]]
    refused = [form["reply_parameters"]["message_id"] for _, form in telegram.calls if form.get("text") == HASTE]
    assert refused == [3, 4], "it is told which messages are meant"


@pytest.mark.usefixtures("bot")
async def test_pictures(telegram: FakeTelegram) -> None:
    telegram.say("", photo=[{"file_id": "x", "file_unique_id": "y", "width": 1, "height": 1}])
    telegram.deliver({})
    assert await replies(telegram, 1) == [ONLY_TEXT]


@pytest.mark.usefixtures("bot")
async def test_album_gets_one_answer(telegram: FakeTelegram) -> None:
    photo = [{"file_id": "x", "file_unique_id": "y", "width": 1, "height": 1}]
    for album in ("1", "2"):
        for _ in range(4):
            telegram.say("", media_group_id=album, photo=photo)
    assert await replies(telegram, 2) == [ONLY_TEXT, ONLY_TEXT]
    telegram.say("hello")
    assert await replies(telegram, 3) == [ONLY_TEXT, ONLY_TEXT, "1 hello"]


async def test_album_of_a_stranger_gets_one_refusal(bot_settings: Settings, telegram: FakeTelegram) -> None:
    async with running(bot_settings.model_copy(update={"allowed_users": "@alice_l"})):
        for _ in range(4):
            telegram.say("", BOB, media_group_id="1", audio={"file_id": "x", "file_unique_id": "y", "duration": 1})
        await replies(telegram, 1, BOB_ID)
        await asyncio.sleep(0.2)
    assert len(telegram.texts(BOB_ID)) == 1


async def test_agent_away(bot: Telegram, telegram: FakeTelegram, agent: FakeAgent) -> None:
    await agent.stop()
    for text in ("one", "two", "three"):
        telegram.say(text)
    await until(lambda: telegram.texts() == [WAITING])
    await agent.start()
    await until(lambda: not telegram.updates)
    assert [text for text in telegram.texts() if text != WAITING] == ["1 one", "2 two", "3 three"]
    assert stored(agent) == [["one", "two", "three"]]
    assert bot.state == "ok"


@pytest.mark.usefixtures("bot")
async def test_database_away(telegram: FakeTelegram, agent: FakeAgent) -> None:
    agent.refuse = (503, "The agent's database does not answer.", {"Retry-After": "2"})
    telegram.say("hello")
    await until(lambda: telegram.texts() == [WAITING])
    agent.refuse = None
    assert await replies(telegram, 2) == [WAITING, "1 hello"]


@pytest.mark.usefixtures("bot")
async def test_notice_that_telegram_refuses_is_not_repeated(telegram: FakeTelegram, agent: FakeAgent) -> None:
    agent.refuse = (503, "The agent's database does not answer.", {})
    telegram.faults["sendMessage"] = [400]
    telegram.say("hello")
    await until(lambda: telegram.counted("sendMessage") == 1)
    asked = len(agent.requests)
    await until(lambda: len(agent.requests) >= asked + 3)
    agent.refuse = None
    assert await replies(telegram, 1) == ["1 hello"]


@pytest.mark.usefixtures("bot")
async def test_notices_go_on_after_one_that_fails(telegram: FakeTelegram, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError

    photo = [{"file_id": "x", "file_unique_id": "y", "width": 1, "height": 1}]
    with capture_logs() as logs, monkeypatch.context() as patch:
        patch.setattr("three_tier.interface.telegram.notices.Notices.send", fail)
        telegram.say("", photo=photo)
        await until(lambda: any(line["event"] == "Could not send a notice" for line in logs))
    telegram.say("", photo=photo)
    assert await replies(telegram, 1) == [ONLY_TEXT]


@pytest.mark.usefixtures("bot")
async def test_reply_that_breaks_off_is_asked_for_again(telegram: FakeTelegram, agent: FakeAgent) -> None:
    agent.break_after = 3
    telegram.say("one two three four")
    await until(lambda: not telegram.updates)
    assert telegram.texts()[-1] == "1 one two three four"
    assert stored(agent) == [["one two three four"]]
    assert len(set(agent.keys) - {agent.keys[0]}) == 1


@pytest.mark.usefixtures("bot")
async def test_message_that_breaks_every_answer(telegram: FakeTelegram, monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_off(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(FakeAgent, "work", break_off)
        telegram.say("poison")
        await until(lambda: not telegram.updates, 30)
    assert BROKE_OFF in telegram.texts()[-1]
    telegram.say("hello")
    await until(lambda: "hello" in telegram.texts()[-1])


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("hangs", [True, False])
async def test_message_that_the_agent_does_not_survive(
    telegram: FakeTelegram, monkeypatch: pytest.MonkeyPatch, *, hangs: bool
) -> None:
    """It hangs, or ends, before it has answered with a single byte."""
    admit = FakeAgent.admit

    async def perish(agent: FakeAgent, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path != "/stream":
            return await admit(agent, request, handler)
        if hangs:
            await asyncio.sleep(60)
        assert request.transport
        request.transport.abort()
        return web.Response()

    monkeypatch.setattr("three_tier.interface.agent_client.SILENCE", 0.3)
    monkeypatch.setattr("three_tier.interface.telegram.bot.MOST_TRIES", 2)
    with monkeypatch.context() as patch:
        patch.setattr(FakeAgent, "admit", perish)
        telegram.say("poison")
        await until(lambda: not telegram.updates, 30)
    assert BROKE_OFF in telegram.texts()[-1]
    telegram.say("hello")
    await until(lambda: "hello" in telegram.texts()[-1])


@pytest.mark.usefixtures("bot")
async def test_refusal_is_explained(telegram: FakeTelegram) -> None:
    with capture_logs() as logs:
        telegram.say("a \0 in it")
        (text,) = await replies(telegram, 1)
    assert "The request is not valid." in text
    assert len([line for line in logs if line["log_level"] == "warning"]) == 1


async def test_wrong_agent_token(bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent) -> None:
    with capture_logs() as logs:
        async with running(bot_settings):
            agent.refuse = (401, "Send the agent's token.", {})
            telegram.say("hello")
            await until(lambda: telegram.texts() == [WAITING])
            agent.refuse = None
            await until(lambda: not telegram.updates)
    assert telegram.texts() == [WAITING, "1 hello"]
    assert len([line for line in logs if "AGENT_TOKEN" in str(line)]) <= 1


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("fault", [429, 502, 500, "hang", "drop"])
@pytest.mark.parametrize("method", ["sendMessage", "editMessageText", "sendChatAction", "getUpdates"])
async def test_telegram_fails(telegram: FakeTelegram, agent: FakeAgent, method: str, fault: int | str) -> None:
    telegram.faults[method] = [fault]
    agent.slow = 0.2
    telegram.say("one two three")
    await until(lambda: not telegram.updates)
    assert telegram.texts()[-1] == "1 one two three"
    assert stored(agent) == [["one two three"]]


@pytest.mark.usefixtures("bot")
async def test_formatting_that_telegram_refuses(telegram: FakeTelegram) -> None:
    telegram.refuse_entities = True
    telegram.say("**bold**")
    assert await replies(telegram, 1) == ["1 bold"]
    assert telegram.chats[ALICE_ID].popitem()[1]["entities"] == []


@pytest.mark.usefixtures("bot")
async def test_message_that_was_deleted_while_it_grew(telegram: FakeTelegram, agent: FakeAgent) -> None:
    agent.slow = 0.3
    telegram.say("one two three")
    await until(lambda: bool(telegram.chats[ALICE_ID]))
    telegram.chats[ALICE_ID].clear()
    await until(lambda: not telegram.updates)
    assert telegram.texts() == ["1 one two three"]


@pytest.mark.usefixtures("bot")
async def test_person_who_blocked_the_bot(telegram: FakeTelegram) -> None:
    telegram.faults["sendMessage"] = [403]
    telegram.reason = "Forbidden: bot was blocked by the user"
    with capture_logs() as logs:
        telegram.say("hello")
        await until(lambda: not telegram.updates)
        telegram.say("hello", BOB)
        await replies(telegram, 1, BOB_ID)
    assert telegram.texts() == []
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["Telegram does not take the answer"]


@pytest.mark.usefixtures("bot")
async def test_unexpected_error_is_told(telegram: FakeTelegram, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("three_tier.interface.telegram.bot.render", fail)
    with capture_logs() as logs:
        telegram.say("hello")
        (text,) = await replies(telegram, 1)
    assert "something went wrong" in text
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["Could not answer"]


@pytest.mark.usefixtures("bot")
async def test_redelivery_is_stored_once_and_answered_alike(telegram: FakeTelegram, agent: FakeAgent) -> None:
    number = telegram.say("hello")
    update = telegram.updates[number]
    await replies(telegram, 1)
    telegram.updates[number] = update
    telegram.arrival.set()
    assert await replies(telegram, 2) == ["1 hello", "1 hello"]
    assert stored(agent) == [["hello"]]


@pytest.mark.usefixtures("bot")
async def test_redelivered_new_makes_no_second_conversation(telegram: FakeTelegram, agent: FakeAgent) -> None:
    number = telegram.command("/new")
    update = telegram.updates[number]
    telegram.say("hello")
    await replies(telegram, 2)
    telegram.updates[number] = update
    telegram.arrival.set()
    await replies(telegram, 3)
    telegram.say("again")
    await replies(telegram, 4)
    assert stored(agent) == [["hello", "again"]]
