"""The way to a real model: an OpenAI-compatible server, played by a small one of our own."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, override

import pytest
from pydantic import SecretStr

from tests.agent.process import command, environment
from tests.samples import sample
from three_tier.agent.context import Context
from three_tier.agent.contract import LogicFailed, Message
from three_tier.agent.langgraph.model import ModelSettings, OfflineModel, build_model
from three_tier.agent.langgraph.runner import GraphLogic

pytestmark = pytest.mark.anyio

logic = sample("langgraph")
runner = GraphLogic(logic.build_graph(OfflineModel()), ModelSettings())

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2, "b": 3}'}}


class Server(ThreadingHTTPServer):
    """Answers chat completions: calls the tool for a question with "add", and replies to everything else."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.status = 200
        self.says: str | None = None  # whatever is asked
        self.silence = Event()
        self.silence.set()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append(body)
        self.server.keys.append(self.headers["authorization"])
        self.server.silence.wait(10)
        if self.path != "/v1/chat/completions":
            self.reply(404, "{}")
        elif self.server.status != 200:
            self.reply(self.server.status, json.dumps({"error": {"message": "secret", "code": "some_code"}}))
        elif self.server.says is not None and body["messages"][-1]["role"] == "user":
            says = self.server.says
            self.reply(200, f"data: {says}\n\ndata: [DONE]\n\n" if body.get("stream") else says)
        else:
            last = body["messages"][-1]
            wants_tool = last["role"] == "user" and "add" in last["content"]
            text = None if wants_tool else f"You said {last['content']}"
            head = {"id": "c", "created": 1, "model": body["model"]}
            if body.get("stream"):
                self.reply(200, "".join(chunks({**head, "object": "chat.completion.chunk"}, text)), "text/event-stream")
            else:
                self.reply(200, json.dumps({**head, "object": "chat.completion", **whole(text)}))

    def reply(self, status: int, body: str, kind: str = "application/json") -> None:
        with suppress(BrokenPipeError):  # a client that has given up
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body.encode())

    @override
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def whole(text: str | None) -> dict[str, Any]:
    message = {"role": "assistant", "content": text} | ({} if text else {"tool_calls": [CALL]})
    choice = {"index": 0, "finish_reason": "stop" if text else "tool_calls", "message": message}
    return {"choices": [choice], "usage": USAGE}


def chunks(head: dict[str, Any], text: str | None) -> Iterator[str]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if text:
        deltas += [{"content": f"{word} "} for word in text.split()]
    else:
        deltas.append({"tool_calls": [{**CALL, "index": 0}]})
    deltas.append({})
    for delta in deltas:
        choice = {"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}
        yield f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
    yield f"data: {json.dumps({**head, 'choices': [], 'usage': USAGE})}\n\n"
    yield "data: [DONE]\n\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server, and the runner set to it."""
    with Server() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        monkeypatch.setattr(runner, "offline", False)
        monkeypatch.setattr(runner, "graph", logic.build_graph(build_model(settings(server))))
        yield server
        server.silence.set()
        server.shutdown()
        thread.join()


def settings(server: Server, **changes: Any) -> ModelSettings:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    values = {"llm_base_url": url, "llm_model": "some-model", "llm_timeout": 0.5, "llm_retries": 0, **changes}
    return ModelSettings(openai_api_key=None).model_copy(update=values)


async def test_a_reply(server: Server) -> None:
    (reply,) = await runner.answer([Message("user", "one"), Message("assistant", "two")], "three", Context())
    assert reply.content == "You said three"
    assert reply.usage == {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    (request,) = server.requests
    roles = [(message["role"], message["content"]) for message in request["messages"]]
    assert roles == [("system", logic.PROMPT), ("user", "one"), ("assistant", "two"), ("user", "three")]
    assert request["model"] == "some-model"
    assert request["max_tokens"] == 1024
    assert {tool["function"]["name"] for tool in request["tools"]} == {tool.name for tool in logic.TOOLS}


async def test_a_call_is_no_line_in_the_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await runner.answer([], "hello", Context())
    assert len(server.requests) == 1
    assert caplog.text == ""


async def test_a_tool_call(server: Server) -> None:
    call, result, reply = await runner.answer([], "please add", Context())
    assert (call.role, result.content, reply.content) == ("assistant", "5", "You said 5")
    assert reply.usage == {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14}
    assert server.requests[1]["messages"][-1] == {"role": "tool", "content": "5", "tool_call_id": "call_1"}


async def test_a_stream_with_a_tool_call(server: Server) -> None:
    items = [item async for item in runner.stream([], "please add", Context())]
    assert [item for item in items if not isinstance(item, Message)] == [
        {"type": "tool", "name": "add", "result": "5"},
        *[{"type": "token", "text": f"{word} "} for word in ("You", "said", "5")],
    ]
    call, result, reply = [item for item in items if isinstance(item, Message)]
    assert (call.role, result.role, reply.content) == ("assistant", "tool", "You said 5 ")
    assert reply.usage == {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14}
    assert all(request["stream"] for request in server.requests)


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "OPENAI_API_KEY"), (404, "LLM_MODEL"), (429, "429 some_code"), (500, "500 some_code")]
)
async def test_a_refusal_is_explained(server: Server, status: int, hint: str) -> None:
    server.status = status
    with pytest.raises(LogicFailed, match=hint) as caught:
        await runner.answer([], "hello", Context())
    assert "secret" not in str(caught.value)
    with pytest.raises(LogicFailed, match=hint):
        [item async for item in runner.stream([], "hello", Context())]


ODD = {
    "nothing": "",
    "a page": "<html>secret</html>",
    "half of it": '{"choices": [{"index": 0, "message": {"content": "sec',
    "null": "null",
    "a number": "42",
    "a list": "[]",
    "no choices": json.dumps({"choices": None}),
    "no choice": json.dumps({"choices": []}),
    "an error": json.dumps({"error": {"message": "secret", "code": "some_code"}}),
    "an error in words": json.dumps({"error": "secret"}),
    "no message": json.dumps({"choices": [{"index": 0, "message": None, "delta": None}]}),
    "no call": json.dumps({"choices": [{"message": {"tool_calls": [None]}, "delta": {"tool_calls": [None]}}]}),
    "a number as content": json.dumps({"choices": [{"message": {"content": 5}, "delta": {"content": 5}}]}),
}


@pytest.mark.parametrize("odd", ODD)
async def test_an_answer_that_is_none_is_explained(server: Server, odd: str) -> None:
    server.says = ODD[odd]
    with pytest.raises(LogicFailed, match="the model's server") as caught:
        await runner.answer([], "hello", Context())
    assert "secret" not in str(caught.value)
    with pytest.raises(LogicFailed, match="the model's server") as caught:
        [item async for item in runner.stream([], "hello", Context())]
    assert "secret" not in str(caught.value)


async def test_a_page_instead_of_an_answer_hints_at_the_address(server: Server) -> None:
    server.says = ODD["a page"]
    with pytest.raises(LogicFailed, match="LLM_BASE_URL"):
        await runner.answer([], "hello", Context())
    with pytest.raises(LogicFailed, match="LLM_BASE_URL"):
        [item async for item in runner.stream([], "hello", Context())]


async def test_a_stream_that_ends_in_the_middle_is_no_reply(server: Server) -> None:
    server.says = json.dumps({"choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]})
    items = runner.stream([], "hello", Context())
    assert await anext(items) == {"type": "token", "text": "Hel"}
    with pytest.raises(LogicFailed, match="broke off"):
        await anext(items)


async def test_a_call_without_an_id_gets_one(server: Server) -> None:
    call = {"index": 0, "type": "function", "function": CALL["function"]}
    told = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": told, "delta": told, "finish_reason": "tool_calls"}
    server.says = json.dumps({"id": "c", "created": 1, "model": "some-model", "choices": [choice]})
    _, result, reply = await runner.answer([], "please add", Context())
    assert (result.content, reply.content) == ("5", "You said 5")
    items = [item async for item in runner.stream([], "please add", Context())]
    assert {"type": "tool", "name": "add", "result": "5"} in items


async def test_a_server_that_does_not_answer_is_given_up(server: Server) -> None:
    server.silence.clear()
    async with asyncio.timeout(5):
        with pytest.raises(LogicFailed, match="LLM_TIMEOUT"):
            await runner.answer([], "hello", Context())


async def test_failed_calls_are_tried_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.status = 500
    monkeypatch.setattr(runner, "graph", logic.build_graph(build_model(settings(server, llm_retries=1))))
    with pytest.raises(LogicFailed):
        await runner.answer([], "hello", Context())
    assert len(server.requests) == 2


async def test_the_key_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model(settings(server, openai_api_key=SecretStr("sk-key")))
    monkeypatch.setattr(runner, "graph", logic.build_graph(model))
    await runner.answer([], "hello", Context())
    assert server.keys == ["Bearer sk-key"]


@pytest.mark.parametrize(("turn", "call", "taken"), [("20", "", 20), ("20", "90", 20), ("600", "90", 90), ("", "", 60)])
def test_a_call_takes_no_longer_than_its_turn(
    monkeypatch: pytest.MonkeyPatch, turn: str, call: str, taken: float
) -> None:
    monkeypatch.setenv("TURN_TIMEOUT", turn)
    monkeypatch.setenv("LLM_TIMEOUT", call)
    assert ModelSettings().llm_timeout == taken


@pytest.mark.parametrize("timeout", ["soon", "-77"])
def test_a_wrong_variable_is_named_and_not_echoed(timeout: str) -> None:
    variables = {"AGENT_TOKEN": "x" * 16, "DATABASE_URL": "unused://nowhere", "DATABASE_PASSWORD": "x"}
    env = environment("langgraph", LLM_TIMEOUT=timeout, **variables)
    done = subprocess.run(command(logic="langgraph"), env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (line["level"], line["variable"]) == ("critical", "LLM_TIMEOUT")
    assert timeout not in done.stdout


def test_the_offline_model_is_the_default_and_imports_no_provider() -> None:
    assert isinstance(build_model(ModelSettings(openai_api_key=None, llm_base_url=None)), OfflineModel)
    script = (
        "import asyncio, sys; from three_tier.agent.langgraph import load;"
        "logic = asyncio.run(load().__aenter__());"
        "print(logic.offline, 'openai' in sys.modules, 'langchain_openai' in sys.modules)"
    )
    env = environment("langgraph", OPENAI_API_KEY="", LLM_BASE_URL="")
    out = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["True", "False", "False"]
