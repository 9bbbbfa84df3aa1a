"""Order, confirmation, and what happens at the end of a process."""

import asyncio
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.interface.telegram.conftest import running
from three_tier.interface.agent_client import AgentClient
from three_tier.interface.telegram.bot import FULL, WAITING, ChatBot
from three_tier.interface.telegram.fake_telegram import ALICE_ID, BOB, BOB_ID, ME, FakeTelegram
from three_tier.interface.telegram.inbox import Inbox
from three_tier.interface.telegram.settings import Settings
from three_tier.interface.telegram.telegram_api import CONFLICT, Telegram
from three_tier.interface.telegram.updates import LINE, Updates
from three_tier.interface.testing.fake_agent import FakeAgent
from three_tier.interface.testing.waiting import until

pytestmark = pytest.mark.anyio


@pytest.mark.usefixtures("bot")
async def test_chats_wait_for_themselves_only(telegram: FakeTelegram, agent: FakeAgent) -> None:
    agent.hang = True
    telegram.say("slow one")
    await agent.working.wait()
    agent.hang = False
    telegram.say("after the slow one")
    telegram.say("hello", BOB)
    await until(lambda: telegram.texts(BOB_ID) == ["2 hello"])
    assert "after" not in str(telegram.texts())
    assert len(telegram.updates) == 3, "nothing is confirmed before the first is answered"


@pytest.mark.usefixtures("bot")
async def test_order_of_a_chat(telegram: FakeTelegram, agent: FakeAgent) -> None:
    for number in range(30):
        telegram.say(f"message {number}")
    await until(lambda: not telegram.updates)
    assert telegram.texts() == [f"{number + 1} message {number}" for number in range(30)]
    assert len(agent.threads) == 1


def stranger(number: int) -> dict[str, object]:
    """Somebody who may not write."""
    return {"id": 10_000 + number, "is_bot": False, "first_name": "Mallory"}


async def test_refusals_hold_up_nobody(bot_settings: Settings, telegram: FakeTelegram) -> None:
    telegram.flooded[10_000] = 600
    async with running(bot_settings.model_copy(update={"allowed_users": str(ALICE_ID)})):
        telegram.say("let me in", stranger(0))
        await until(lambda: telegram.counted("sendMessage") == 1)
        for number in range(120):
            telegram.say("let me in", stranger(number))
        telegram.say("hello")
        await until(lambda: telegram.texts() == ["1 hello"], 2)
        await until(lambda: not telegram.updates)
        assert telegram.counted("sendMessage") == 2, "Telegram is left alone"


async def test_refusals_leave_room_for_answers(
    bot_settings: Settings, telegram: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("three_tier.interface.telegram.notices.PACE", 0.2)
    async with running(bot_settings.model_copy(update={"allowed_users": str(ALICE_ID)})):
        for number in range(500):
            telegram.say("let me in", stranger(number))
        start = time.monotonic()
        await until(lambda: not telegram.updates)
        assert telegram.counted("sendMessage") <= 2 + 5 * (time.monotonic() - start)


async def slow_chat(telegram: FakeTelegram, agent: FakeAgent, why: str, seconds: int = 60) -> None:
    """Have two messages of Alice wait: because the agent thinks for long, or because Telegram takes no answer."""
    if why == "agent":
        agent.hang = True
    else:
        telegram.flooded[ALICE_ID] = seconds
    telegram.say("slow one")
    telegram.say("after the slow one")
    await agent.working.wait()
    agent.hang = False


@pytest.mark.parametrize("why", ["agent", "Telegram"])
async def test_slow_chat_holds_up_nobody(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent, why: str
) -> None:
    async with running(bot_settings):
        await slow_chat(telegram, agent, why)
        for number in range(150):
            telegram.say("hello", stranger(number % 50))
        telegram.say("hello", BOB)
        await until(lambda: len(telegram.texts(BOB_ID)) == 1 and not telegram.updates)
        await until(lambda: len(kept(agent)) == 2)
        assert [content["message"] for content in agent.bodies if "slow" in content.get("message", "")] == ["slow one"]
    assert telegram.texts() == []
    assert len(kept(agent)) == 2, "what the process had not answered is left to the next"
    telegram.flooded.clear()
    telegram.say("the last one")
    async with running(bot_settings):
        await until(lambda: len(telegram.texts()) == 3 and not telegram.updates and not kept(agent))
    assert [text.partition(" ")[2] for text in telegram.texts()] == ["slow one", "after the slow one", "the last one"]
    (thread,) = [thread for (owner, _), thread in agent.threads.items() if owner == f"telegram:{ALICE_ID}"]
    assert [message["content"] for message in thread["messages"] if message["role"] == "user"] == [
        *("slow one", "after the slow one", "the last one")
    ]


WORDS = "what nobody but the agent is to see"
PHOTO = {"file_id": "x", "file_unique_id": "y", "width": 1, "height": 1}
KINDS: list[dict[str, Any]] = [
    {"text": WORDS, "entities": [{"type": "bold", "offset": 0, "length": 4}]},
    {"text": f"/new@ParrotBot {WORDS}", "entities": [{"type": "bot_command", "offset": 0, "length": 14}]},
    {"caption": WORDS, "photo": [PHOTO], "media_group_id": "1"},
    {"poll": {"id": "1", "question": WORDS, "options": [{"text": WORDS, "voter_count": 0}]}},
    {"text": WORDS, "reply_to_message": {"message_id": 1, "date": 1, "chat": {"id": 7, "type": "private"}}},
    {"text": WORDS, "message_thread_id": 3, "is_topic_message": True, "sender_chat": {"id": -5, "type": "channel"}},
    {"migrate_to_chat_id": -1009, "new_kind": {"text": WORDS}},
    {"voice": {"file_id": "x", "file_unique_id": "y", "duration": 1}, "location": {"latitude": 1, "longitude": 1}},
]


def mutilate(value: Any, dice: Random) -> Any:
    """The same with a part left out or exchanged for something else."""
    if isinstance(value, dict) and value:
        name = dice.choice(sorted(value))
        rest = {other: part for other, part in value.items() if other != name}
        return rest if dice.random() < 0.2 else {**rest, name: mutilate(value[name], dice)}
    if isinstance(value, list) and value and dice.random() < 0.7:
        return [mutilate(part, dice) for part in value]
    return dice.choice([None, True, -1, 2**70, 1e300, "", WORDS, [], {}, [[]], {"id": {}}])


async def test_updates_that_cannot_be_read_hold_up_nobody(bot: Telegram, telegram: FakeTelegram) -> None:
    dice = Random(19)
    with capture_logs() as logs:
        for number in range(600):
            head = {"message_id": number, "date": 1, "from": BOB, "chat": {"id": BOB_ID, "type": "private"}}
            telegram.deliver(mutilate({"message": {**head, **KINDS[number % len(KINDS)]}}, dice))
        for kind in ("message", "poll", "business_message", "callback_query", "message_reaction"):
            telegram.deliver({kind: None})
            telegram.deliver({kind: {"id": [WORDS]}})
        telegram.say("hello")
        await until(lambda: any("hello" in text for text in telegram.texts()) and not telegram.updates, 60)
    assert bot.state == "ok"
    unread = [line for line in logs if line["event"].startswith("Cannot read")]
    assert len({line["update"] for line in unread}) > 50
    assert {"message", "poll"} <= {line.get("kind") for line in unread}
    assert WORDS not in str(logs)


@pytest.mark.parametrize("page", ["<html>", "[]", "{}", '{"ok": true, "result": 5}', '{"ok": true, "result": [{}, 1]}'])
async def test_what_is_not_telegram_is_taken_for_an_outage(
    bot: Telegram, telegram: FakeTelegram, agent: FakeAgent, page: str
) -> None:
    await until(lambda: bot.state == "ok")
    telegram.page = page
    await until(lambda: bot.state == "away")
    telegram.say("hello")
    await asyncio.sleep(0.2)
    assert agent.bodies == []
    telegram.page = ""
    await until(lambda: telegram.texts() == ["1 hello"])


def kept(agent: FakeAgent) -> list[str]:
    """The threads of the updates that are set aside."""
    return [thread for owner, thread in agent.threads if owner == f"telegram:bot{ME['id']}"]


async def test_message_that_was_set_aside_and_not_confirmed_is_answered_once(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent
) -> None:
    """The process was killed between the two."""
    async with running(bot_settings):
        await slow_chat(telegram, agent, "Telegram")
        updates = dict(telegram.updates)
        for number in range(100):
            telegram.say("hello", stranger(number))
        await until(lambda: not telegram.updates and len(kept(agent)) == 2)
    telegram.updates.update(updates)
    telegram.flooded.clear()
    async with running(bot_settings):
        await until(lambda: not telegram.updates and not kept(agent))
    assert [text.partition(" ")[2] for text in telegram.texts()] == ["slow one", "after the slow one"]


async def test_what_was_set_aside_and_may_not_be_answered_is_forgotten(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent
) -> None:
    async with running(bot_settings):
        await slow_chat(telegram, agent, "Telegram")
        for number in range(100):
            telegram.say("hello", stranger(number))
        await until(lambda: not telegram.updates and len(kept(agent)) == 2)
    async with running(bot_settings.model_copy(update={"allowed_users": "@bob_b"})):
        await until(lambda: not kept(agent))


async def test_update_that_the_agent_refuses_to_keep_stays_with_telegram(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit = FakeAgent.admit

    async def refuse(agent: FakeAgent, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/messages":
            return web.json_response({"detail": "A request has at most 1024 bytes."}, status=413)
        return await admit(agent, request, handler)

    monkeypatch.setattr(FakeAgent, "admit", refuse)
    with capture_logs() as logs:
        async with running(bot_settings):
            await slow_chat(telegram, agent, "Telegram", 3)
            for number in range(100):
                telegram.say("hello", stranger(number))
            await until(lambda: any(line["event"] == "The agent keeps no update" for line in logs))
            await asyncio.sleep(0.5)
            telegram.flooded.clear()
            await until(lambda: not telegram.updates, 20)
    assert [text.partition(" ")[2] for text in telegram.texts()] == ["slow one", "after the slow one"]
    asked = [request.headers["Idempotency-Key"] for request in agent.requests if request.path == "/messages"]
    assert len(asked) == len(set(asked)), "each is asked for once"


@pytest.mark.parametrize("content", [None, "", "no JSON", "[]", "{}", '{"update_id": 5, "message": {"chat": []}}'])
async def test_what_was_set_aside_and_cannot_be_read_is_forgotten(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent, content: str | None
) -> None:
    now = "2025-01-01T12:00:00Z"
    message = {"id": 1, "role": "user", "content": content, "created_at": now}
    thread = {"thread_id": "t", "title": None, "created_at": now, "updated_at": now}
    agent.threads[f"telegram:bot{ME['id']}", "t"] = {**thread, "messages": [] if content is None else [message]}
    async with running(bot_settings):
        await until(lambda: not kept(agent))
        telegram.say("hello")
        await until(lambda: telegram.texts() == ["1 hello"])


async def test_what_was_set_aside_is_answered_without_a_restart(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent
) -> None:
    async with running(bot_settings):
        telegram.flooded[ALICE_ID] = 3
        telegram.say("slow one")
        for number in range(100):
            telegram.say("hello", stranger(number))
        await until(lambda: not telegram.updates and len(kept(agent)) == 1)
        telegram.flooded.clear()
        await until(lambda: len(telegram.texts()) == 1 and not kept(agent), 20)
    assert telegram.texts()[0].endswith("slow one")


async def test_nothing_is_lost_where_the_agent_goes_away_while_messages_are_set_aside(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent
) -> None:
    async with running(bot_settings):
        await slow_chat(telegram, agent, "Telegram", 3)
        await agent.stop()
        for number in range(150):
            telegram.say("hello", stranger(number % 30))
        await asyncio.sleep(0.7)
        assert len(telegram.updates) == 152, "they stay with Telegram"
        telegram.flooded.clear()
        await agent.start()
        await until(lambda: not telegram.updates and not kept(agent), 60)
    asked = [content["message"] for content in agent.bodies if "message" in content]
    assert {"slow one", "after the slow one"} <= set(asked)
    for number in range(30):
        answers = [text for text in telegram.texts(10_000 + number) if text.endswith("hello")]
        assert len(set(answers)) == 5


async def test_flood_of_one_chat_leaves_room_for_others(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent
) -> None:
    async with running(bot_settings):
        await slow_chat(telegram, agent, "Telegram", 5)
        for number in range(200):
            telegram.say(f"flood {number}")
        telegram.say("hello", BOB)
        await until(lambda: len(telegram.texts(BOB_ID)) == 1 and not telegram.updates)
        await until(lambda: len(kept(agent)) == LINE)
        telegram.flooded.clear()
        await until(lambda: FULL in telegram.texts(), 20)


async def test_messages_that_wait_are_bounded(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("three_tier.interface.telegram.updates.MOST", 120)
    async with running(bot_settings):
        for number in range(300):
            telegram.flooded[10_000 + number] = 4
            telegram.say("hello", stranger(number))
        await until(lambda: len(agent.replies) >= 120)
        await asyncio.sleep(0.5)
        assert len(agent.replies) < 120 + 100
        telegram.flooded.clear()
        await until(lambda: not telegram.updates and not kept(agent), 40)
    assert all(len(telegram.texts(10_000 + number)) == 1 for number in range(300))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.usefixtures("bot")
async def test_the_kernel_asks_whether_telegram_is_there_while_it_has_no_messages(telegram: FakeTelegram) -> None:
    """Whoever was cut off from the network hears nothing, not even that the connection has ended."""

    def is_asked() -> bool:
        sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        keep_alive = "02:"  # the timer that runs
        return any(
            remote.endswith(f":{telegram.port:04X}") and timer.startswith(keep_alive)
            for _, _, remote, _, _, timer, *_ in sockets
        )

    await until(is_asked)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
async def test_the_proxy_of_the_environment_is_asked_for_everything(
    telegram: FakeTelegram, bot_settings: Settings, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    assert str(bot_settings.telegram_api_url).startswith(telegram.url)
    monkeypatch.setenv("TELEGRAM_API_URL", "http://telegram.invalid")
    monkeypatch.setenv(variable, telegram.url.removeprefix("http://"))
    async with running(Settings()):
        telegram.say("hello")
        await until(lambda: telegram.texts() == ["1 hello"])


async def test_end_finishes_the_reply_in_hand_and_leaves_the_rest(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("three_tier.interface.telegram.updates.DRAIN", 5.0)
    agent.slow = 0.5
    async with running(bot_settings):
        first = telegram.say("in hand")
        second = telegram.say("in line")
        await agent.working.wait()
    assert telegram.texts() == ["1 in hand"]
    assert list(telegram.updates) == [second] == [first + 1]
    async with running(bot_settings):
        await until(lambda: not telegram.updates)
    assert telegram.texts() == ["1 in hand", "2 in line"]


async def test_end_does_not_wait_for_an_agent_that_is_away(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent
) -> None:
    async with running(bot_settings):
        await agent.stop()
        telegram.say("hello")
        await until(lambda: bool(telegram.texts()))
        start = time.monotonic()
    assert time.monotonic() - start < 5
    await agent.start()
    assert len(telegram.updates) == 1
    async with running(bot_settings):
        await until(lambda: not telegram.updates)
    assert telegram.texts()[-1] == "1 hello"


async def test_end_keeps_the_order_when_the_agent_is_just_back(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent
) -> None:
    """The first message waits for its next try; the second must not overtake it."""
    async with running(bot_settings):
        agent.refuse = (503, "The agent's database does not answer.", {})
        telegram.say("one")
        telegram.say("two")
        await until(lambda: bool(telegram.texts()))
        agent.refuse = None
    assert telegram.texts() == [WAITING]
    async with running(bot_settings):
        await until(lambda: not telegram.updates)
    assert telegram.texts() == [WAITING, "1 one", "2 two"]


async def test_answer_that_takes_too_long_is_left_to_the_next_start(
    bot_settings: Settings, telegram: FakeTelegram, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("three_tier.interface.telegram.updates.DRAIN", 0.2)
    agent.hang = True
    async with running(bot_settings):
        telegram.say("hello")
        await agent.working.wait()
    assert len(telegram.updates) == 1
    assert agent.cancelled.is_set()


@pytest.mark.parametrize("hang", [True, False])
async def test_end_leaves_no_task_behind(
    bot_settings: Settings,
    telegram: FakeTelegram,
    agent: FakeAgent,
    monkeypatch: pytest.MonkeyPatch,
    *,
    hang: bool,
) -> None:
    monkeypatch.setattr("three_tier.interface.telegram.updates.DRAIN", 0.2)
    agent.hang = hang
    stopping = asyncio.Event()

    async def talk() -> None:
        telegram.say("hello")
        await agent.working.wait()
        telegram.say("", BOB, photo=[PHOTO])
        await until(lambda: bool(telegram.texts(BOB_ID)))
        stopping.set()

    async with AgentClient(bot_settings) as client, Telegram(bot_settings) as api:
        talking = asyncio.create_task(talk())
        bot = ChatBot(bot_settings, api, client, stopping, {})
        await Updates(api, bot, Inbox(client, api), stopping).run()
        assert running_tasks("Updates.") == []
        await api.notices.close()
        assert running_tasks("Notices.") == []
        await talking


def running_tasks(of: str) -> list[str]:
    """The coroutines of a class that run as tasks."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith(of)]


async def test_conflict_is_explained_once(bot_settings: Settings, telegram: FakeTelegram) -> None:
    telegram.faults["getUpdates"] = [409, 409, 409]
    with capture_logs() as logs:
        async with running(bot_settings) as bot:
            await until(lambda: bot.state == CONFLICT)
            telegram.say("hello")
            await until(lambda: not telegram.updates)
            assert bot.state == "ok"
    events = [line["event"] for line in logs if line["event"] != "Connected"]
    assert len(events) == 3
    assert "only one may" in events[1]
    assert events[0] == events[2] == "Telegram answers"


async def test_outage_of_telegram(
    bot: Telegram, telegram: FakeTelegram, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("three_tier.interface.telegram.telegram_api.LONGEST_PAUSE", 0.5)
    agent.slow = 0.3
    await until(lambda: bot.state == "ok")
    with capture_logs() as logs:
        telegram.say("hello")
        await agent.working.wait()
        await telegram.stop()
        await until(lambda: bot.state == "away")
        await asyncio.sleep(1)
        await telegram.start()
        await until(lambda: not telegram.updates)
    assert telegram.texts()[-1] == "1 hello"
    assert [line["event"] for line in logs if "Telegram" in line["event"]] == [
        "Telegram does not answer; trying again",
        "Telegram answers",
    ]


async def test_numbers_that_begin_anew(bot: Telegram, telegram: FakeTelegram) -> None:
    """Telegram says that after a quiet week the numbers of updates may go on anywhere."""
    telegram.say("hello")
    await until(lambda: not telegram.updates)
    telegram.last_update = 5
    telegram.say("hello again")
    await until(lambda: telegram.texts(ALICE_ID) == ["1 hello", "2 hello again"])
    assert bot.state == "ok"
