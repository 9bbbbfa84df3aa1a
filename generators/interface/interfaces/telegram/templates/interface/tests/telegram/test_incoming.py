"""Which messages are meant for the bot."""

from datetime import UTC, datetime
from typing import Any

import pytest
from telegram import Chat, Message, MessageEntity, PhotoSize, User

from incoming import Said, read

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
        ("/new@OtherBot", None),
    ],
)
def test_private(text: str, said: Said | None) -> None:
    assert read(message(text, "private"), ME) == said


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
        ("/tea@ParrotBot", Said("", "/tea@ParrotBot")),
    ],
)
def test_group(text: str, said: Said | None) -> None:
    assert read(message(text), ME) == said


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
