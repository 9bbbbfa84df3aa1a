"""Every variable that the interface reads. The values come from .env through docker-compose.yml."""

import re
from typing import Annotated

from limits import RateLimitItem, parse
from pydantic import AfterValidator, Field, SecretStr

from three_tier.interface.api.keys import ApiKeys
from three_tier.interface.base_settings import InterfaceSettings

ORIGIN = re.compile(r"(https?|[a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
DEFAULT_PORT = re.compile(r"http://.*:80|https://.*:443")


def _check_keys(value: SecretStr) -> SecretStr:
    ApiKeys(value.get_secret_value())
    return value


def read_rate(text: str) -> RateLimitItem | None:
    """A rate such as `60/minute`; None where the text is blank. Raises ValueError."""
    if not text.strip():
        return None
    try:
        rate = parse(text)
    except ValueError:
        rate = None
    if rate is None or rate.amount < 1:
        raise ValueError("must read like 60/minute or 10/second, or be blank for no limit")
    return rate


def _check_rate(value: str) -> str:
    read_rate(value)
    return value


def read_origins(text: str) -> list[str]:
    """Origins such as `https://app.example.com`, or `*` alone; none where the text is blank. Raises ValueError."""
    origins = [origin.strip() for origin in text.split(",") if origin.strip()]
    if origins == ["*"]:
        return origins
    for position, origin in enumerate(origins, 1):
        if not ORIGIN.fullmatch(origin) or DEFAULT_PORT.fullmatch(origin):
            raise ValueError(
                "must be blank, * or origins as browsers send them, such as https://app.example.com or "
                "http://localhost:3000, divided by commas: in lower case, without a path, a final slash or a default "
                f"port, and entry {position} is not"
            )
    return origins


def _check_origins(value: str) -> str:
    read_origins(value)
    return value


class Settings(InterfaceSettings):
    """Values come from the environment: `api_keys` from API_KEYS and so on."""

    api_keys: Annotated[SecretStr, AfterValidator(_check_keys)]  # name:key,name:key
    rate_limit: Annotated[str, AfterValidator(_check_rate)] = "60/minute"  # requests of each name; blank: no limit
    cors_origins: Annotated[str, AfterValidator(_check_origins)] = ""  # whose pages may call; blank: none
    max_body: int = Field(1024 * 1024, ge=1024)  # bytes of a request
