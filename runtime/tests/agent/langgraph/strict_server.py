"""A model's server for tests, as strict as the strictest: it refuses what any chat template or provider refuses."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, override

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


@dataclass
class Says:
    """One answer of the model, or of its server."""

    pieces: tuple[str, ...] = ()  # the text, in the pieces in which it streams
    calls: tuple[tuple[str, str], ...] = ()  # names of tools, and arguments as JSON
    finish: str = "stop"
    more: dict[str, str] = field(default_factory=dict)  # fields beside the text: reasoning_content, refusal
    status: int = 200
    error: str = ""
    code: str | None = None

    def body(self) -> dict[str, Any]:
        """The answer as a whole."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self.pieces) or None, **self.more}
        if self.calls:
            message["tool_calls"] = self._calls()
        choice = {"index": 0, "finish_reason": self.finish, "message": message}
        return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}

    def chunks(self, *, usage: bool) -> Iterator[dict[str, Any]]:
        """The answer piece by piece."""
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{name: value} for name, value in self.more.items()]
        deltas += [{"content": piece} for piece in self.pieces]
        deltas += [{"tool_calls": [{**call, "index": index}]} for index, call in enumerate(self._calls())]
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        for delta in deltas:
            yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": self.finish}]}
        if usage:
            yield {**head, "choices": [], "usage": USAGE}

    def _calls(self) -> list[dict[str, Any]]:
        return [
            {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for n, (name, arguments) in enumerate(self.calls)
        ]


class StrictServer(ThreadingHTTPServer):
    """Answers with what it is told to say, one after the other, and then with what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Says] = []
        self.requests: list[dict[str, Any]] = []
        self.longest: int | None = None  # characters that the model can read
        self.overflow = Says(status=400, error="This model's maximum context length is 100 tokens.")
        self.unheard = ""  # what its filter lets nobody say
        self.knows_stream_options = True
        self.knows_tools = True

    @property
    def url(self) -> str:
        """What LLM_BASE_URL would say."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def heard(self) -> list[tuple[str, str]]:
        """Who said what in the newest request."""
        return [(message["role"], message["content"]) for message in self.requests[-1]["messages"]]

    def answer(self, request: dict[str, Any]) -> Says:
        """What comes next."""
        self.requests.append(request)
        messages = request["messages"]
        options = wrong_options(request, tools=self.knows_tools, stream_options=self.knows_stream_options)
        if complaint := options or wrong_order(messages) or wrong_calls(messages):
            return Says(status=400, error=complaint)
        if self.longest and sum(len(message["content"] or "") for message in messages) > self.longest:
            return self.overflow
        if self.unheard and any(self.unheard in (message["content"] or "") for message in messages):
            return Says(status=400, error="The prompt triggered the content management policy.", code="content_filter")
        return self.answers.pop(0) if self.answers else Says((f"You said {messages[-1]['content']}",))


def wrong_options(request: dict[str, Any], *, tools: bool, stream_options: bool) -> str:
    """What a server that cannot do everything says against a request; nothing if it is in order."""
    if not stream_options and "stream_options" in request:
        return "Extra inputs are not permitted: stream_options"
    if request.get("tools") == []:
        return "[] is too short - 'tools'"
    if not tools and "tools" in request:
        return "registry.ollama.ai/library/gemma:2b does not support tools"
    return ""


def wrong_order(messages: list[dict[str, Any]]) -> str:
    """What a strict chat template says against a conversation."""
    if any(not message["content"] and not message.get("tool_calls") for message in messages):
        return "all messages must have non-empty content"
    if any(message["role"] == "system" for message in messages[1:]):
        return "System message must be at the beginning."
    spoken = [message["role"] for message in messages if message["role"] == "user" or _is_reply(message)]
    if spoken != [("user", "assistant")[place % 2] for place in range(len(spoken))]:
        return "Conversation roles must alternate user/assistant/user/assistant/..."
    return ""


def wrong_calls(messages: list[dict[str, Any]]) -> str:
    """What a strict provider says against calls of tools."""
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'"
            waiting.remove(message["tool_call_id"])
        elif waiting or message.get("tool_calls") == []:
            return "tool_call_ids did not have response messages"
        else:
            waiting = [call["id"] for call in message.get("tool_calls", [])]
    return "tool_call_ids did not have response messages" if waiting else ""


def _is_reply(message: dict[str, Any]) -> bool:
    return message["role"] == "assistant" and not message.get("tool_calls")


class _Handler(BaseHTTPRequestHandler):
    server: StrictServer

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        says = self.server.answer(request)
        if says.status != 200:
            self._send(says.status, json.dumps({"error": {"message": says.error, "code": says.code}}))
        elif request.get("stream"):
            usage = "stream_options" in request
            frames = [f"data: {json.dumps(chunk)}\n\n" for chunk in says.chunks(usage=usage)]
            self._send(200, "".join([*frames, "data: [DONE]\n\n"]), "text/event-stream")
        else:
            self._send(200, json.dumps(says.body()))

    def _send(self, status: int, body: str, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    @override
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running() -> Iterator[StrictServer]:
    """The server, until the context ends."""
    with StrictServer() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
