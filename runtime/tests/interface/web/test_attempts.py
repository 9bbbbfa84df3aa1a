"""Failed attempts to sign in: whom they count for, how long they hold him up, and what they cost."""

import time

import pytest

from tests.interface.web.conftest import PASSWORD
from three_tier.interface.web.attempts import FREE, LONGEST_WAIT, MOST, Attempts, network_of
from three_tier.interface.web.sessions import Sessions
from three_tier.interface.web.settings import Settings


class Clock:
    """A monotonic clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The seconds that it shows."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the attempts."""
    found = Clock()
    monkeypatch.setattr("three_tier.interface.web.attempts.time.monotonic", found)
    return found


def fail(attempts: Attempts, host: str, times: int = FREE) -> None:
    for _ in range(times):
        attempts.fail(host)


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("somebody", ""),
        ("192.0.2.1, 192.0.2.2", ""),
    ],
)
def test_networks(host: str, network: str) -> None:
    assert network_of(host) == network


def test_waits_grow(clock: Clock) -> None:
    attempts, waits = Attempts(), []
    fail(attempts, "192.0.2.1", FREE - 1)
    assert attempts.wait("192.0.2.1") == 0
    for _ in range(20):
        attempts.fail("192.0.2.1")
        waits.append(attempts.wait("192.0.2.1"))
        clock.now += waits[-1]
        assert attempts.wait("192.0.2.1") == 0
    assert waits == [60, 120, 240, 480, 960, 1920, *[LONGEST_WAIT] * 14]


def test_a_day_without_a_failure_or_the_right_password_forgives(clock: Clock) -> None:
    attempts = Attempts()
    fail(attempts, "192.0.2.1", 9)
    attempts.forget("192.0.2.1")
    fail(attempts, "192.0.2.1", FREE - 1)
    assert attempts.wait("192.0.2.1") == 0
    fail(attempts, "192.0.2.1", 1)
    assert attempts.wait("192.0.2.1") == 60
    clock.now += 86_400
    fail(attempts, "192.0.2.1", FREE - 1)
    assert attempts.wait("192.0.2.1") == 0


def test_a_site_with_many_addresses_counts_once() -> None:
    attempts = Attempts()
    for number in range(FREE):
        attempts.fail(f"2001:db8::{number:x}")
    assert attempts.wait("2001:db8::ffff") > 0
    assert attempts.wait("2001:db8:0:1::") == 0


def test_the_table_does_not_grow_for_ever(clock: Clock) -> None:
    """Those that failed longest ago are forgotten first, so that a flood frees nobody who has just failed."""
    attempts = Attempts()
    fail(attempts, "192.0.2.1")
    for number in range(MOST - 1):
        attempts.fail(f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1")
    assert attempts.wait("192.0.2.1") > 0
    clock.now += 1
    fail(attempts, "192.0.2.1", 1)
    for number in range(MOST - 1):
        attempts.fail(f"2001:db9:{number >> 16:x}:{number & 0xFFFF:x}::1")
    assert attempts.wait("192.0.2.1") > 0
    assert len(attempts._failures) == MOST


@pytest.mark.anyio
async def test_to_compare_costs_next_to_nothing(web_settings: Settings) -> None:
    """So that a flood of wrong passwords takes no processor, and there need be no limit for all together."""
    sessions = Sessions(web_settings)
    start = time.process_time()
    for _ in range(10_000):
        sessions.accepts(PASSWORD[1:])
    assert time.process_time() - start < 1
