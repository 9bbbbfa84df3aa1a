"""What the log keeps of an exception."""

import logging

import pytest

import log


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
