"""Where the agent is: its name may stand for several addresses, one for each replica."""

import asyncio
import socket
import time

from yarl import URL

LOOK_UP_EVERY = 1.0  # seconds; replicas come and go
AVOID = 5.0  # seconds that a replica is left out after a connection to it failed


class Replicas:
    """Takes the addresses behind a URL in turn, so that every replica gets its share of the calls.

    Args:
        url: Where the agent is, with a name or an address as its host.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._addresses: list[str] = []
        self._avoided: dict[str, float] = {}
        self._look_up_at = 0.0
        self._turn = 0

    async def next(self) -> str:
        """The URL of the replica whose turn it is. Raises OSError where the name has no address at all."""
        now = time.monotonic()
        if now >= self._look_up_at or not self._addresses:
            self._look_up_at = now + LOOK_UP_EVERY  # calls that come meanwhile take the addresses that are known
            await self._look_up()
        candidates = self._usable() or self._addresses
        self._turn += 1
        return str(self._url.with_host(candidates[self._turn % len(candidates)]))

    def avoid(self, url: str) -> bool:
        """Leave a replica out for a while; whether there are others to take its place."""
        self._avoided[str(URL(url).host)] = time.monotonic() + AVOID
        return bool(self._usable())

    def trust(self, url: str) -> None:
        """Leave a replica out no longer: it has answered."""
        self._avoided.pop(str(URL(url).host), None)

    def _usable(self) -> list[str]:
        now = time.monotonic()
        return [address for address in self._addresses if self._avoided.get(address, 0) < now]

    async def _look_up(self) -> None:
        try:
            addresses = await addresses_of(str(self._url.host))
        except OSError:
            if not self._addresses:
                raise
            return
        self._addresses = addresses
        self._avoided = {address: end for address, end in self._avoided.items() if address in addresses}


async def addresses_of(host: str) -> list[str]:
    """The addresses of a host, each once and in a fixed order."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return sorted({str(address[0]) for *_, address in found})
