"""Starts the interface: the bot, with your commands in bot.py."""

import sys

from bot import commands
from three_tier.interface.telegram import run

if __name__ == "__main__":
    sys.exit(run(commands))
