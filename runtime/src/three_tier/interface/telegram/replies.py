"""A reply in a chat: it grows while the agent writes, by edits, and may take several messages."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from telegram import LinkPreviewOptions, Message, ReplyParameters
from telegram.error import BadRequest, ChatMigrated, RetryAfter, TelegramError

from three_tier.interface.telegram.formatting import Piece, render
from three_tier.interface.telegram.incoming import Place
from three_tier.interface.telegram.notices import seconds
from three_tier.interface.telegram.telegram_api import Telegram

PRIVATE_PACE = 1.0  # seconds between two messages or edits in a chat, which is what Telegram allows
GROUP_PACE = 3.0

log = structlog.get_logger("replies")


class Reply:
    """What a message gets in return.

    Args:
        telegram: The way to the chat.
        question: The message that is replied to.
    """

    def __init__(self, telegram: Telegram, question: Message) -> None:
        self._telegram = telegram
        self._place = Place.of(question)
        in_group = question.chat.type != question.chat.PRIVATE
        self._pace = GROUP_PACE if in_group else PRIVATE_PACE
        self._to = ReplyParameters(question.message_id, allow_sending_without_reply=True) if in_group else None
        self._sent: list[tuple[int, Piece]] = []
        self._length = 0
        self._free_at = 0.0
        self._grow_at = 0.0

    @property
    def begun(self) -> bool:
        """Whether any of it can be seen."""
        return bool(self._sent)

    async def grow(self, markdown: str) -> None:
        """Show what there is of the reply, if it is time to. A failure is left to the next call."""
        now = time.monotonic()
        self._grow_at = self._grow_at or now + self._pace
        if now < max(self._grow_at, self._free_at) or len(markdown) <= self._length or not markdown.strip():
            return
        self._grow_at = now + self._pace
        self._length = len(markdown)
        try:
            await self._show(render(markdown))
        except RetryAfter as error:
            self._free_at = time.monotonic() + seconds(error)
        except TelegramError:
            pass

    async def finish(self, pieces: list[Piece]) -> None:
        """Show the whole of it, however long Telegram is away.

        Raises:
            TelegramError: Telegram refuses it: the person has blocked the bot, say.
        """
        await self._telegram.insist(lambda: self._show(pieces))

    async def _show(self, pieces: list[Piece]) -> None:
        for number, piece in enumerate(pieces):
            if number == len(self._sent):
                self._sent.append((await self._send(piece), piece))
            elif self._sent[number][1] != piece:
                self._sent[number] = (await self._edit(self._sent[number][0], piece), piece)
        while len(self._sent) > len(pieces):  # the end of the Markdown has changed what its beginning means
            await self._telegram.bot.delete_message(self._place.chat, self._sent[-1][0])
            self._sent.pop()

    async def _send(self, piece: Piece) -> int:
        async def send(piece: Piece) -> int:
            message = await self._telegram.bot.send_message(
                self._place.chat,
                piece.text,
                message_thread_id=self._place.topic,
                entities=piece.entities,
                reply_parameters=self._to,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
            return message.message_id

        return await self._formatted_or_plain(send, piece)

    async def _edit(self, message: int, piece: Piece) -> int:
        """Change a message and return its number: another one, if the message is gone."""

        async def edit(piece: Piece) -> int:
            await self._telegram.bot.edit_message_text(
                piece.text,
                self._place.chat,
                message,
                entities=piece.entities,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
            return message

        try:
            return await self._formatted_or_plain(edit, piece)
        except BadRequest as error:
            if "not modified" in error.message:
                return message
            return await self._send(piece)

    async def _formatted_or_plain(self, call: Callable[[Piece], Awaitable[int]], piece: Piece) -> int:
        await asyncio.sleep(self._free_at - time.monotonic())
        self._free_at = time.monotonic() + self._pace
        try:
            return await call(piece)
        except ChatMigrated as error:
            self._place = Place(error.new_chat_id)
            return await self._formatted_or_plain(call, piece)
        except BadRequest as error:
            if not piece.entities or "not modified" in error.message or "not found" in error.message:
                raise
            log.warning("Telegram refuses the formatting, so the text is sent without", reason=error.message)
            return await call(Piece(piece.text))
