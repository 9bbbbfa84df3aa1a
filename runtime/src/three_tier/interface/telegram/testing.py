"""For tests: the bot with the commands of a project, between an agent and a Telegram that are not the real ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from unittest.mock import patch

from pydantic import HttpUrl, SecretStr

from three_tier.interface.agent_client import AgentClient
from three_tier.interface.telegram import fake_telegram, replies
from three_tier.interface.telegram.bot import ChatBot
from three_tier.interface.telegram.commands import Commands
from three_tier.interface.telegram.fake_telegram import FakeTelegram
from three_tier.interface.telegram.inbox import Inbox
from three_tier.interface.telegram.settings import Settings
from three_tier.interface.telegram.telegram_api import Telegram
from three_tier.interface.telegram.updates import Updates
from three_tier.interface.testing import fake_agent
from three_tier.interface.testing.fake_agent import FakeAgent
from three_tier.interface.testing.waiting import until


@dataclass(frozen=True)
class Chat:
    """A private chat with the bot while a test runs.

    Attributes:
        agent: What answers in place of the agent: it repeats each message, or says what `agent.script` has for it.
        telegram: What the bot takes for Telegram; its `calls` say what the bot has told it.
    """

    agent: FakeAgent
    telegram: FakeTelegram

    async def say(self, text: str) -> str:
        """Write to the bot, and return its reply."""
        before = len(self.telegram.texts())
        (self.telegram.command if text.startswith("/") else self.telegram.say)(text)
        await until(lambda: len(self.telegram.texts()) > before and not self.telegram.updates)
        return "\n".join(self.telegram.texts()[before:])


@asynccontextmanager
async def running(commands: Commands) -> AsyncIterator[Chat]:
    """Run the bot with these commands."""
    stopping = asyncio.Event()
    async with FakeAgent() as fake, FakeTelegram() as server:
        settings = Settings(
            agent_name="agent",
            agent_url=HttpUrl(fake.url),
            agent_token=SecretStr(fake_agent.TOKEN),
            telegram_bot_token=SecretStr(fake_telegram.TOKEN),
            telegram_api_url=HttpUrl(server.url),
            allowed_users="*",
            messages_per_minute=0,
        )
        async with AgentClient(settings) as agent, Telegram(settings, commands.all.values()) as telegram:
            bot = ChatBot(settings, telegram, agent, stopping, commands.all)
            with patch.object(replies, "PRIVATE_PACE", 0.0):
                work = asyncio.create_task(Updates(telegram, bot, Inbox(agent, telegram), stopping).run())
                try:
                    yield Chat(fake, server)
                finally:
                    stopping.set()
                    await work
