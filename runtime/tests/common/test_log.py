"""What the log keeps of an exception."""

import ast
import logging
from pathlib import Path

import pytest

from three_tier.common import log


def fail() -> None:
    """Raise an exception with a cause, both of which quote somebody."""
    try:
        int("my secret")
    except ValueError as error:
        raise RuntimeError("my secret again") from error


@pytest.mark.parametrize("whole", [False, True])
def test_types_and_places_but_no_text(*, whole: bool) -> None:
    with pytest.raises(RuntimeError) as caught:
        fail()
    exc_info = caught._excinfo if whole else caught.value
    event = log._where(logging.getLogger(), "error", {"event": "failed", "exc_info": exc_info})
    assert event["event"] == "failed"
    outer, inner = event["exception"].split(" < ")
    assert outer.startswith("RuntimeError at ")
    assert inner.startswith("ValueError at ")
    assert "test_log.py:" in inner
    assert "secret" not in str(event)


def test_events_without_an_exception_stay_as_they_are() -> None:
    assert log._where(logging.getLogger(), "info", {"event": "fine"}) == {"event": "fine"}


def described(error: BaseException) -> list[str]:
    """The names of the exceptions that the log shows for one."""
    event = log._where(logging.getLogger(), "error", {"exc_info": error})
    return [part.partition(" ")[0] for part in event["exception"].split(" < ")]


def test_causes_in_a_circle_have_an_end() -> None:
    outer, inner = RuntimeError(), ValueError()
    outer.__cause__, inner.__cause__ = inner, outer
    assert described(outer) == ["RuntimeError", "ValueError"]
    outer.__cause__ = outer
    assert described(outer) == ["RuntimeError"]
    assert described(ExceptionGroup("", [outer, outer])) == ["ExceptionGroup", "RuntimeError"]


def test_a_long_chain_is_cut() -> None:
    error = ValueError()
    for _ in range(1000):
        later = ValueError()
        later.__context__ = error
        error = later
    assert described(error) == ["ValueError"] * log.MOST_EXCEPTIONS


def test_the_line_of_this_code_is_named_however_deep_a_library_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "OURS", str(Path(__file__).parent))
    with pytest.raises(ValueError, match="malformed") as caught:
        ast.literal_eval("[" * 20 + "unknown" + "]" * 20)
    event = log._where(logging.getLogger(), "error", {"exc_info": caught.value})
    here, *library = event["exception"].removeprefix("ValueError at ").split(", ")
    assert here.startswith(__file__)
    assert len(library) == log.MOST_FRAMES
    assert all(place.startswith(f"{ast.__file__}:") for place in library)


def test_a_group_shows_what_is_in_it_and_what_caused_it() -> None:
    group = ExceptionGroup("two", [KeyError("a"), ExceptionGroup("more", [TypeError()])])
    group.__cause__ = OSError()
    assert described(group) == ["ExceptionGroup", "KeyError", "ExceptionGroup", "OSError", "TypeError"]


def test_an_exception_that_cannot_be_shown_is_named() -> None:
    class Unshowable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

        __repr__ = __str__

    assert described(Unshowable()) == ["Unshowable"]
