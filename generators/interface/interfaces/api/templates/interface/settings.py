"""Every variable that the interface reads. The values come from .env through docker-compose.yml."""

from typing import Annotated

from limits import RateLimitItem, parse
from pydantic import AfterValidator, Field, SecretStr

from base_settings import InterfaceSettings
from keys import ApiKeys


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


class Settings(InterfaceSettings):
    """Values come from the environment: `api_keys` from API_KEYS and so on."""

    api_keys: Annotated[SecretStr, AfterValidator(_check_keys)]  # name:key,name:key
    rate_limit: Annotated[str, AfterValidator(_check_rate)] = "60/minute"  # requests of each name; blank: no limit
    max_body: int = Field(1024 * 1024, ge=1024)  # bytes of a request
