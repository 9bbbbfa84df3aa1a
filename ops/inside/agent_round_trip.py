"""One message to the agent and back, in a thread of its own that is deleted again.

The deployment runs this in the container of a new agent before it takes the place of the one that serves.
"""

import json
import os
import sys
from http.client import HTTPConnection, HTTPException
from typing import Any

OWNER = "ops-deploy"
QUESTION = "This is a test. Please answer with one word."
PATIENCE = 150.0  # seconds for one request; the agent may take as long for an answer
# What it says when it serves, and others or what it asks keep it from this answer.
HINDERED = ("too much to do", "the agent needs did not answer")


def expect(status: int, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    """Send a request that must have this status, or end with what came instead; its answer."""
    headers = {
        "Authorization": f"Bearer {os.environ['AGENT_TOKEN']}",
        "X-Thread-Owner": OWNER,
        "Content-Type": "application/json",
    }
    connection = HTTPConnection("127.0.0.1", 8000, timeout=PATIENCE)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        content: dict[str, Any] = json.loads(answer.read() or "{}")
    finally:
        connection.close()
    if answer.status != status:
        detail = content.get("detail", "")
        print(f"{method} {path}: {answer.status} {detail}")
        sys.exit(0 if any(words in detail for words in HINDERED) else 1)
    return content


def main() -> None:
    """Make a thread, ask, read back what was stored, delete it."""
    thread = expect(201, "POST", "/threads", {})["thread_id"]
    try:
        reply = expect(200, "POST", "/invoke", {"message": QUESTION, "thread_id": thread})["reply"]
        stored = expect(200, "GET", f"/threads/{thread}/messages")["data"]
        found = [(message["role"], message["content"]) for message in stored if message["role"] != "tool"]
        if not reply.strip():
            sys.exit("its reply is empty")
        if found != [("user", QUESTION), ("assistant", reply)]:
            sys.exit("what was stored is not what was said")
    finally:
        expect(204, "DELETE", f"/threads/{thread}")


if __name__ == "__main__":
    try:
        main()
    except (OSError, HTTPException, ValueError) as error:
        sys.exit(f"the agent did not answer: {error!r}")
