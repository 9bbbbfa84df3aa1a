"""What the agent's container says of itself, as JSON. The verification runs this in it."""

import json
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

PATIENCE = 15  # seconds


def health() -> str:
    """Nothing where the agent is healthy, and otherwise what it says."""
    connection = HTTPConnection("127.0.0.1", 8000, timeout=PATIENCE)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        said = answer.read().decode()
    except (OSError, HTTPException) as error:
        return f"it does not answer: {error!r}"
    finally:
        connection.close()
    return "" if answer.status == HTTPStatus.OK else f"it says {answer.status} {said}"


if __name__ == "__main__":
    print(json.dumps({"health": health(), "time": time.time()}))
