"""What the interface's container says of itself, as JSON. The verification runs this in it.

The arguments are addresses, ADDRESS:PORT, that must be out of its reach.
"""

import json
import socket
import ssl
import sys
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

PATIENCE = 15  # seconds


def health() -> str:
    """Nothing where it is connected to the agent, and otherwise what it says."""
    try:
        with urlopen("http://127.0.0.1:8080/health", timeout=PATIENCE) as answer:
            agent = json.load(answer)["agent"]
    except HTTPError as refusal:
        return f"it says {refusal.code} {refusal.read().decode()}"
    except (OSError, HTTPException, ValueError) as error:
        return f"it does not answer: {error!r}"
    return "" if agent == "ok" else f"to it, the agent is {agent}"


def knows_authorities() -> bool:
    """Whether it has the certificates by which it knows those that it calls."""
    places = ssl.get_default_verify_paths()
    return bool(places.cafile or (places.capath and any(Path(places.capath).iterdir())))


def reaches(place: str) -> bool:
    """Whether something answers there."""
    address, _, port = place.rpartition(":")
    try:
        socket.create_connection((address, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    found = {
        "health": health(),
        "authorities": knows_authorities(),
        "reaches": [place for place in sys.argv[1:] if reaches(place)],
    }
    print(json.dumps(found))
