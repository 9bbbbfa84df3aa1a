"""The bot: what a person gets in return for a message."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from random import SystemRandom

import structlog
from telegram import Chat, Message, User
from telegram.error import BadRequest, NetworkError, TelegramError

from three_tier.interface.agent_client import AgentClient, Refused, WrongAgent
from three_tier.interface.telegram.access import Guests, Pace, name_of, writer_of
from three_tier.interface.telegram.commands import Call, Command
from three_tier.interface.telegram.conversations import Answered, BrokeOff, Conversation
from three_tier.interface.telegram.formatting import Piece, plain, render
from three_tier.interface.telegram.incoming import MALFORMED, Moved, Place, Said, read
from three_tier.interface.telegram.replies import Reply
from three_tier.interface.telegram.settings import Settings
from three_tier.interface.telegram.telegram_api import Telegram

START = "Hello, this is {name}. Write to me, and I answer.\n\n{help}"
HELP = """/new begins a new conversation, in which I know nothing of what was said before.
/history shows the last messages of this one.
/help shows this.{own}

In a group, mention me or reply to one of my messages."""
PRIVATE = "Sorry, I am a private bot. My owner can let you in: by adding {ids} to ALLOWED_USERS."
FOR_ALL = "{id} for everybody in this group"
HASTE = "That was a lot for one minute. Please wait a little, then send this message again."
ONLY_TEXT = "Sorry, I can read text only."
BEGUN = "This is a new conversation."
NO_HISTORY = "Nothing has been said in this conversation yet."
FULL = "So many messages wait for an answer here that I cannot take this one. Please send it again later."
WAITING = "I cannot answer at the moment. Your message is kept, and I answer it as soon as I can."
REFUSED = "Sorry, I cannot answer this message. {reason}"
BROKE_OFF = "The answer broke off each time that I tried."
FAILED = "Sorry, something went wrong. Please send your message again."

ALBUMS = 100  # that are known, so that each is answered once
MOST_TRIES = 5  # at a message whose answer breaks off
FIRST_PAUSE = 1.0  # seconds between two tries
LONGEST_PAUSE = 5.0
PASSING = {404, 409, 429, 503, 504}  # refusals that pass: the thread was just deleted, is in use, ...

type Grow = Callable[[str], Awaitable[None]]

log = structlog.get_logger("bot")


class ChatBot:
    """Answers messages, each in the conversation of its chat.

    Args:
        settings: Who may write, and how much.
        telegram: The way to the people.
        agent: What answers them.
        stopping: Set when the process is to end; from then on an agent that is away is not waited for.
        own: The commands of the project.
    """

    def __init__(
        self,
        settings: Settings,
        telegram: Telegram,
        agent: AgentClient,
        stopping: asyncio.Event,
        own: Mapping[str, Command],
    ) -> None:
        self._name = settings.agent_name
        self._guests = Guests(settings.allowed_users)
        self._pace = Pace(settings.messages_per_minute)
        self._albums: deque[str] = deque(maxlen=ALBUMS)
        self._telegram = telegram
        self._agent = agent
        self._stopping = stopping
        self._own = own
        self._help = HELP.format(own="".join(f"\n/{each.name}: {each.description}." for each in own.values()))

    def admit(self, message: Message) -> Said | Moved | None:
        """What of a message is to be answered; None where nothing is. Whoever may not write is told so, if that can be.

        Nothing waits for what this tells, so strangers do not hold up anybody.
        """
        said = read(message, self._telegram.bot.bot, self._own)
        if isinstance(said, Moved) and self._guests.follow(said.old, said.new):
            log.warning("A group has another id now: put it into ALLOWED_USERS", former=said.old, now=said.new)
        if said is None or isinstance(said, Moved):
            return said
        if self._is_of_album(message):
            return None
        if refusal := self._refusal(message, said):
            self._telegram.notices.post(message, refusal)
            return None
        return said

    def must_keep(self, said: Said | Moved) -> bool:
        """Whether the next process has to know of it as well: of a group that ALLOWED_USERS names by a former id."""
        return isinstance(said, Moved) and self._guests.list_only(said.old, said.new)

    async def answer(self, update: int, message: Message, said: Said | Moved) -> None:
        """Answer a message. Returns when the answer has arrived, or when it is clear that it never will.

        Args:
            update: Telegram's number of the update, by which the agent knows a message that is delivered again.
            message: The message.
            said: What `admit` made of it.
        """
        try:
            if isinstance(said, Moved):
                await self._move(message, said)
            else:
                await self._respond(update, message, said)
        except TelegramError as error:
            log.warning("Telegram does not take the answer", reason=error.message)
        except Exception:
            log.exception("Could not answer")
            with suppress(TelegramError, *MALFORMED):
                await Reply(self._telegram, message).finish(plain(FAILED))

    async def _respond(self, update: int, message: Message, said: Said) -> None:
        reply = Reply(self._telegram, message)
        try:
            pieces = await self._pieces(update, message, said, reply)
        except Answered:
            log.info("Answered before", update=update)
            return
        except Refused as refused:
            reason = " ".join([refused.detail, *(f"{wrong.field}: {wrong.message}." for wrong in refused.errors or ())])
            log.warning("Refused a message", status=refused.status, reason=reason)
            pieces = plain(REFUSED.format(reason=reason))
        await reply.finish(pieces)

    async def _move(self, message: Message, moved: Moved) -> None:
        """Go on in a supergroup with what was said while it was a group."""
        conversation = Conversation(self._agent, Place(moved.old))
        try:
            await self._patiently(message, None, lambda: conversation.move(Place(moved.new)))
        except Refused as refused:
            log.warning("What was said in a group stays with its former id", former=moved.old, reason=refused.detail)

    def _is_of_album(self, message: Message) -> bool:
        """Whether it is a further picture of an album, which has been answered already."""
        if not message.media_group_id:
            return False
        known = message.media_group_id in self._albums
        self._albums.append(message.media_group_id)
        return known

    def _refusal(self, message: Message, said: Said) -> str | None:
        writer = writer_of(message)
        if not self._guests.invite(message):
            return _private(message, writer)
        if not self._pace.admit(writer.id if writer else message.chat_id, message.date):
            return HASTE
        return None if said.command or said.text else ONLY_TEXT

    async def _pieces(self, update: int, message: Message, said: Said, reply: Reply) -> list[Piece]:
        """What to answer. Raises `Answered`, and `Refused` where the agent has no answer."""
        place = Place.of(message)
        conversation = Conversation(self._agent, place)
        key = f"{self._telegram.bot.id}:{update}"
        match said:
            case Said("start"):
                return plain(START.format(name=self._name, help=self._help))
            case Said("help"):
                return plain(self._help)
            case Said("new"):
                await self._patiently(message, reply, lambda: conversation.begin(key))
                return plain(BEGUN)
            case Said("history"):
                return plain(self._script(await self._patiently(message, reply, conversation.history)))
        metadata = {"from": name_of(writer)} if (writer := writer_of(message)) else {}

        async def ask(text: str, key: str, grow: Grow) -> str:
            return await self._patiently(message, reply, lambda: conversation.ask(text, metadata, key, grow))

        async with self._telegram.typing(place):
            if command := self._own.get(said.command):
                call = _call(message, said, key, lambda text, key: ask(text, key, _show_nothing))
                return render(await command.run(call))
            return render(await ask(said.text, key, reply.grow))

    def _script(self, history: list[tuple[str, str]]) -> str:
        names = {"user": "You", "assistant": self._name}
        return "\n\n".join(f"{names[role]}: {content}" for role, content in history) or NO_HISTORY

    async def _patiently[T](self, message: Message, reply: Reply | None, ask: Callable[[], Awaitable[T]]) -> T:
        """What the agent answers, however long it is away. Where there is to be a reply, the person is told once.

        Raises:
            Refused: The agent has no answer.
        """
        tries, pause, told = 0, FIRST_PAUSE, False
        while True:
            try:
                return await ask()
            except Refused as refused:
                if refused.status not in PASSING and not isinstance(refused, WrongAgent):
                    raise
                tries += isinstance(refused, BrokeOff)
                if tries == MOST_TRIES:
                    raise Refused(refused.status, BROKE_OFF) from refused
            if reply and not reply.begun and not told:
                told = await self._tell(message, WAITING)
            await self._pause(pause * SystemRandom().uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _tell(self, message: Message, text: str) -> bool:
        """Send a notice at once. Returns whether it was taken, or never will be."""
        try:
            await self._telegram.notices.send(message, text)
        except TelegramError as error:  # BadRequest is a refusal, which the library counts among the network's errors
            return isinstance(error, BadRequest) or not isinstance(error, NetworkError)
        return True

    async def _pause(self, seconds: float) -> None:
        """Wait; but not when the process is to end, for then the message is left to the next one."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
        raise asyncio.CancelledError


def _call(message: Message, said: Said, key: str, ask: Callable[[str, str], Awaitable[str]]) -> Call:
    writer = writer_of(message)
    who = (writer.id, name_of(writer)) if writer else (message.chat_id, "")
    return Call(said.text, message.chat_id, *who, owner=Place.of(message).owner, key=key, ask_agent=ask)


async def _show_nothing(_: str) -> None:
    """For a command what the agent says is not the reply yet."""


def _private(message: Message, writer: User | Chat | None) -> str:
    """The refusal of a stranger, with the ids that would let him in."""
    group = None if message.chat.type == Chat.PRIVATE else message.chat_id
    ids = [str(writer.id)] if writer and writer.id != group else []
    if group:
        ids.append(FOR_ALL.format(id=group))
    return PRIVATE.format(ids=" or ".join(ids))
