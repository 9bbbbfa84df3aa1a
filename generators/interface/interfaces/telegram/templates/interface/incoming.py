"""What a message means to the bot: a command, a question, or nothing."""

from dataclasses import dataclass

from telegram import Chat, Message, MessageEntity, User

COMMANDS = {"start", "help", "new", "history"}


@dataclass(frozen=True)
class Said:
    """What was said to the bot. A command has no text, and neither has a picture."""

    command: str
    text: str


def read(message: Message, me: User) -> Said | None:
    """What was said to the bot; None where nothing was, as in a group most of the time.

    Args:
        message: A message of a private chat or a group.
        me: The bot.
    """
    entities = message.parse_entities() if message.text else message.parse_caption_entities()
    command, receiver = _command(entities)
    if receiver and receiver != f"{me.username}".lower():
        return None
    if command in COMMANDS:
        return Said(command, "")
    if not message.text and not message.effective_attachment:
        return None  # somebody joined, the title was changed
    text = message.text or ""
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


def _is_mention(entity: MessageEntity, text: str, me: User) -> bool:
    if entity.type == entity.TEXT_MENTION:
        return entity.user is not None and entity.user.id == me.id
    return entity.type == entity.MENTION and text.lower() == f"@{me.username}".lower()


def _is_reply(message: Message, me: User) -> bool:
    answered = message.reply_to_message
    return answered is not None and answered.from_user is not None and answered.from_user.id == me.id
