"""What the commands keep in a thread, seen from the rest of the agent."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.agent.fakes import InMemory
from tests.agent.process import command, environment
from tests.samples import sample
from three_tier.agent.app import create_app
from three_tier.agent.business.runner import CommandLogic
from three_tier.agent.context import Context
from three_tier.agent.contract import Message
from three_tier.agent.settings import Settings

pytestmark = pytest.mark.anyio

logic = sample("business")
runner: CommandLogic[Any] = CommandLogic(logic.commands, logic.reply_to)


async def answer(history: list[Message], question: str) -> Message:
    (reply,) = await runner.answer(history, question, Context())
    return reply


async def conversation(*questions: str) -> list[Message]:
    """What a thread holds after these questions."""
    history: list[Message] = []
    for question in questions:
        history += [Message("user", question), await answer(history, question)]
    return history


def texts(history: Sequence[Message]) -> list[Message]:
    """The same, as a caller that keeps the conversation itself sends it."""
    return [Message(message.role, message.content) for message in history]


class TestRecall:
    async def test_the_newest_reply_carries_the_list(self) -> None:
        history = await conversation("add milk", "add bread", "nonsense", "add 0 ham", "help")
        assert (await answer(history[-1:], "show")).content == "On the list:\n- milk\n- bread"
        assert (await runner.recall(history, Context())).things == {"milk": 1, "bread": 1}
        assert (await runner.recall(history[:2], Context())).things == {"milk": 1}

    async def test_what_is_kept_can_be_stored_as_json(self) -> None:
        reply = await answer([], "add 2 milk")
        assert json.loads(json.dumps(reply.data)) == reply.data == {"state": {"things": {"milk": 2}}}
        assert (reply.role, reply.usage) == ("assistant", None)

    async def test_questions_that_were_never_answered_count_for_nothing(self) -> None:
        unanswered = [Message("user", "add ham")] * 8
        assert (await runner.recall(unanswered, Context())).things == {}
        assert (await runner.recall(await conversation("add milk") + unanswered, Context())).things == {"milk": 1}

    async def test_a_history_is_not_changed(self) -> None:
        history = await conversation("add milk")
        await answer(history, "add bread")
        await answer(history, "clear")
        assert history[-1].data == {"state": {"things": {"milk": 1}}}

    async def test_the_commands_of_a_conversation_kept_elsewhere_are_carried_out_again(self) -> None:
        history = await conversation("add 2 milk", "add bread and ham", "remove 1 milk", "nonsense", "add 0 x", "show")
        system, unanswered = Message("system", "add salt"), Message("user", "add tea")
        sent = [system, *texts(history), unanswered]
        assert (await runner.recall(sent, Context())).things == {"milk": 1, "bread": 1, "ham": 1}

    async def test_data_of_something_else_is_not_looked_into(self) -> None:
        other = Message("assistant", "5", data={"type": "other", "data": {"things": 1}})
        assert (await runner.recall([Message("user", "add milk"), other], Context())).things == {"milk": 1}


async def test_a_command_that_says_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: object) -> str:
        return " "

    monkeypatch.setattr(runner, "reply_to", nothing)
    assert (await answer([], "add milk")).content == "Done."


async def test_a_stream_brings_the_same_in_pieces() -> None:
    history = await conversation("add 2 milk and bread")
    for question in ("show", "nonsense \n\n of mine ", "help"):
        *pieces, reply = [item async for item in runner.stream(history, question, Context())]
        shown = [piece["text"] for piece in pieces if not isinstance(piece, Message) and piece["type"] == "token"]
        assert len(shown) == len(pieces) > 3
        assert isinstance(reply, Message)
        assert "".join(shown) == reply.content
        assert reply == await answer(history, question)


@pytest.fixture
def app(settings: Settings, memory: InMemory) -> FastAPI:
    """The agent with its commands."""
    return create_app(settings, memory, runner)


def cancel() -> None:
    raise asyncio.CancelledError


class TestHttp:
    async def test_a_thread_keeps_its_list(self, client: httpx.AsyncClient) -> None:
        one, other = await new_thread(client), await new_thread(client)
        await say(client, one, "add 2 milk")
        await say(client, other, "add bread")
        assert await say(client, one, "show") == "On the list:\n- 2 milk"
        assert await say(client, other, "show") == "On the list:\n- bread"
        assert (await client.delete(f"/threads/{one}")).status_code == 204
        assert (await client.post("/invoke", json={"message": "show", "thread_id": one})).status_code == 404
        assert await say(client, await new_thread(client), "show") == "The list is empty."

    async def test_a_retry_adds_nothing_twice(self, client: httpx.AsyncClient) -> None:
        thread_id = await new_thread(client)
        replies = [await say(client, thread_id, "add milk", key="once") for _ in range(3)]
        assert set(replies) == {"Added milk. There is one thing on the list now."}
        assert await say(client, thread_id, "show") == "On the list:\n- milk"

    async def test_messages_at_once_lose_nothing(self, client: httpx.AsyncClient) -> None:
        thread_id = await new_thread(client)
        await asyncio.gather(*(say(client, thread_id, f"add {n} milk and thing {n}") for n in range(1, 11)))
        lines = (await say(client, thread_id, "show")).splitlines()
        assert set(lines) == {"On the list:", "- 55 milk", *(f"- thing {n}" for n in range(1, 11))}

    async def test_the_list_outlives_the_window(self, client: httpx.AsyncClient, memory: InMemory) -> None:
        memory.window = 10
        thread_id = await new_thread(client)
        await say(client, thread_id, "add milk")
        for n in range(20):
            await say(client, thread_id, f"message {n}")
        assert await say(client, thread_id, "show") == "On the list:\n- milk"

    @pytest.mark.parametrize("does", [sys.exit, cancel, list, int])
    async def test_a_command_that_breaks_is_an_error_of_its_own_message_only(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, does: Callable[[], object]
    ) -> None:
        """It exits, is cancelled, or returns something else than a text."""

        async def broken(_: object) -> object:
            return does()

        with monkeypatch.context() as patch:
            patch.setattr(runner, "reply_to", broken)
            answer = await client.post("/invoke", json={"message": "hello"})
            assert (answer.status_code, answer.json()["detail"]) == (500, "The agent could not answer.")
            stream = await client.post("/stream", json={"message": "hello"})
            assert '"detail":"The agent could not answer."' in stream.text
        assert await say(client, await new_thread(client), "show") == "The list is empty."

    async def test_a_history_is_answered_and_not_stored(self, client: httpx.AsyncClient, memory: InMemory) -> None:
        history = [{"role": "user", "content": "add milk"}, {"role": "assistant", "content": "anything"}]
        response = await client.post("/invoke", json={"message": "show", "history": history})
        assert response.json() == {
            "thread_id": None,
            "reply": "On the list:\n- milk",
            "finish_reason": "stop",
            "usage": None,
        }
        assert not memory.kept


async def new_thread(client: httpx.AsyncClient) -> str:
    thread_id: str = (await client.post("/threads")).json()["thread_id"]
    return thread_id


async def say(client: httpx.AsyncClient, thread_id: str, message: str, key: str | None = None) -> str:
    headers = {"Idempotency-Key": key} if key else {}
    response = await client.post("/invoke", json={"message": message, "thread_id": thread_id}, headers=headers)
    assert response.status_code == 200, response.text
    reply: str = response.json()["reply"]
    return reply


def test_a_window_too_small_to_remember_is_refused_at_the_start() -> None:
    variables = {"AGENT_TOKEN": "x" * 16, "DATABASE_URL": "unused://nowhere", "DATABASE_PASSWORD": "x"}
    env = environment(HISTORY_WINDOW="9", **variables)
    done = subprocess.run(command(), env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (line["level"], line["variable"]) == ("critical", "HISTORY_WINDOW")
