"""Sessions: who knows the password gets a cookie, signed and with an end. Nothing is stored."""

import hashlib
import hmac

from itsdangerous import BadSignature, SignatureExpired, TimestampSigner
from starlette.requests import Request
from starlette.responses import Response

from settings import Settings

OWNER = "web:owner"


class NoSession(Exception):
    """The request carries no session that counts. Its text says so to a person."""


class Sessions:
    """Opens, checks and ends sessions. A new password, link token or secret ends all of them."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.session_secret.get_secret_value()
        entries = (settings.web_password.get_secret_value(), settings.web_link_token.get_secret_value())
        self._known = [_digest(entry) for entry in entries if entry]
        self._signer = TimestampSigner(
            secret,
            salt=b"".join(self._known),
            key_derivation="hmac",
            digest_method=hashlib.sha256,
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
        origin = request.headers.get("Origin", "")
        response.set_cookie(
            self.cookie,
            self._signer.sign(OWNER).decode(),
            max_age=self._seconds,
            path=None,
            secure=origin.startswith("https:") or request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )

    def close(self, response: Response) -> None:
        """Take the cookie back."""
        response.set_cookie(self.cookie, "", max_age=0, path=None, httponly=True, samesite="strict")

    def check(self, request: Request) -> None:
        """Check the session of a request.

        Raises:
            NoSession: There is none, or it has ended.
        """
        cookie = request.cookies.get(self.cookie)
        if not cookie:
            raise NoSession("Sign in first.")
        try:
            self._signer.unsign(cookie, max_age=self._seconds)
        except SignatureExpired as error:
            raise NoSession("Your session has ended. Sign in again.") from error
        except BadSignature as error:
            raise NoSession("Your session is not valid any more. Sign in again.") from error


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
