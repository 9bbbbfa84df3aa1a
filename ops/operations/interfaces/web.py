"""A web page."""

from typing import ClassVar

from operations.compose import Compose, Service
from operations.contracts import address_of
from operations.settings import random_secret


class Web:
    """The interface that people open in a browser."""

    keys: ClassVar[tuple[str, ...]] = ("WEB_PASSWORD", "SESSION_SECRET")
    round_trip: ClassVar[str] = "web/round_trip.py"

    def check_settings(self, compose: Compose) -> None:
        """Ask for nothing: every setting has a default or is generated."""

    def new_secrets(self, compose: Compose) -> dict[str, str]:
        """End all sessions. The password is what people know, so it changes only when they say so."""
        return {"SESSION_SECRET": random_secret()}

    def how_to_talk(self, compose: Compose, service: Service) -> str:
        """Where the page is, and how to read the password."""
        return f"""Talk to it in a browser: http://{address_of(service)}/

The password is WEB_PASSWORD in {compose.env_file}:

  sed -n 's/^WEB_PASSWORD=//p' '{compose.env_file}'"""
