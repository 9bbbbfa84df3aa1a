"""Every variable that the interface reads. The values come from .env through docker-compose.yml."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from three_tier.interface.base_settings import SHORTEST_SECRET, InterfaceSettings

SHORTEST_PASSWORD = 12  # characters
LONGEST_SESSION = 8760  # hours
PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def _password(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_PASSWORD:
        raise ValueError(f"must have {SHORTEST_PASSWORD} characters or more")
    return value


def _secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"must have {SHORTEST_SECRET} characters or more")
    return value


def _secret_or_blank(value: SecretStr) -> SecretStr:
    return _secret(value) if value.get_secret_value() else value


def _prefix(value: str) -> str:
    prefix = value.strip().rstrip("/")
    if prefix and not PREFIX.fullmatch(prefix):
        raise ValueError("must be a path such as /chat, or blank")
    return prefix


class Settings(InterfaceSettings):
    """Values come from the environment: `web_password` from WEB_PASSWORD and so on."""

    web_password: Annotated[SecretStr, AfterValidator(_password)]
    web_link_token: Annotated[SecretStr, AfterValidator(_secret_or_blank)] = SecretStr("")  # blank: no sign-in by link
    session_secret: Annotated[SecretStr, AfterValidator(_secret)]
    session_hours: float = Field(168, gt=0, le=LONGEST_SESSION)
    root_path: Annotated[str, AfterValidator(_prefix)] = ""  # where a reverse proxy that does not strip it serves us
    max_body: int = Field(1024 * 1024, ge=1024)  # bytes of a request
