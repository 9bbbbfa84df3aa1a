"""What the agent's container says of itself, as JSON. The verification runs this in it."""

import json
import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

PATIENCE = 15  # seconds


def health() -> str:
    """Nothing where the agent is healthy, and otherwise what it says."""
    try:
        urlopen("http://127.0.0.1:8000/health", timeout=PATIENCE).close()
    except HTTPError as answer:
        return f"it says {answer.code} {answer.read().decode()}"
    except (OSError, HTTPException) as error:
        return f"it does not answer: {error!r}"
    return ""


if __name__ == "__main__":
    print(json.dumps({"health": health(), "time": time.time()}))
