"""Variables that are wrong are named, and not quoted."""

import pytest
from structlog.testing import capture_logs

from three_tier.common import log
from three_tier.interface.api.settings import Settings, read_origins
from three_tier.interface.base_settings import load


@pytest.fixture(autouse=True)
def good(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which all is well."""
    monkeypatch.setattr(log, "configure", lambda _: None)
    monkeypatch.setenv("AGENT_NAME", "parrot")
    monkeypatch.setenv("AGENT_URL", "http://parrot-agent:8000")
    monkeypatch.setenv("AGENT_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("API_KEYS", "alice:0123456789abcdef")


def test_defaults() -> None:
    settings = load(Settings)
    assert (settings.rate_limit, settings.log_level, settings.port) == ("60/minute", "info", 8080)
    assert read_origins(settings.cors_origins) == []


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        (" ", []),
        ("*", ["*"]),
        ("https://app.example.com", ["https://app.example.com"]),
        ("http://localhost:3000, http://[::1]:3000,", ["http://localhost:3000", "http://[::1]:3000"]),
        ("app://obsidian.md,chrome-extension://abcdef", ["app://obsidian.md", "chrome-extension://abcdef"]),
    ],
)
def test_origins(monkeypatch: pytest.MonkeyPatch, text: str, origins: list[str]) -> None:
    monkeypatch.setenv("CORS_ORIGINS", text)
    assert read_origins(load(Settings).cors_origins) == origins


def test_blank_level_and_blank_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "")
    monkeypatch.setenv("RATE_LIMIT", "")
    settings = load(Settings)
    assert (settings.rate_limit, settings.log_level) == ("", "info")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AGENT_NAME", ""),
        ("AGENT_URL", None),
        ("AGENT_URL", "s3cret:8000"),
        ("AGENT_TOKEN", None),
        ("AGENT_TOKEN", "short-s3cret"),
        ("AGENT_TOKEN", "s3cret with spaces in it"),
        ("API_KEYS", None),
        ("API_KEYS", ""),
        ("API_KEYS", "a-s3cret-without-a-name"),
        ("API_KEYS", "alice:s3cret"),
        ("RATE_LIMIT", "s3cret"),
        ("RATE_LIMIT", "0/minute"),
        ("CORS_ORIGINS", "s3cret.example.com"),
        ("CORS_ORIGINS", "https://s3cret.example.com/"),
        ("CORS_ORIGINS", "https://s3cret.example.com/page"),
        ("CORS_ORIGINS", "https://S3cret.example.com"),
        ("CORS_ORIGINS", "https://s3cret.example.com:443"),
        ("CORS_ORIGINS", "http://s3cret.example.com:80"),
        ("CORS_ORIGINS", "https://*.s3cret.example.com"),
        ("CORS_ORIGINS", "https://" + "user:s3cret" + "@example.com"),
        ("CORS_ORIGINS", "https://s3cret.example.com *"),
        ("CORS_ORIGINS", "https://s3cret.example.com,*"),
        ("CORS_ORIGINS", "null"),
        ("MAX_BODY", "1"),
        ("LOG_LEVEL", "s3cret"),
    ],
)
def test_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None) -> None:
    monkeypatch.delenv(variable, raising=False)
    if value is not None:
        monkeypatch.setenv(variable, value)
    with capture_logs() as logs, pytest.raises(SystemExit) as end:
        load(Settings)
    assert end.value.code == 1
    (line,) = logs
    assert variable in line["event"]
    assert "s3cret" not in str(line)
