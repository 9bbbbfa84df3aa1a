"""The Telegram bot. `run` is all that `main.py` needs."""

from three_tier.interface.telegram.process import run

__all__ = ["run"]
