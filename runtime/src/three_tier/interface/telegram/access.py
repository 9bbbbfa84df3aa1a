"""Who may talk to the bot, and how often."""

import re
from collections import deque
from datetime import datetime, timedelta

from telegram import Chat, Message, User

ENTRY = re.compile(r"-?[0-9]{1,20}|@?[A-Za-z][A-Za-z0-9_]{3,31}|\*")
MINUTE = timedelta(minutes=1)


class Guests:
    """The people and groups that may talk to the bot.

    Args:
        text: Numeric ids and names with commas between; `*` is everybody.

    Raises:
        ValueError: An entry is none of these.
    """

    def __init__(self, text: str) -> None:
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        for position, entry in enumerate(entries, 1):
            if not ENTRY.fullmatch(entry):
                raise ValueError(f"must list numeric ids and @names, or *, and entry {position} is neither")
        self._listed = frozenset(entry.removeprefix("@").lower() for entry in entries)
        self._known = set(self._listed)

    def invite(self, message: Message) -> bool:
        """Whether the writer, or everybody in the group, may talk to the bot."""
        names = {"*", str(message.chat_id)}
        if writer := writer_of(message):
            names |= {str(writer.id), (writer.username or "").lower()}
        return not self._known.isdisjoint(names)

    def list_only(self, old: int, new: int) -> bool:
        """Whether ALLOWED_USERS names a group by its former id and not by the one that it has now."""
        return str(old) in self._listed and str(new) not in self._listed

    def follow(self, old: int, new: int) -> bool:
        """Let everybody in a group in as before, now that it has another id. Returns whether that changes anything."""
        if str(old) not in self._known or str(new) in self._known:
            return False
        self._known.add(str(new))
        return True


def writer_of(message: Message) -> User | Chat | None:
    """Who wrote a message: a person, or the group or channel in whose name it was written.

    In the second case Telegram names a bot of its own as the person, the same one for everybody.
    """
    return message.sender_chat or message.from_user


def name_of(writer: User | Chat) -> str:
    """How the writer is called."""
    return (writer.full_name if isinstance(writer, User) else writer.effective_name) or ""


class Pace:
    """Counts messages, by the time at which they were written: a backlog after an outage is nobody's haste.

    Args:
        limit: Messages that each person may write in a minute; 0 is no limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._written: deque[tuple[datetime, int]] = deque()

    def admit(self, user: int, when: datetime) -> bool:
        """Count a message, unless the person has written enough in the minute before it."""
        while self._written and self._written[0][0] <= when - MINUTE:
            self._written.popleft()
        if self._limit and sum(who == user for _, who in self._written) >= self._limit:
            return False
        self._written.append((when, user))
        return True
