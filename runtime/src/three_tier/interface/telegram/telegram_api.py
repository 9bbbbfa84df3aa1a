"""Telegram's Bot API with what a service needs beside: patience, and one line in the log when something is wrong."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from random import SystemRandom
from ssl import SSLContext
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import structlog
from httpx import AsyncHTTPTransport, create_ssl_context
from telegram import Bot, BotCommand
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from three_tier.interface.agent_client import KEEP_ALIVE
from three_tier.interface.telegram.commands import Command
from three_tier.interface.telegram.incoming import MALFORMED, Place
from three_tier.interface.telegram.notices import Notices, seconds
from three_tier.interface.telegram.settings import Settings

os.environ["PTB_TIMEDELTA"] = "1"  # the library tells durations as such, which it will always do in its next version

READ_TIMEOUT = 10.0  # seconds
CONNECTIONS = 100
LONGEST_PAUSE = 5.0  # seconds between two attempts
LAST_CALLS = 2.0  # seconds that calls have which nobody waits for
TYPING_EVERY = 4.5  # seconds; Telegram shows it for five
WARN_AT = 5  # attempts at one call that failed

COMMANDS = (
    BotCommand("new", "Begin a new conversation"),
    BotCommand("history", "Show the last messages of this conversation"),
    BotCommand("help", "Show what I can do"),
)

NOT_TELEGRAM = "What answers is not Telegram"

OK = "ok"
AWAY = "away"
CONFLICT = "conflict"
REFUSED = "token refused"
COMPLAINTS = {
    AWAY: "Telegram does not answer; trying again",
    CONFLICT: "Another process receives this bot's messages, and only one may: stop it; trying again",
    REFUSED: "Telegram refuses TELEGRAM_BOT_TOKEN: put the token that @BotFather shows into .env, then run ./deploy.sh",
}

log = structlog.get_logger("telegram")


class Telegram:
    """The bot's side of the Bot API. Use it as `async with Telegram(settings) as telegram`.

    Args:
        settings: Where it is, and the token.
        commands: What the menu shows beside the commands that are built in.

    Attributes:
        bot: The library's client, for calls that may fail.
        notices: Messages that nothing waits for.
        state: Whether messages can be received: `waiting` at first, then `ok`, `away`, `conflict` or `token refused`.
        name: The bot's @name without its @; None until Telegram has told it.
    """

    def __init__(self, settings: Settings, commands: Iterable[Command] = ()) -> None:
        self.state = "waiting"
        self.name: str | None = None
        self._menu = [*(BotCommand(command.name, command.description) for command in commands), *COMMANDS]
        url = str(settings.telegram_api_url).rstrip("/")
        trusted = create_ssl_context()  # one for all connections: the authorities take a while to read, and room
        requests = partial(HTTPXRequest, read_timeout=READ_TIMEOUT, pool_timeout=READ_TIMEOUT)
        self.bot = _Client(
            settings.telegram_bot_token.get_secret_value(),
            base_url=f"{url}/bot",
            request=requests(CONNECTIONS, httpx_kwargs={"verify": trusted}),
            get_updates_request=requests(1, httpx_kwargs={"transport": _kept_alive(url, trusted)}),
        )
        self._showing: set[asyncio.Task[None]] = set()
        self.notices = Notices(self.bot)

    async def __aenter__(self) -> Self:
        """Nothing is sent yet: `connect` does that, however long it takes."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self.notices.close()
        if self._showing:
            await asyncio.wait(self._showing, timeout=LAST_CALLS)
        await self.bot.shutdown()

    async def connect(self) -> None:
        """Wait until Telegram accepts the token, and have it deliver to this process and show the commands."""
        await self._watched(self.bot.initialize)
        self.name = self.bot.username
        await self._watched(self.bot.delete_webhook)
        with suppress(TelegramError):  # only a convenience
            await self.bot.set_my_commands(self._menu)

    async def updates(self, confirm: int | None, wait: timedelta, limit: int = 100) -> list[dict[str, Any]]:
        """The updates that are not confirmed yet, in their order. Those before the update `confirm` are, from now on.

        Waits at most so long for one, and then through any outage.
        """
        return await self._watched(lambda: self.bot.unread_updates(confirm, limit, wait))

    async def insist[T](self, call: Callable[[], Awaitable[T]]) -> T:
        """The result of a call that is made until Telegram carries it out or refuses it.

        Raises:
            TelegramError: Telegram refused it: `BadRequest`, `Forbidden`, or `ChatMigrated`.
        """
        pauses = _Pauses()
        while True:
            try:
                return await call()
            except RetryAfter as error:
                await asyncio.sleep(seconds(error))
            except (BadRequest, ChatMigrated, Forbidden):
                raise
            except TelegramError as error:
                if pauses.count == WARN_AT:
                    log.warning("Telegram does not take a message; trying again", reason=type(error).__name__)
                await pauses.wait()

    @asynccontextmanager
    async def typing(self, place: Place) -> AsyncIterator[None]:
        """Show in the chat, or in its topic, that the bot is writing.

        The last call is left to its end: one that is cancelled while it connects leaves its socket open.
        """
        ended = asyncio.Event()

        async def show() -> None:
            while not ended.is_set():
                with suppress(TelegramError):
                    await self.bot.send_chat_action(place.chat, "typing", message_thread_id=place.topic)
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), TYPING_EVERY)

        showing = asyncio.create_task(show())
        self._showing.add(showing)
        showing.add_done_callback(self._showing.discard)
        try:
            yield
        finally:
            ended.set()

    async def _watched[T](self, call: Callable[[], Awaitable[T]]) -> T:
        """As `insist`, for the calls that tell whether messages can be received."""
        pauses = _Pauses()
        while True:
            try:
                result = await call()
            except RetryAfter as error:
                await asyncio.sleep(seconds(error))
            except TelegramError as error:
                self._lost(error)
                await pauses.wait()
            else:
                self._found()
                return result

    def _found(self) -> None:
        if self.state != OK:
            self.state = OK
            log.info("Telegram answers", bot=self.bot.username)

    def _lost(self, error: TelegramError) -> None:
        kinds = {InvalidToken: REFUSED, Forbidden: REFUSED, Conflict: CONFLICT}
        state = kinds.get(type(error), AWAY)
        if self.state != state:
            self.state = state
            log.warning(COMPLAINTS[state])


class _Client(Bot):
    """The library's client, which also gives updates as Telegram sends them: the library reads all of them or none."""

    async def unread_updates(self, offset: int | None, limit: int, wait: timedelta) -> list[dict[str, Any]]:
        """Call getUpdates.

        Raises:
            TelegramError: Telegram does not answer, or not with updates.
        """
        parameters = {"offset": offset, "limit": limit, "timeout": wait, "allowed_updates": ["message"]}
        patience = READ_TIMEOUT + wait.total_seconds()
        found = await self._post("getUpdates", parameters, read_timeout=patience)
        if not isinstance(found, list):
            raise TelegramError(NOT_TELEGRAM)
        updates = [each for each in found if isinstance(each, dict) and isinstance(each.get("update_id"), int)]
        if found and not updates:
            raise TelegramError(NOT_TELEGRAM)
        return updates

    async def _do_post(self, *args: Any, **kwargs: Any) -> Any:
        """As the library does, whose errors also tell of answers that are none of Telegram's."""
        try:
            return await super()._do_post(*args, **kwargs)
        except MALFORMED as error:
            raise TelegramError(NOT_TELEGRAM) from error


def _kept_alive(url: str, trusted: SSLContext) -> AsyncHTTPTransport:
    """Connections on which one waits for long, and still notices within seconds that the other side is gone.

    Where the environment names a proxy for the URL, they go through that. The library sets no options there, so then it
    takes until the wait has run out.
    """
    address = urlsplit(url)
    proxies = {} if proxy_bypass(address.netloc) else getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    options = [(*option, value) for option, value in KEEP_ALIVE.items()]
    return AsyncHTTPTransport(trusted, proxy=proxy, socket_options=options)


class _Pauses:
    """Ever longer pauses between the attempts of one call, with jitter."""

    def __init__(self) -> None:
        self.count = 0

    async def wait(self) -> None:
        """Pause."""
        longest = min(0.5 * 2 ** min(self.count, 10), LONGEST_PAUSE)
        self.count += 1
        await asyncio.sleep(longest * SystemRandom().uniform(0.5, 1.0))
