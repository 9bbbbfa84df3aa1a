"""Variables that are wrong are named, and not quoted."""

import pytest
from structlog.testing import capture_logs

import log
from base_settings import load
from settings import Settings


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
