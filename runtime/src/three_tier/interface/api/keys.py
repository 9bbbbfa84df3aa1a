"""API keys: who may call, and who is calling."""

import hashlib
import hmac
import re

from three_tier.interface.base_settings import SHORTEST_SECRET, header_safe

NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class ApiKeys:
    """The names that may call, each with one key or more.

    A name is an owner of threads. Two keys of one name are one owner: that is how a key is replaced without a moment
    in which none works.

    Args:
        text: `name:key,name:key`.

    Raises:
        ValueError: The text reads otherwise, or a key is too short. The message quotes nothing of it.
    """

    def __init__(self, text: str) -> None:
        self._names: dict[bytes, str] = {}
        for position, entry in enumerate(text.split(","), 1):
            name, _, key = entry.strip().partition(":")
            if not NAME.fullmatch(name) or not header_safe(key):
                raise ValueError(f"must read name:key,name:key without spaces, and entry {position} does not")
            if len(key) < SHORTEST_SECRET:
                raise ValueError(f"has a key shorter than {SHORTEST_SECRET} characters in entry {position}")
            if self._names.setdefault(_digest(key), name) != name:
                raise ValueError(f"gives the key of entry {position} to two names")

    def name_of(self, presented: str) -> str | None:
        """The name that a key belongs to. How long the answer takes tells nothing about the keys."""
        digest = _digest(presented)
        found = None
        for known, name in self._names.items():
            if hmac.compare_digest(known, digest):
                found = name
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
