"""The bot: what a person gets in return for a message."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import SystemRandom

import structlog
from telegram import Message
from telegram.error import TelegramError

from access import Guests, Pace
from agent_client import AgentClient, Refused, WrongAgent
from conversations import Answered, BrokeOff, Conversation
from formatting import Piece, plain, render
from incoming import Said, read
from replies import Reply
from settings import Settings
from telegram_api import Telegram

START = "Hello, this is {name}. Write to me, and I answer.\n\n{help}"
HELP = """/new begins a new conversation, in which I know nothing of what was said before.
/history shows the last messages of this one.
/help shows this.

In a group, mention me or reply to one of my messages."""
PRIVATE = "Sorry, I am a private bot. My owner can let you in: by adding {id} to ALLOWED_USERS."
HASTE = "That was a lot for one minute. Please wait a little, then send this message again."
ONLY_TEXT = "Sorry, I can read text only."
BEGUN = "This is a new conversation."
NO_HISTORY = "Nothing has been said in this conversation yet."
WAITING = "I cannot answer at the moment. Your message is kept, and I answer it as soon as I can."
REFUSED = "Sorry, I cannot answer this message. {reason}"
BROKE_OFF = "The answer broke off each time that I tried."
FAILED = "Sorry, something went wrong. Please send your message again."

REFUSALS = 5  # a minute that one person is told; further messages get no answer
MOST_TRIES = 5  # at a message whose answer breaks off
LONGEST_PAUSE = 5.0  # seconds between two tries
PASSING = {404, 409, 429, 503, 504}  # refusals that pass: the thread was just deleted, is in use, ...

log = structlog.get_logger("bot")


class ChatBot:
    """Answers messages, each in the conversation of its chat.

    Args:
        settings: Who may write, and how much.
        telegram: The way to the people.
        agent: What answers them.
        stopping: Set when the process is to end; from then on an agent that is away is not waited for.
    """

    def __init__(self, settings: Settings, telegram: Telegram, agent: AgentClient, stopping: asyncio.Event) -> None:
        self._name = settings.agent_name
        self._guests = Guests(settings.allowed_users)
        self._pace = Pace(settings.messages_per_minute)
        self._refusals = Pace(REFUSALS)
        self._telegram = telegram
        self._agent = agent
        self._stopping = stopping

    async def answer(self, update: int, message: Message) -> None:
        """Answer a message. Returns when the answer has arrived, or when it is clear that it never will.

        Args:
            update: Telegram's number of the update, by which the agent knows a message that is delivered again.
            message: The message.
        """
        try:
            if said := read(message, self._telegram.bot.bot):
                await self._respond(update, message, said)
        except TelegramError as error:
            log.warning("Telegram does not take the answer", reason=error.message)
        except Exception:
            log.exception("Could not answer")
            with suppress(TelegramError):
                await Reply(self._telegram, message).finish(plain(FAILED))

    async def _respond(self, update: int, message: Message, said: Said) -> None:
        reply = Reply(self._telegram, message)
        writer = message.from_user.id if message.from_user else message.chat_id
        if refusal := self._refusal(writer, message):
            if self._refusals.admit(writer, message.date):
                await reply.finish(plain(refusal.format(id=writer)))
            return
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

    def _refusal(self, writer: int, message: Message) -> str | None:
        if not self._guests.invite(message):
            return PRIVATE
        return None if self._pace.admit(writer, message.date) else HASTE

    async def _pieces(self, update: int, message: Message, said: Said, reply: Reply) -> list[Piece]:
        """What to answer. Raises `Answered`, and `Refused` where the agent has no answer."""
        conversation = Conversation(self._agent, message.chat_id)
        key = f"{self._telegram.bot.id}:{update}"
        match said:
            case Said("start"):
                return plain(START.format(name=self._name, help=HELP))
            case Said("help"):
                return plain(HELP)
            case Said("new"):
                await self._patiently(message, reply, lambda: conversation.begin(key))
                return plain(BEGUN)
            case Said("history"):
                return plain(self._script(await self._patiently(message, reply, conversation.history)))
            case Said(text=""):
                return plain(ONLY_TEXT)
        metadata = {"from": message.from_user.full_name} if message.from_user else {}
        async with self._telegram.typing(message.chat_id):
            text = await self._patiently(message, reply, lambda: conversation.ask(said.text, metadata, key, reply.grow))
        return render(text)

    def _script(self, history: list[tuple[str, str]]) -> str:
        names = {"user": "You", "assistant": self._name}
        return "\n\n".join(f"{names[role]}: {content}" for role, content in history) or NO_HISTORY

    async def _patiently[T](self, message: Message, reply: Reply, ask: Callable[[], Awaitable[T]]) -> T:
        """What the agent answers, however long it is away. The person is told once that it takes longer.

        Raises:
            Refused: The agent has no answer.
        """
        tries, pause, told = 0, 1.0, False
        while True:
            try:
                return await ask()
            except Refused as refused:
                if refused.status not in PASSING and not isinstance(refused, WrongAgent):
                    raise
                tries += isinstance(refused, BrokeOff)
                if tries == MOST_TRIES:
                    raise Refused(refused.status, BROKE_OFF) from refused
            if not told and not reply.begun:
                told = True
                await Reply(self._telegram, message).finish(plain(WAITING))
            await self._pause(pause * SystemRandom().uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _pause(self, seconds: float) -> None:
        """Wait; but not when the process is to end, for then the message is left to the next one."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
        raise asyncio.CancelledError
