"""A Telegram bot."""

import json
import re
from typing import ClassVar

from operations.compose import Compose, Service
from operations.errors import Failure

TOKEN = re.compile(r"\d{3,}:[A-Za-z0-9_-]{20,}")

HOW_TO_BEGIN = """TELEGRAM_BOT_TOKEN in {env_file} is {what}. To get one:
  1. In Telegram, open https://t.me/BotFather and send it /newbot.
  2. Answer its two questions: a name, and a username that ends in "bot". It replies with the token.
  3. Put the token into {env_file}, in the line TELEGRAM_BOT_TOKEN=
  4. Run ./deploy.sh again."""

ASK_HEALTH = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/health', timeout=15).read().decode())"


class Telegram:
    """The interface that people write to in Telegram."""

    keys: ClassVar[tuple[str, ...]] = ("TELEGRAM_BOT_TOKEN",)
    round_trip: ClassVar[str] = "telegram/round_trip.py"

    def check_settings(self, compose: Compose) -> None:
        """See that there is a token, which only a person can get."""
        token = compose.value("TELEGRAM_BOT_TOKEN")
        if not TOKEN.fullmatch(token):
            what = "not the token of a bot" if token else "blank"
            raise Failure(HOW_TO_BEGIN.format(env_file=compose.env_file, what=what))

    def new_secrets(self, compose: Compose) -> dict[str, str]:
        """Replace nothing: the bot's token comes from @BotFather."""
        return {}

    def how_to_talk(self, compose: Compose, service: Service) -> str:
        """The bot's address, and how to be allowed to use it."""
        bot = json.loads(service.inside("python", "-c", ASK_HEALTH))["bot"]
        told = f"Talk to it: https://t.me/{bot}" if bot else "Telegram has not answered yet; the bot goes on asking."
        if compose.value("ALLOWED_USERS"):
            return told
        return f"""{told}

Nobody may talk to it yet. Write to it, and it tells you your id; put that into ALLOWED_USERS in
{compose.env_file} and run ./deploy.sh again."""
