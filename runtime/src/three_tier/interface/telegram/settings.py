"""Every variable that the interface reads. The values come from .env through docker-compose.yml."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, HttpUrl, SecretStr

from three_tier.interface.base_settings import InterfaceSettings
from three_tier.interface.telegram.access import Guests

TOKEN = re.compile(r"[0-9]{3,}:[A-Za-z0-9_-]{20,}")


def _check_token(value: SecretStr) -> SecretStr:
    if not TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must be the token that @BotFather gave, such as 123456789:AAE...")
    return value


def _check_guests(value: str) -> str:
    Guests(value)
    return value


class Settings(InterfaceSettings):
    """Values come from the environment: `allowed_users` from ALLOWED_USERS and so on."""

    telegram_bot_token: Annotated[SecretStr, AfterValidator(_check_token)]
    telegram_api_url: HttpUrl = HttpUrl("https://api.telegram.org")
    allowed_users: Annotated[str, AfterValidator(_check_guests)] = ""  # ids and names; blank: nobody, *: everybody
    messages_per_minute: int = Field(20, ge=0)  # of each person; 0: no limit
