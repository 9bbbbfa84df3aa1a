"""One message through all three tiers, as a browser sends it, in a conversation that is deleted again.

The verification runs this in the container of the interface.
"""

import json
import os
import sys
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import NoReturn

QUESTION = "This is a test. Please answer with one word."
PATIENCE = 150.0  # seconds for one request; the agent may take as long for an answer
# What the agent says when it serves, and others or what it asks keep it from this answer; and the sign-in, which
# counts failures from here like those of others.
HINDERED = ("too much to do", "the agent needs did not answer", "Too many attempts to sign in")


class Visitor:
    """Somebody who is signed in, or not yet."""

    def __init__(self) -> None:
        self.headers = {"Content-Type": "application/json"}

    def expect(self, status: int, method: str, path: str, body: dict[str, str] | None = None) -> str:
        """Send a request that must have this status, or end with what came instead; the answer's text."""
        connection = HTTPConnection("127.0.0.1", 8080, timeout=PATIENCE)
        try:
            connection.request(method, path, json.dumps(body) if body else None, self.headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status != status:
            end(f"{method} {path}: {answer.status} {text}")
        self._keep_cookie(answer)
        return text

    def _keep_cookie(self, answer: HTTPResponse) -> None:
        if cookie := answer.headers.get("Set-Cookie"):
            self.headers["Cookie"] = cookie.partition(";")[0]


def end(said: str) -> NoReturn:
    """End with what came instead of what should."""
    print(said)
    sys.exit(0 if any(words in said for words in HINDERED) else 1)


def reply_in(stream: str) -> str:
    """The whole reply at the end of a stream of events."""
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    for event in events:
        if event["type"] == "error":
            end(f"the reply broke off: {event['status']} {event['detail']}")
    return str(events[-1].get("content", ""))


def main() -> None:
    """Sign in, begin a conversation, talk, read back what was stored, delete it, sign out."""
    visitor = Visitor()
    visitor.expect(401, "GET", "/threads")
    visitor.expect(204, "POST", "/session", {"password": os.environ["WEB_PASSWORD"]})
    thread = f"/threads/{json.loads(visitor.expect(201, 'POST', '/threads', {'title': 'Test'}))['thread_id']}"
    try:
        reply = reply_in(visitor.expect(200, "POST", f"{thread}/messages", {"message": QUESTION}))
        stored = json.loads(visitor.expect(200, "GET", f"{thread}/messages"))["data"]
        found = [(message["role"], message["content"]) for message in stored if message["role"] != "tool"]
        if not reply or found != [("user", QUESTION), ("assistant", reply)]:
            sys.exit("what was stored is not what was said")
    finally:
        visitor.expect(204, "DELETE", thread)
    visitor.expect(404, "GET", f"{thread}/messages")
    signed_in = dict(visitor.headers)
    visitor.expect(204, "DELETE", "/session")
    visitor.headers = signed_in
    visitor.expect(401, "GET", "/threads")  # the cookie that was taken back counts no more


if __name__ == "__main__":
    try:
        main()
    except (OSError, HTTPException, ValueError) as error:
        sys.exit(f"the interface did not answer: {error!r}")
