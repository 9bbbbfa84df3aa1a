"""A Bot API server for tests: it keeps updates until they are confirmed, and fails on request."""

import asyncio
import json
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from secrets import token_hex
from typing import Any, Self

from aiohttp import web

TOKEN = f"123456789:{token_hex()}"
ME = {"id": 123456789, "is_bot": True, "first_name": "Parrot", "username": "ParrotBot"}
ALICE_ID = 7
ALICE: dict[str, Any] = {
    "id": ALICE_ID,
    "is_bot": False,
    "first_name": "Alice",
    "last_name": "Liddell",
    "username": "alice_l",
}
BOB_ID = 8
BOB: dict[str, Any] = {"id": BOB_ID, "is_bot": False, "first_name": "Bob"}
ANONYMOUS: dict[str, Any] = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
GROUP = -100123


@dataclass
class FakeTelegram:
    """Runs while entered as a context; its attributes say what it saw and what it should get wrong."""

    port: int = 0  # 0: any that is free
    updates: dict[int, dict[str, Any]] = field(default_factory=dict)  # not confirmed yet
    chats: dict[int, dict[int, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))  # what they show
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    faults: dict[str, list[int | str]] = field(default_factory=lambda: defaultdict(list))  # statuses, `hang`, `drop`
    reason: str = "Bad Request: no"  # of statuses that say why
    refuse_entities: bool = False
    page: str = ""  # what is there instead of it
    migrated: dict[int, int] = field(default_factory=dict)  # groups that have another id now
    flooded: dict[int, int] = field(default_factory=dict)  # seconds for which chats take no message
    token: str = TOKEN
    arrival: asyncio.Event = field(default_factory=asyncio.Event)
    last_update: int = 1000
    last_message: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def say(self, text: str, user: dict[str, Any] = ALICE, chat: int | None = None, **more: Any) -> int:
        """Deliver a message from somebody, private or in a group; the number of its update."""
        self.last_message += 1
        kind = {"id": user["id"], "type": "private"} if chat is None else {"id": chat, "type": "group", "title": "Tea"}
        content = {"text": text} if text else {}
        message = {
            "message_id": self.last_message,
            "date": int(time.time()),
            "from": user,
            "chat": kind,
            **content,
            **more,
        }
        return self.deliver({"message": message})

    def command(self, text: str, user: dict[str, Any] = ALICE, chat: int | None = None, **more: Any) -> int:
        """Deliver a message that begins with a command."""
        entity = {"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}
        return self.say(text, user, chat, entities=[entity], **more)

    def deliver(self, update: dict[str, Any]) -> int:
        """Deliver an update of any kind; its number."""
        self.last_update += 1
        self.arrival.set()
        self.updates[self.last_update] = {"update_id": self.last_update, **update}
        return self.last_update

    def texts(self, chat: int = ALICE_ID) -> list[str]:
        """What the bot has written in a chat, as it stands now."""
        return [message["text"] for message in self.chats[chat].values()]

    def counted(self, method: str) -> int:
        """How often a method was called."""
        return sum(name == method for name, _ in self.calls)

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port each time."""
        app = web.Application()
        app.router.add_post("/bot{token}/{method}", self.handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        await self._runner.cleanup()

    async def handle(self, request: web.Request) -> web.Response:
        """Carry out a method, or fail as told."""
        method = request.match_info["method"]
        form = {name: _value(str(value)) for name, value in (await request.post()).items()}
        self.calls.append((method, form))
        if refusal := self.refusal(method, request.match_info["token"], form):
            return refusal
        if self.faults[method]:
            fault = self.faults[method].pop(0)
            if fault == "hang":
                await asyncio.sleep(60)
            if fault == "drop":
                if request.transport:
                    request.transport.abort()
                return web.Response()
            if fault == HTTPStatus.TOO_MANY_REQUESTS:
                return _too_many(1)
            return _error(int(fault), self.reason)
        return await self.perform(method, form)

    def refusal(self, method: str, token: str, form: dict[str, Any]) -> web.Response | None:
        """What there is instead of a result, whenever the method is called."""
        chat = form.get("chat_id", 0)
        if self.page:
            return web.Response(text=self.page)
        if token != self.token:
            return _error(401, "Unauthorized")
        if new := self.migrated.get(chat):
            description = "Bad Request: group chat was upgraded to a supergroup chat"
            return _error(400, description, {"migrate_to_chat_id": new})
        if (wait := self.flooded.get(chat)) and method == "sendMessage":
            return _too_many(wait)
        if self.refuse_entities and form.get("entities"):
            return _error(400, "Bad Request: ENTITY_BOUNDS_INVALID")
        return None

    async def perform(self, method: str, form: dict[str, Any]) -> web.Response:
        """What the Bot API does."""
        match method:
            case "getMe":
                return _ok(ME)
            case "getUpdates":
                return await self.get_updates(form)
            case "sendMessage":
                self.last_message += 1
                return self.show(form, self.last_message)
            case "editMessageText":
                if form["message_id"] not in self.chats[form["chat_id"]]:
                    return _error(400, "Bad Request: message to edit not found")
                return self.show(form, form["message_id"])
            case "deleteMessage":
                del self.chats[form["chat_id"]][form["message_id"]]
        return _ok(data=True)

    async def get_updates(self, form: dict[str, Any]) -> web.Response:
        """The updates that are not confirmed, after those before the offset are."""
        for number in [number for number in self.updates if number < form.get("offset", 0)]:
            del self.updates[number]
        if not self.updates:
            self.arrival.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.arrival.wait(), form.get("timeout", 0))
        return _ok(list(self.updates.values())[: form.get("limit", 100)])

    def show(self, form: dict[str, Any], number: int) -> web.Response:
        """Put a message into its chat."""
        text = str(form["text"])
        if not text.strip() or len(text.encode("utf-16-le")) > 4096 * 2:
            return _error(400, "Bad Request: message is too long")
        self.chats[form["chat_id"]][number] = {"text": text, "entities": form.get("entities", [])}
        chat = {"id": form["chat_id"], "type": "private"}
        return _ok({"message_id": number, "date": int(time.time()), "chat": chat, "text": text})


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _ok(data: Any) -> web.Response:
    return web.json_response({"ok": True, "result": data})


def _too_many(wait: int) -> web.Response:
    return _error(429, f"Too Many Requests: retry after {wait}", {"retry_after": wait})


def _error(status: int, description: str, parameters: dict[str, int] | None = None) -> web.Response:
    body = {"ok": False, "error_code": status, "description": description, "parameters": parameters or {}}
    return web.json_response(body, status=status)
