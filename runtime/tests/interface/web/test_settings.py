"""Variables that are wrong are named, and not quoted."""

import pytest
from structlog.testing import capture_logs

from three_tier.common import log
from three_tier.interface.base_settings import load
from three_tier.interface.web.settings import Settings


@pytest.fixture(autouse=True)
def good(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which all is well."""
    monkeypatch.setattr(log, "configure", lambda _: None)
    monkeypatch.setenv("AGENT_NAME", "parrot")
    monkeypatch.setenv("AGENT_URL", "http://parrot-agent:8000")
    monkeypatch.setenv("AGENT_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("WEB_PASSWORD", "correct horse")
    monkeypatch.setenv("SESSION_SECRET", "0123456789abcdef")


def test_defaults() -> None:
    settings = load(Settings)
    assert (settings.session_hours, settings.root_path, settings.log_level) == (168, "", "info")
    assert settings.web_link_token.get_secret_value() == ""


@pytest.mark.parametrize(("given", "meant"), [("", ""), ("/", ""), (" /chat/ ", "/chat"), ("/a/b", "/a/b")])
def test_root_path(monkeypatch: pytest.MonkeyPatch, given: str, meant: str) -> None:
    monkeypatch.setenv("ROOT_PATH", given)
    assert load(Settings).root_path == meant


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("WEB_PASSWORD", None),
        ("WEB_PASSWORD", ""),
        ("WEB_PASSWORD", "s3cret"),
        ("WEB_LINK_TOKEN", "s3cret"),
        ("SESSION_SECRET", None),
        ("SESSION_SECRET", "s3cret"),
        ("SESSION_HOURS", "0"),
        ("SESSION_HOURS", "s3cret"),
        ("ROOT_PATH", "s3cret"),
        ("ROOT_PATH", "/s3cret?x"),
        ("ROOT_PATH", "//s3cret"),
        ("MAX_BODY", "1"),
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
