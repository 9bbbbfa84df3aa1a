"""Every variable that the agent reads, whatever its logic. The values come from .env through docker-compose.yml."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRETS = Path("/run/secrets")  # where Docker Swarm puts each secret into a file; Compose sets variables

READ_FROM = SettingsConfigDict(env_ignore_empty=True, secrets_dir=SECRETS if SECRETS.is_dir() else None)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if not (parts.scheme and parts.hostname):
        raise ValueError("must read scheme://user@host:port/name")
    return text


class Settings(BaseSettings):
    """Read from the environment; a blank variable counts as not set."""

    model_config = READ_FROM

    agent_name: str = "agent"
    agent_token: SecretStr = Field(min_length=16)  # what callers send as a bearer token
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(str.lower)] = "info"

    database_url: Annotated[str, AfterValidator(_url)]  # without the password, so that it needs no escaping
    database_password: SecretStr
    database_pool: int = Field(10, ge=1)  # connections
    database_timeout: float = Field(5, gt=0)  # seconds that one statement may take
    database_patience: float = Field(8, ge=0)  # seconds that a call rides out a database that is away
    startup_timeout: float = Field(60, gt=0)  # seconds until a database that never answered ends the process

    history_window: int = Field(40, ge=0)  # messages of a thread that the logic sees
    retention_days: int = Field(0, ge=0)  # threads without a message for so long are deleted; 0 keeps all
    turn_lease: float = Field(8, gt=0)  # seconds until the turn of a crashed agent frees its thread
    turn_wait: float = Field(20, ge=0)  # seconds that a message waits for those before it
    turn_timeout: float = Field(600, gt=0)  # seconds that an answer may take
    max_turns: int | None = Field(None, ge=1)  # answered at the same time; None: as many as the memory holds
    drain_timeout: int = Field(25, ge=0)  # seconds that requests in flight have after SIGTERM

    max_content: int = Field(1_000_000, ge=128_000, le=8_000_000)  # bytes of a message that is stored
    host: str = "127.0.0.1"  # in its container it listens on all addresses: the Dockerfile says so
    port: int = 8000
    max_body: int = Field(1024 * 1024, ge=1024)  # bytes of a request
