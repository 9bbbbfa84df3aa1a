"""Which messages are meant for the bot."""

from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs
from telegram import Bot, Chat, ForumTopicCreated, Message, MessageEntity, PhotoSize, User

from three_tier.interface.telegram.fake_telegram import BOB, TOKEN
from three_tier.interface.telegram.incoming import Moved, Place, Said, parse, read

ME = User(1, "Parrot", is_bot=True, username="ParrotBot")
ALICE = User(7, "Alice", is_bot=False)
NOW = datetime(2025, 1, 1, tzinfo=UTC)
PHOTO = [PhotoSize("x", "y", 1, 1)]


def message(text: str | None, kind: str = "group", **more: Any) -> Message:
    """A message by Alice, with the entities that Telegram finds in its text."""
    words = (text or "").split()
    entities = []
    if words and words[0].startswith("/"):
        entities.append(MessageEntity("bot_command", 0, len(words[0])))
    for word in words:
        if text and word.startswith("@"):
            before = text[: text.index(word)]
            entities.append(MessageEntity("mention", len(before.encode("utf-16-le")) // 2, len(word)))
    return Message(1, NOW, Chat(5, kind), from_user=ALICE, text=text, entities=entities, **more)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", Said("", "hello")),
        ("/new", Said("new", "")),
        ("/NEW@parrotbot please", Said("new", "")),
        ("/start", Said("start", "")),
        ("/etc/passwd, what is that?", Said("", "/etc/passwd, what is that?")),
        ("not a /new one", Said("", "not a /new one")),
        ("/add 2 milk", Said("", "add 2 milk")),
        ("/add@ParrotBot\n2 milk", Said("", "add 2 milk")),
        ("/show_list", Said("", "show list")),
        ("/report", Said("report", "")),
        ("/Report@ParrotBot  of May\nplease ", Said("report", "of May\nplease")),
        ("/report@OtherBot of May", None),
        ("/new@OtherBot", None),
    ],
)
def test_private(text: str, said: Said | None) -> None:
    assert read(message(text, "private"), ME, {"report"}) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", None),
        ("@parrotbot hello", Said("", "hello")),
        ("🙂 hello @ParrotBot", Said("", "🙂 hello")),
        ("@ParrotBot", Said("help", "")),
        ("@ParrotBot2 hello", None),
        ("/new", Said("new", "")),
        ("/new@ParrotBot", Said("new", "")),
        ("/new@OtherBot", None),
        ("/tea", None),
        ("/tea@ParrotBot", Said("", "tea")),
        ("/report of May", Said("report", "of May")),
        ("/report@OtherBot of May", None),
    ],
)
def test_group(text: str, said: Said | None) -> None:
    assert read(message(text), ME, {"report"}) == said


def test_reply_to_the_bot() -> None:
    mine = Message(2, NOW, Chat(5, "group"), from_user=ME, text="hi")
    other = Message(2, NOW, Chat(5, "group"), from_user=ALICE, text="hi")
    assert read(message("and why?", reply_to_message=mine), ME) == Said("", "and why?")
    assert read(message("and why?", reply_to_message=other), ME) is None


def test_mention_without_a_username() -> None:
    entity = MessageEntity("text_mention", 0, 6, user=ME)
    by_name = Message(1, NOW, Chat(5, "group"), from_user=ALICE, text="Parrot hello", entities=[entity])
    assert read(by_name, ME) == Said("", "hello")


def test_pictures_and_service_messages() -> None:
    assert read(message(None, "private", photo=PHOTO), ME) == Said("", "")
    assert read(message(None, photo=PHOTO), ME) is None
    assert read(message(None, new_chat_members=[ALICE]), ME) is None
    assert read(message(None, "private", new_chat_title="Tea"), ME) is None


def test_command_under_a_picture() -> None:
    def picture(caption: str) -> Message:
        entities = [MessageEntity("bot_command", 0, len(caption.split(maxsplit=1)[0]))]
        chat = Chat(5, "private")
        return Message(1, NOW, chat, from_user=ALICE, caption=caption, caption_entities=entities, photo=PHOTO)

    assert read(picture("/report of May"), ME, {"report"}) == Said("report", "of May")
    assert read(picture("/add milk"), ME) == Said("", ""), "pictures are not read"


def test_topics_are_places_of_their_own() -> None:
    assert Place.of(message("hello")).owner == "telegram:5"
    assert Place.of(message("hello", message_thread_id=3, is_topic_message=True)).owner == "telegram:5:3"
    assert Place.of(message("hello", message_thread_id=3)) == Place(5), "a thread of replies is no topic"


def test_topic_that_the_bot_made_is_no_message_to_it() -> None:
    made = Message(2, NOW, Chat(5, "supergroup"), from_user=ME, forum_topic_created=ForumTopicCreated("Tea", 0))
    assert read(message("hello", reply_to_message=made), ME) is None


def test_other_bots_are_not_answered() -> None:
    bot = User(2, "Raven", is_bot=True)
    by_bot = Message(1, NOW, Chat(5, "private"), from_user=bot, text="hello")
    assert read(by_bot, ME) is None
    anonymous = Message(1, NOW, Chat(5, "private"), from_user=bot, sender_chat=Chat(5, "group"), text="hello")
    assert read(anonymous, ME) == Said("", "hello")


def test_group_that_becomes_a_supergroup() -> None:
    assert read(message(None, migrate_to_chat_id=-1005), ME) == Moved(5, -1005)
    assert read(message(None, "supergroup", migrate_from_chat_id=6), ME) == Moved(6, 5)


POLL = {"id": "1", "question": "Tea?", "options": []}  # as servers send it that are older than the library


@pytest.mark.parametrize(
    ("content", "text"),
    [({"text": "hello", "reply_to_message": {"poll": POLL}}, "hello"), ({"text": "hello", "poll": POLL}, "hello")],
)
def test_what_the_library_does_not_understand_is_left_out(content: dict[str, Any], text: str) -> None:
    head = {"message_id": 1, "date": 0, "chat": {"id": 7, "type": "private"}, "from": BOB}
    if "reply_to_message" in content:
        content = {**content, "reply_to_message": {**head, **content["reply_to_message"]}}
    with capture_logs() as logs:
        update = parse({"update_id": 9, "message": {**head, **content}}, Bot(TOKEN))
    assert update
    assert update.message
    assert update.message.text == text
    (line,) = logs
    assert (line["update"], line["kind"]) == (9, "message")
    assert "Tea" not in str(line)
