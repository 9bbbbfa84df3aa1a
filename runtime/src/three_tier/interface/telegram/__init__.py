"""The Telegram bot, and what the commands of a project need of it."""

from three_tier.interface.agent_client import Refused
from three_tier.interface.telegram.commands import Call, Commands
from three_tier.interface.telegram.process import run

__all__ = ["Call", "Commands", "Refused", "run"]
