"""What an update means to the bot: a command, a question, a group that got another id, or nothing."""

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import structlog
from telegram import Bot, Chat, Message, MessageEntity, Update, User

from three_tier.interface.telegram.commands import BUILT_IN

COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(@[A-Za-z0-9_]+)?")
# What the bot reads of a message, and of the message that it replies to.
REFERENCE = ("message_id", "date", "chat", "from", "forum_topic_created")
ESSENTIAL = (
    *(*REFERENCE, "sender_chat", "message_thread_id", "is_topic_message", "media_group_id"),
    *("text", "entities", "caption", "caption_entities", "migrate_to_chat_id", "migrate_from_chat_id"),
)
# How it shows that a message is not made as expected: the library takes what it is given for granted.
MALFORMED = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)

log = structlog.get_logger("incoming")


@dataclass(frozen=True)
class Place:
    """Where a conversation is held: a chat, or one topic of it. The general topic is the chat itself."""

    chat: int
    topic: int | None = None

    @classmethod
    def of(cls, message: Message) -> "Place":
        """Where the message was written."""
        return cls(message.chat_id, message.message_thread_id if message.is_topic_message else None)

    @property
    def owner(self) -> str:
        """By which name the agent knows the place."""
        return f"telegram:{self.chat}" if self.topic is None else f"telegram:{self.chat}:{self.topic}"


@dataclass(frozen=True)
class Said:
    """What was said to the bot: the text after a command that it has, or all of it. A picture has no text."""

    command: str
    text: str


@dataclass(frozen=True)
class Moved:
    """A group has become a supergroup, which has another id."""

    old: int
    new: int


def parse(data: dict[str, Any], bot: Bot) -> Update | None:
    """The update as the library represents it; None where it cannot be read. The log says so, without what is in it.

    Of a message that the library does not understand, only what the bot needs is read.
    """
    kind = ", ".join(name for name in data if name != "update_id")
    for form, complaint in ((data, "Cannot read all of an update"), (essence(data), "Cannot read an update")):
        try:
            return Update.de_json(form, bot)
        except MALFORMED as error:
            log.warning(complaint, update=data["update_id"], kind=kind, reason=type(error).__name__)
    return None


def essence(data: dict[str, Any]) -> dict[str, Any]:
    """The part of an update that the bot needs."""
    message = data.get("message")
    if not isinstance(message, dict):
        return {"update_id": data["update_id"]}
    found = {name: message[name] for name in ESSENTIAL if name in message}
    if isinstance(answered := message.get("reply_to_message"), dict):
        found["reply_to_message"] = {name: answered[name] for name in REFERENCE if name in answered}
    return {"update_id": data["update_id"], "message": found}


def read(message: Message, me: User, own: Container[str] = ()) -> Said | Moved | None:
    """What was said to the bot; None where nothing was, as in a group most of the time.

    Args:
        message: A message of a private chat or a group.
        me: The bot.
        own: The commands of the project.
    """
    if message.migrate_to_chat_id:
        return Moved(message.chat_id, message.migrate_to_chat_id)
    if message.migrate_from_chat_id:
        return Moved(message.migrate_from_chat_id, message.chat_id)
    if message.from_user and message.from_user.is_bot and not message.sender_chat:
        return None  # two bots would never stop
    return _said(message, me, own)


def _said(message: Message, me: User, own: Container[str]) -> Said | None:
    entities = message.parse_entities() if message.text else message.parse_caption_entities()
    command, receiver = _command(entities)
    if receiver and receiver != f"{me.username}".lower():
        return None
    if command in BUILT_IN or command in own:
        return Said(command, _after_command(message) if command in own else "")
    if not message.text and not message.effective_attachment:
        return None  # somebody joined, the title was changed
    text = _without_slash(message.text or "") if command else message.text or ""
    if message.chat.type == Chat.PRIVATE:
        return Said("", text)
    mentions = [found for entity, found in entities.items() if _is_mention(entity, found, me)]
    if not (mentions or receiver or _is_reply(message, me)):
        return None
    for mention in mentions:
        text = text.replace(mention, "", 1)
    return Said("help" if message.text and not text.strip() else "", text.strip())


def _command(entities: dict[MessageEntity, str]) -> tuple[str, str]:
    """The command that the message begins with, and the bot that it names: `/new@some_bot` is `new`, `some_bot`."""
    for entity, found in entities.items():
        if entity.type == entity.BOT_COMMAND and entity.offset == 0:
            command, _, receiver = found[1:].lower().partition("@")
            return command, receiver
    return "", ""


def _after_command(message: Message) -> str:
    words = (message.text or message.caption or "").split(maxsplit=1)
    return words[1].strip() if len(words) > 1 else ""


def _without_slash(text: str) -> str:
    """A command that the bot does not have, as people would write it to the agent: `/add milk` is `add milk`."""
    command, *rest = text.split(maxsplit=1) or [""]
    found = COMMAND.fullmatch(command)
    return " ".join([found[1].replace("_", " "), *rest]) if found else text


def _is_mention(entity: MessageEntity, text: str, me: User) -> bool:
    if entity.type == entity.TEXT_MENTION:
        return entity.user is not None and entity.user.id == me.id
    return entity.type == entity.MENTION and text.lower() == f"@{me.username}".lower()


def _is_reply(message: Message, me: User) -> bool:
    """Whether it replies to the bot. In a topic everything replies to the message that made the topic."""
    answered = message.reply_to_message
    if answered is None or answered.from_user is None or answered.forum_topic_created:
        return False
    return answered.from_user.id == me.id
