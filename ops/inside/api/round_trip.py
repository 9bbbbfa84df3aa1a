"""One message through all three tiers, in a thread of its own that is deleted again.

The verification runs this in the container of the interface.
"""

import json
import os
import sys
from http.client import HTTPConnection, HTTPException
from typing import Any

QUESTION = "This is a test. Please answer with one word."
PATIENCE = 150.0  # seconds for one request; the agent may take as long for an answer
# What the agent says when it serves, and others or what it asks keep it from this answer.
HINDERED = ("too much to do", "the agent needs did not answer")
# Who shows it from in here is counted by itself: the rate of no caller is used up, and none that is keeps this out.
TOKEN = os.environ["AGENT_TOKEN"]


def call(method: str, path: str, body: dict[str, str] | None = None, key: str = TOKEN) -> tuple[int, dict[str, Any]]:
    """Send one request to the interface and return status and answer."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection = HTTPConnection("127.0.0.1", 8080, timeout=PATIENCE)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or "{}")
    finally:
        connection.close()


def expect(status: int, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    """Send a request that must have this status, or end with what came instead."""
    got, answer = call(method, path, body)
    if got != status:
        detail = answer.get("detail", "")
        print(f"{method} {path}: {got} {detail}")
        sys.exit(0 if any(words in detail for words in HINDERED) else 1)
    return answer


def check_key() -> None:
    """End with what is wrong where the first key does not get in. One whose rate is used up does."""
    key = os.environ["API_KEYS"].split(",")[0].partition(":")[2].strip()
    status, answer = call("GET", "/v1/threads?limit=1", key=key)
    if status not in {200, 429}:
        sys.exit(f"GET /v1/threads: {status} {answer.get('detail', '')}")


def main() -> None:
    """Make a thread, talk, read back what was stored, delete it."""
    thread = f"/v1/threads/{expect(201, 'POST', '/v1/threads', {})['thread_id']}"
    try:
        reply = expect(200, "POST", f"{thread}/messages", {"message": QUESTION})["reply"]
        stored = expect(200, "GET", f"{thread}/messages")["data"]
        found = [(message["role"], message["content"]) for message in stored if message["role"] != "tool"]
        if not reply or found != [("user", QUESTION), ("assistant", reply)]:
            sys.exit(f"{thread}: what was stored is not what was said")
    finally:
        expect(204, "DELETE", thread)
    expect(404, "GET", f"{thread}/messages")
    check_key()


if __name__ == "__main__":
    try:
        main()
    except (OSError, HTTPException, ValueError) as error:
        sys.exit(f"the interface did not answer: {error!r}")
