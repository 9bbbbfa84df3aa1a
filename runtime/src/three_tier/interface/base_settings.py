"""The variables that every interface reads, and what happens when one of them is wrong."""

from pathlib import Path
from typing import Annotated

import structlog
from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from three_tier.common import log

SECRETS = Path("/run/secrets")  # where Docker Swarm puts each secret into a file; Compose sets variables
SHORTEST_SECRET = 16  # characters
LEVELS = ("debug", "info", "warning", "error")


def _level(value: str) -> str:
    level = value.strip().lower() or "info"
    if level not in LEVELS:
        raise ValueError(f"must be one of {', '.join(LEVELS)}")
    return level


def header_safe(value: str) -> bool:
    """Whether a secret can travel in an HTTP header as it is: printable ASCII without spaces."""
    return value.isascii() and value.isprintable() and " " not in value


def _token(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_SECRET or not header_safe(value.get_secret_value()):
        raise ValueError("must be 16 or more printable characters without spaces, the same ones that the agent has")
    return value


class InterfaceSettings(BaseSettings):
    """Values come from the environment: `agent_url` from AGENT_URL and so on."""

    model_config = SettingsConfigDict(secrets_dir=SECRETS if SECRETS.is_dir() else None)

    agent_name: str = Field(min_length=1)
    agent_url: HttpUrl
    agent_token: Annotated[SecretStr, AfterValidator(_token)]
    turn_timeout: float = Field(600, gt=0)  # seconds that the agent takes for a reply before it gives up
    agent_patience: float = Field(10.0, ge=0)  # seconds that a call rides out an agent that is away
    log_level: Annotated[str, BeforeValidator(_level)] = "info"
    host: str = "127.0.0.1"  # in its container it listens on all addresses: the Dockerfile says so
    port: int = 8080


def load[S: InterfaceSettings](kind: type[S]) -> S:
    """Read the settings from the environment.

    Args:
        kind: The settings class of this interface.

    Raises:
        SystemExit: A variable is missing or wrong; one log line has said which, without its value.
    """
    try:
        return kind()
    except ValidationError as error:
        problems = [_explain(str(found["loc"][0]).upper(), found["type"], found["msg"]) for found in error.errors()]
        log.configure("info")
        structlog.get_logger("settings").critical("Cannot start: " + "; ".join(problems))
        raise SystemExit(1) from None


def _explain(variable: str, kind: str, message: str) -> str:
    if kind == "missing":
        return f"{variable} is not set"
    return f"{variable} {message.removeprefix('Value error, ')}"
