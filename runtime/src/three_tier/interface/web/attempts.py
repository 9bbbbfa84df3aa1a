"""Failed attempts to sign in, counted for each network by itself.

There is no budget that all networks share: strangers could use it up, and the owner would be locked out. None is needed
for the processor either, since to compare a password takes microseconds.

Many networks together are bounded by what each may do: five attempts at once, then ever fewer, at last one an hour. A
thousand of them try 24,000 passwords a day, so a password must be none that is among the first millions of a list.
"""

import time
from collections import OrderedDict
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

FREE = 5  # failures before the first wait
FIRST_WAIT = 60.0  # seconds; each further failure doubles it
LONGEST_WAIT = 3600.0  # seconds
MEMORY = 86_400.0  # seconds without a failure until a network is forgotten
MOST = 20_000  # networks that are remembered; whoever has more is bounded by the server's speed alone


class Failures(NamedTuple):
    """Those of one network."""

    times: int
    last: float  # on the monotonic clock


class Attempts:
    """Knows who failed to sign in and how long they have to wait. The counts are this process's own."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, Failures] = OrderedDict()  # those that failed longest ago first

    def wait(self, host: str) -> float:
        """How many seconds a host has to wait before its next attempt counts; 0 where it need not."""
        failures = self._failures.get(network_of(host))
        if failures is None or failures.times < FREE:
            return 0.0
        doublings = min(failures.times - FREE, 10)  # far more than it takes
        wait = min(FIRST_WAIT * 2.0**doublings, LONGEST_WAIT)
        return max(0.0, failures.last + wait - time.monotonic())

    def fail(self, host: str) -> None:
        """Count a failure."""
        network, now = network_of(host), time.monotonic()
        self._forget_old(now)
        failures = self._failures.pop(network, Failures(0, now))
        if len(self._failures) == MOST:
            self._failures.popitem(last=False)
        self._failures[network] = Failures(failures.times + 1, now)

    def forget(self, host: str) -> None:
        """Let a host that signed in begin anew."""
        self._failures.pop(network_of(host), None)

    def _forget_old(self, now: float) -> None:
        while self._failures and next(iter(self._failures.values())).last + MEMORY <= now:
            self._failures.popitem(last=False)


def network_of(host: str) -> str:
    """What a host counts as: an IPv4 address, also one that is written as IPv6, or the /64 of which a site has one.

    All that is no address counts as one.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address) >> 64 << 64, 64)))
