"""What the interface's container says of itself, as JSON. The verification runs this in it.

The arguments are addresses, ADDRESS:PORT, that must be out of its reach.
"""

import json
import socket
import ssl
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

PATIENCE = 15  # seconds


def health() -> str:
    """Nothing where it is connected to the agent, and otherwise what it says."""
    connection = HTTPConnection("127.0.0.1", 8080, timeout=PATIENCE)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        said = answer.read().decode()
        agent = json.loads(said)["agent"] if answer.status == HTTPStatus.OK else ""
    except (OSError, HTTPException, ValueError) as error:
        return f"it does not answer: {error!r}"
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        return f"it says {answer.status} {said}"
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
