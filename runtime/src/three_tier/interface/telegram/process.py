"""The bot's process: it answers messages until SIGTERM."""

import asyncio
import logging
import signal

import uvloop

from three_tier.common import log
from three_tier.interface.agent_client import AgentClient
from three_tier.interface.base_settings import load
from three_tier.interface.telegram import health
from three_tier.interface.telegram.bot import ChatBot
from three_tier.interface.telegram.commands import Commands
from three_tier.interface.telegram.inbox import Inbox
from three_tier.interface.telegram.settings import Settings
from three_tier.interface.telegram.telegram_api import Telegram
from three_tier.interface.telegram.updates import Updates


def run(commands: Commands | None = None) -> int:
    """Run the bot until SIGTERM, and return the exit code of the process.

    Args:
        commands: Those of the project.
    """
    settings = load(Settings)
    log.configure(settings.log_level)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every URL, and the token is part of those
    logging.getLogger("telegram").setLevel(logging.CRITICAL)  # it quotes what it cannot read
    uvloop.run(_answer(settings, commands or Commands()))
    return 0


async def _answer(settings: Settings, commands: Commands) -> None:
    """Answer messages until SIGTERM, then finish the answers that are begun."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with (
        AgentClient(settings) as agent,
        Telegram(settings, commands.all.values()) as telegram,
        health.serving(settings.host, settings.port, agent, telegram),
    ):
        bot = ChatBot(settings, telegram, agent, stopping, commands.all)
        await Updates(telegram, bot, Inbox(agent, telegram), stopping).run()
