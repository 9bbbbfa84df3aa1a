"""Short messages that nothing waits for: refusals and the like."""

import asyncio
from datetime import timedelta

import structlog
from telegram import Bot, LinkPreviewOptions, Message, ReplyParameters
from telegram.error import RetryAfter, TelegramError

from three_tier.interface.telegram.access import Pace
from three_tier.interface.telegram.incoming import MALFORMED, Place

WAITING = 100  # notices; further ones are dropped
EACH_CHAT = 5  # a minute that one chat gets
PACE = 0.2  # seconds between two, so that strangers do not use up what Telegram lets a bot send
LONGEST_REST = 60.0  # seconds of silence after Telegram wanted to be left alone

log = structlog.get_logger("notices")


class Notices:
    """Sends each notice once, one after the other: one that Telegram does not take is dropped.

    Args:
        bot: The library's client.
    """

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._pace = Pace(EACH_CHAT)
        self._queue: asyncio.Queue[tuple[Message, str]] = asyncio.Queue(WAITING)
        self._sender: asyncio.Task[None] | None = None

    def post(self, message: Message, text: str) -> None:
        """Have a text sent in reply to a message, if there is room for it."""
        if self._queue.full() or not self._pace.admit(message.chat_id, message.date):
            return
        self._queue.put_nowait((message, text))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())

    async def close(self) -> None:
        """Drop what is not sent."""
        if self._sender:
            self._sender.cancel()
            await asyncio.wait({self._sender})

    async def send(self, message: Message, text: str) -> None:
        """Send a text in reply to a message, once and now. Raises `TelegramError`."""
        place = Place.of(message)
        to = ReplyParameters(message.message_id, allow_sending_without_reply=True)
        await self._bot.send_message(
            place.chat,
            text,
            message_thread_id=place.topic,
            reply_parameters=to,
            link_preview_options=LinkPreviewOptions(is_disabled=True),
        )

    async def _send_all(self) -> None:
        while True:
            message, text = await self._queue.get()
            try:
                await self.send(message, text)
            except RetryAfter as error:
                await asyncio.sleep(min(seconds(error), LONGEST_REST))
            except (TelegramError, *MALFORMED) as error:
                log.debug("Telegram does not take a notice", reason=type(error).__name__)
            except Exception:
                log.exception("Could not send a notice")
            await asyncio.sleep(PACE)


def seconds(error: RetryAfter) -> float:
    """How long Telegram wants to be left alone."""
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
