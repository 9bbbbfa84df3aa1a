"""The bot, running between an agent and a Bot API server that are not the real ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from tests.ports import kept_port
from three_tier.interface.agent_client import AgentClient
from three_tier.interface.base_settings import InterfaceSettings
from three_tier.interface.http.testing import NO_AUTHORITIES
from three_tier.interface.telegram.bot import ChatBot
from three_tier.interface.telegram.commands import Commands
from three_tier.interface.telegram.fake_telegram import TOKEN, FakeTelegram
from three_tier.interface.telegram.inbox import Inbox
from three_tier.interface.telegram.notices import seconds
from three_tier.interface.telegram.settings import Settings
from three_tier.interface.telegram.telegram_api import Telegram
from three_tier.interface.telegram.updates import Updates
from three_tier.interface.testing.waiting import until

HASTE = 20  # how much sooner the bot goes on than Telegram tells it to


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    """A Bot API server that is up."""
    with kept_port() as port:
        async with FakeTelegram(port) as running:
            yield running


@pytest.fixture
def bot_settings(settings: InterfaceSettings, telegram: FakeTelegram, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Everybody may write, as much as they want, and nothing takes long."""
    for name, value in {
        "replies.PRIVATE_PACE": 0.05,
        "replies.GROUP_PACE": 0.05,
        "notices.PACE": 0.01,
        "telegram_api.READ_TIMEOUT": 0.5,
        "telegram_api.LONGEST_PAUSE": 0.1,
        "telegram_api.create_ssl_context": lambda: NO_AUTHORITIES,
        **{
            f"{module}.seconds": lambda error: seconds(error) / HASTE
            for module in ("notices", "replies", "telegram_api")
        },
        "bot.FIRST_PAUSE": 0.1,
        "bot.LONGEST_PAUSE": 0.2,
        "inbox.PAUSE": 0.1,
        "updates.SOON": 0.2,
        "updates.SLOW": 0.2,
        "updates.DRAIN": 0.3,
        "updates.GLANCE": 0.05,
        "updates.LONG_POLL": timedelta(seconds=0.2),
    }.items():
        monkeypatch.setattr(f"three_tier.interface.telegram.{name}", value)
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("TELEGRAM_API_URL", telegram.url)
    monkeypatch.setenv("ALLOWED_USERS", "*")
    monkeypatch.setenv("MESSAGES_PER_MINUTE", "0")
    monkeypatch.setenv("AGENT_PATIENCE", "0.2")
    assert settings.agent_url
    return Settings()


@asynccontextmanager
async def running(settings: Settings, commands: Commands | None = None) -> AsyncIterator[Telegram]:
    """Run the bot, and end it as SIGTERM does."""
    stopping = asyncio.Event()
    own = commands.all if commands else {}
    async with AgentClient(settings) as agent, Telegram(settings, own.values()) as telegram:
        bot = ChatBot(settings, telegram, agent, stopping, own)
        work = asyncio.create_task(Updates(telegram, bot, Inbox(agent, telegram), stopping).run())
        try:
            await until(lambda: agent.connected)
            yield telegram
        finally:
            stopping.set()
            await work


@pytest.fixture
async def bot(bot_settings: Settings) -> AsyncIterator[Telegram]:
    """The bot's way to Telegram."""
    async with running(bot_settings) as telegram:
        yield telegram
