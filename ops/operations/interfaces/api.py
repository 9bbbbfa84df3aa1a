"""An API."""

from typing import ClassVar

from operations.compose import Compose, Service
from operations.contracts import address_of
from operations.settings import random_secret


class Api:
    """The interface that programs call."""

    keys: ClassVar[tuple[str, ...]] = ("API_KEYS",)
    round_trip: ClassVar[str] = "api/round_trip.py"

    def check_settings(self, compose: Compose) -> None:
        """Ask for nothing: every setting has a default or is generated."""

    def new_secrets(self, compose: Compose) -> dict[str, str]:
        """Give each name a new key. The one that it used last stays valid until the next time, for its clients."""
        last: dict[str, str] = {}
        for entry in compose.value("API_KEYS").replace(" ", ",").split(","):
            if entry:
                last.setdefault(entry.partition(":")[0], entry)
        new = [f"{name}:{random_secret()}" for name in last]
        return {"API_KEYS": ",".join([*new, *last.values()])}

    def how_to_talk(self, compose: Compose, service: Service) -> str:
        """A call, and where the API is described."""
        address = address_of(service)
        key = f"sed -n \"s/^API_KEYS=[^:]*:\\([^,']*\\).*/\\1/p\" '{compose.env_file}'"
        name = service.environment["AGENT_NAME"]
        return f"""Talk to it:

  key=$({key})
  curl -sS http://{address}/v1/chat/completions \\
    -H "Authorization: Bearer ${{key}}" -H 'Content-Type: application/json' \\
    -d '{{"model": "{name}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

The API in a browser: http://{address}/docs"""
