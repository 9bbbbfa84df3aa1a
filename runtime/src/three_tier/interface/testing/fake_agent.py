"""An agent for tests: an HTTP server that speaks the agent's contract and repeats each message."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, Self

from aiohttp import web

TOKEN = token_hex()
USAGE = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}


@dataclass
class FakeAgent:
    """Runs while entered as a context; its attributes say what it saw and what it should get wrong."""

    port: int = 0  # 0: any that is free
    host: str = "127.0.0.1"
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    threads: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    made: dict[tuple[str, str], str] = field(default_factory=dict)  # ids of threads by the keys that made them
    replies: dict[tuple[str, str], str] = field(default_factory=dict)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    working: asyncio.Event = field(default_factory=asyncio.Event)
    hang: bool = False  # never answers a message
    slow: float = 0  # seconds that it thinks
    drop: int = 0  # so many requests lose their connection
    lose: int = 0  # so many answers are lost, after what was asked has been done
    break_after: int | None = None  # streams break after so many events
    refuse: tuple[int, str, dict[str, str]] | None = None  # status, detail and headers of every answer
    finish: str = "stop"  # how its replies end
    page: str = ""  # what it sends instead of answers
    script: dict[str, str] = field(default_factory=dict)  # what it replies to some messages; it repeats all others

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}"

    @property
    def heard(self) -> list[str]:
        """The messages that it was asked, in order."""
        return [body["message"] for body in self.bodies if "message" in body]

    @property
    def keys(self) -> list[str]:
        """The idempotency keys it was sent, in order."""
        return [request.headers["Idempotency-Key"] for request in self.requests if request.method == "POST"]

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port each time."""
        app = web.Application(middlewares=[self.watch])
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    def routes(self) -> list[web.RouteDef]:
        """What it answers."""
        return [
            web.get("/info", self.info),
            web.post("/threads", self.create),
            web.get("/threads", self.list_threads),
            web.patch("/threads", self.move),
            web.post("/messages", self.keep),
            web.patch("/threads/{id}", self.rename),
            web.delete("/threads/{id}", self.delete),
            web.get("/threads/{id}/messages", self.messages),
            web.post("/invoke", self.invoke),
            web.post("/stream", self.stream),
        ]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        await self._runner.cleanup()

    @web.middleware
    async def watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Note the request, and refuse or drop it when told to."""
        if request.path == "/info":
            return await self.admit(request, handler)
        self.requests.append(request)
        if self.drop:
            self.drop -= 1
            _hang_up(request)
            return web.Response()
        if self.page:
            return web.Response(text=self.page, content_type="text/html")
        return await self.admit(request, handler)

    async def admit(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Check the token and the owner."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _problem(401, "Send the agent's token.")
        if not request.headers.get("X-Thread-Owner"):
            return _problem(400, "Send the owner of the thread.")
        if self.refuse:
            status, detail, headers = self.refuse
            return _problem(status, detail, headers)
        answer: web.StreamResponse = await handler(request)
        if self.lose and request.path != "/info":
            self.lose -= 1
            _hang_up(request)
        return answer

    async def info(self, _: web.Request) -> web.Response:
        """Tell what it is."""
        return web.json_response({"name": "parrot", "version": "1", "engine": "offline", "offline": True})

    async def create(self, request: web.Request) -> web.Response:
        """Make a thread."""
        body = await request.json()
        self.bodies.append(body)
        key = (_owner(request), request.headers["Idempotency-Key"])
        thread_id = self.made.setdefault(key, f"t{len(self.made) + 1}")
        if (_owner(request), thread_id) in self.threads:
            return web.json_response({"thread_id": thread_id}, status=201)
        now = datetime.now(UTC).isoformat()
        thread = {"thread_id": thread_id, "title": body.get("title"), "created_at": now, "updated_at": now}
        self.threads[_owner(request), thread_id] = {**thread, "messages": []}
        return web.json_response({"thread_id": thread_id}, status=201)

    async def list_threads(self, request: web.Request) -> web.Response:
        """One page of the owner's threads."""
        mine = [thread for (owner, _), thread in reversed(self.threads.items()) if owner == _owner(request)]
        names = [thread["thread_id"] for thread in mine]
        start = names.index(request.query["before"]) + 1 if "before" in request.query else 0
        return _page(mine[start:], int(request.query["limit"]))

    async def move(self, request: web.Request) -> web.Response:
        """Give all threads of an owner to another one."""
        to = (await request.json())["owner"]
        places = list(self.threads)
        self.threads = {
            (to if owner == _owner(request) else owner, thread_id): self.threads[owner, thread_id]
            for owner, thread_id in places
        }
        return web.Response(status=204)

    async def keep(self, request: web.Request) -> web.Response:
        """Store a message without an answer, once a key."""
        thread_id = f"kept-{request.headers['Idempotency-Key']}"
        now = datetime.now(UTC).isoformat()
        message = {"id": 1, "role": "user", "content": (await request.json())["message"], "created_at": now}
        thread = {"thread_id": thread_id, "title": None, "created_at": now, "updated_at": now, "messages": [message]}
        self.threads.setdefault((_owner(request), thread_id), thread)
        return web.json_response({"thread_id": thread_id}, status=201)

    async def rename(self, request: web.Request) -> web.Response:
        """Give a thread another title."""
        if thread := self.threads.get((_owner(request), request.match_info["id"])):
            thread["title"] = (await request.json())["title"]
            return web.Response(status=204)
        return _problem(404, "There is no such thread.")

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a thread."""
        if self.threads.pop((_owner(request), request.match_info["id"]), None):
            return web.Response(status=204)
        return _problem(404, "There is no such thread.")

    async def messages(self, request: web.Request) -> web.Response:
        """One page of a thread's messages."""
        thread = self.threads.get((_owner(request), request.match_info["id"]))
        if thread is None:
            return _problem(404, "There is no such thread.")
        before = int(request.query.get("before", 2**31))
        found = [message for message in reversed(thread["messages"]) if message["id"] < before]
        return _page(found, int(request.query["limit"]), newest_last=True)

    async def invoke(self, request: web.Request) -> web.Response:
        """Answer a message at once."""
        body = await request.json()
        if (thread_id := self.thread(request, body)) is None and "history" not in body:
            return _problem(404, "There is no such thread.")
        if "\0" in body["message"]:
            return _invalid()
        await self.work()
        reply = {"reply": self.reply(request, body), "finish_reason": self.finish, "usage": USAGE}
        return web.json_response({"thread_id": thread_id, **reply})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Answer a message word by word."""
        body = await request.json()
        if (thread_id := self.thread(request, body)) is None and "history" not in body:
            return _problem(404, "There is no such thread.")
        if "\0" in body["message"]:
            return _invalid()
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        reply = self.reply(request, body)
        events: list[dict[str, Any]] = [{"type": "metadata", "thread_id": thread_id}]
        events += [{"type": "token", "text": word} for word in reply.split(" ")]
        events += [{"type": "message", "content": reply, "finish_reason": self.finish, "usage": USAGE}]
        for number, event in enumerate(events):
            if number == self.break_after:
                self.break_after = None
                await asyncio.sleep(0.1)  # until what was sent has been read
                _hang_up(request)
                return answer
            await answer.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            if number == 1:
                await answer.write(b": ping\n\n")
                await self.work()
        await answer.write(b"data: [DONE]\n\n")
        return answer

    async def work(self) -> None:
        """Think, for ever when told to; notes when the caller goes away meanwhile."""
        self.working.set()
        try:
            await asyncio.sleep(60 if self.hang else self.slow)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def thread(self, request: web.Request, body: dict[str, Any]) -> str | None:
        """The id of the thread that a message is for, if the owner has it."""
        self.bodies.append(body)
        thread_id: str | None = body.get("thread_id")
        return thread_id if (_owner(request), thread_id) in self.threads else None

    def reply(self, request: web.Request, body: dict[str, Any]) -> str:
        """Say it again, once a key."""
        key = (_owner(request), request.headers["Idempotency-Key"])
        if key not in self.replies:
            self.replies[key] = self.script.get(body["message"], f"{len(self.replies) + 1} {body['message']}")
            self.remember(request, body, self.replies[key])
        return self.replies[key]

    def remember(self, request: web.Request, body: dict[str, Any], reply: str) -> None:
        """Append question and answer to the thread."""
        thread = self.threads.get((_owner(request), body.get("thread_id", "")))
        if thread is None:
            return
        for role, content, finish in (("user", body["message"], "stop"), ("assistant", reply, self.finish)):
            message = {"id": len(thread["messages"]) + 1, "role": role, "content": content, "finish_reason": finish}
            thread["messages"].append({**message, "created_at": datetime.now(UTC).isoformat()})


def _owner(request: web.Request) -> str:
    return request.headers["X-Thread-Owner"]


def _hang_up(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()


def _page(found: list[dict[str, Any]], limit: int, *, newest_last: bool = False) -> web.Response:
    data = found[:limit]
    return web.json_response({"data": data[::-1] if newest_last else data, "has_more": len(found) > limit})


def _invalid() -> web.Response:
    errors = [{"field": "body.message", "message": "Value error, must not contain NUL"}]
    return _problem(422, "The request is not valid.", errors=errors)


def _problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> web.Response:
    body = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail, **more}
    return web.json_response(body, status=status, headers=headers, content_type="application/problem+json")
