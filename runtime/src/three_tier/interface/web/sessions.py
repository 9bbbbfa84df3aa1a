"""Sessions: who knows the password gets a cookie, signed and with an end.

Nothing is stored here. Which sessions were signed out before their end, the agent knows: a copied cookie counts no more
then, whichever replica it is shown to.
"""

import hashlib
import hmac
import time
from secrets import token_urlsafe
from typing import NamedTuple

from itsdangerous import BadData, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from three_tier.interface.web.settings import Settings

OWNER = "web:owner"


class NoSession(Exception):
    """The request carries no session that counts. Its text says so to a person."""


class Session(NamedTuple):
    """What the cookie says. Times are milliseconds since 1970."""

    id: str
    opened: int
    ends: int


class Sessions:
    """Opens, reads and takes back the cookies of sessions. A new password, link token or secret ends all of them."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.session_secret.get_secret_value()
        entries = (settings.web_password.get_secret_value(), settings.web_link_token.get_secret_value())
        self._known = [_digest(entry) for entry in entries if entry]
        self._serializer = URLSafeSerializer(
            secret,
            salt=b"".join(self._known),
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )
        self._seconds = int(settings.session_hours * 3600)
        # Cookies know no ports: two agents on one host must not end each other's sessions.
        self.cookie = f"session-{hashlib.sha256(secret.encode()).hexdigest()[:8]}"

    def accepts(self, presented: str) -> bool:
        """Whether it is the password or the link token. How long the answer takes tells nothing about them."""
        digest = _digest(presented)
        matches = [hmac.compare_digest(known, digest) for known in self._known]
        return any(matches)

    def open(self, request: Request, response: Response) -> None:
        """Send the cookie of a new session.

        Without a path of its own it belongs to the folder that the browser sees, whatever a proxy made of it.
        """
        opened = now()
        session = Session(token_urlsafe(16), opened, opened + self._seconds * 1000)
        origin = request.headers.get("Origin", "")
        response.set_cookie(
            self.cookie,
            self._serializer.dumps(session),
            max_age=self._seconds,
            path=None,
            secure=origin.startswith("https:") or request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )

    def close(self, response: Response) -> None:
        """Take the cookie back."""
        response.set_cookie(self.cookie, "", max_age=0, path=None, httponly=True, samesite="strict")

    def read(self, request: Request) -> Session:
        """The session of a request, as its cookie says.

        Raises:
            NoSession: There is none, or it has ended by itself.
        """
        cookie = request.cookies.get(self.cookie)
        if not cookie:
            raise NoSession("Sign in first.")
        try:
            session = Session(*self._serializer.loads(cookie))
        except BadData as error:
            raise NoSession("Your session is not valid any more. Sign in again.") from error
        if now() >= min(session.ends, session.opened + self._seconds * 1000):  # SESSION_HOURS may be fewer now
            raise NoSession("Your session has ended. Sign in again.")
        return session


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
