"""Every route: what it answers, and what it refuses."""

import asyncio
import hmac
import json
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from anyio import BrokenResourceError
from fastapi import FastAPI
from structlog.testing import capture_logs

from tests.agent.fakes import EchoLogic, InMemory
from three_tier.agent.app import LetGo
from three_tier.agent.contract import Declined, LogicFailed, NoReply, TooLong

pytestmark = pytest.mark.anyio

OTHER = {"X-Thread-Owner": "api:bob"}


def is_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


async def new_thread(client: httpx.AsyncClient, **body: str) -> str:
    response = await client.post("/threads", json=body)
    assert response.status_code == 201
    return str(response.json()["thread_id"])


async def stored(client: httpx.AsyncClient, thread_id: str) -> list[tuple[str, str]]:
    response = await client.get(f"/threads/{thread_id}/messages")
    assert response.status_code == 200
    return [(message["role"], message["content"]) for message in response.json()["data"]]


def events(body: str) -> list[Any]:
    """The events of a stream as (name, data)."""
    found: list[Any] = []
    for block in body.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        data = lines["data"]
        found.append(data if data == "[DONE]" else (lines["event"], json.loads(data)))
    return found


class TestStatus:
    async def test_live_and_health_need_no_token(self, client: httpx.AsyncClient) -> None:
        live = await client.get("/live", headers={"Authorization": ""})
        health = await client.get("/health", headers={"Authorization": ""})
        assert live.json() == {"status": "ok"}
        assert (health.status_code, health.json()) == (200, {"status": "ok", "database": "ok"})

    async def test_health_tells_that_the_database_is_away(self, client: httpx.AsyncClient, memory: InMemory) -> None:
        memory.down = "secret reason"
        response = await client.get("/health")
        assert is_problem(response, 503)["database"] == "unreachable"
        assert "secret" not in response.text
        assert (await client.get("/live")).status_code == 200

    async def test_the_log_says_once_that_the_database_is_away_and_that_it_is_back(
        self, client: httpx.AsyncClient, memory: InMemory
    ) -> None:
        with capture_logs() as logs:
            for down in ("not there yet", None, "away", "away", None, None):
                memory.down = down
                await client.get("/health")
        assert [(line["log_level"], line["event"], line.get("reason")) for line in logs] == [
            ("warning", "the database does not answer", "away"),
            ("info", "the database answers again", None),
        ]

    async def test_info(self, client: httpx.AsyncClient) -> None:
        info = (await client.get("/info")).json()
        assert info.pop("version")
        assert info == {"name": "tested", "engine": "echo", "offline": True}

    async def test_metrics_count_turns_and_requests_by_route(self, client: httpx.AsyncClient) -> None:
        thread_id = await new_thread(client)
        await client.post("/invoke", json={"message": "hi", "thread_id": thread_id})
        await client.get(f"/threads/{thread_id}/messages")
        await client.get("/no/such/route")
        text = (await client.get("/metrics")).text
        assert 'agent_turns_total{outcome="answered"}' in text
        route = '{method="GET",route="/threads/{thread_id}/messages",status="200"}'
        assert f"agent_http_requests_total{route}" in text
        assert thread_id not in text
        assert "no/such" not in text


class TestAccess:
    @pytest.mark.parametrize("token", ["", "Bearer wrong", "Bearer ", "Basic a-token-for-the-tests", "Bearer \xff"])
    async def test_a_wrong_token_is_refused(self, client: httpx.AsyncClient, token: str) -> None:
        for path in ("/info", "/metrics", "/threads", "/nothing"):
            response = await client.get(path, headers={b"Authorization": token.encode("latin-1")})
            is_problem(response, 401)
            assert response.headers["www-authenticate"] == "Bearer"

    async def test_how_long_a_refusal_takes_tells_nothing_about_the_token(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compared: list[tuple[bytes, bytes]] = []

        def compare(sent: bytes, expected: bytes) -> bool:
            compared.append((sent, expected))
            return False

        monkeypatch.setattr(hmac, "compare_digest", compare)
        is_problem(await client.get("/info"), 401)
        token = client.headers["Authorization"].encode()
        assert compared == [(token, token)]

    async def test_many_errors_are_not_all_told(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/invoke", json={f"field{n}": n for n in range(2_000)})
        assert is_problem(response, 422)["errors"]
        assert len(response.content) < 2_000

    async def test_the_token_is_checked_before_the_body(self, client: httpx.AsyncClient) -> None:
        is_problem(await client.post("/invoke", content="{broken", headers={"Authorization": "Bearer wrong"}), 401)

    async def test_a_missing_owner_is_400(self, client: httpx.AsyncClient) -> None:
        del client.headers["X-Thread-Owner"]
        is_problem(await client.get("/threads"), 400)
        is_problem(await client.post("/invoke", json={"message": "hi"}), 400)

    @pytest.mark.parametrize("owner", ["", "a b", "x" * 129, "a\x0bb", "ä"])
    async def test_an_odd_owner_is_422(self, client: httpx.AsyncClient, owner: str) -> None:
        is_problem(await client.get("/threads", headers={b"X-Thread-Owner": owner.encode()}), 422)

    async def test_the_description_holds_the_token_and_the_headers(self, client: httpx.AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()
        asked = document["paths"]["/invoke"]["post"]
        assert asked["security"] == [{"HTTPBearer": []}]
        assert "HTTPBearer" in document["components"]["securitySchemes"]
        headers = {header["name"]: header["required"] for header in asked["parameters"]}
        assert headers == {"X-Thread-Owner": True, "Idempotency-Key": False}

    async def test_another_owner_finds_nothing(self, client: httpx.AsyncClient) -> None:
        thread_id = await new_thread(client)
        for method, path, body in (
            ("GET", f"/threads/{thread_id}/messages", None),
            ("DELETE", f"/threads/{thread_id}", None),
            ("PATCH", f"/threads/{thread_id}", {"title": "mine"}),
            ("POST", "/invoke", {"message": "hi", "thread_id": thread_id}),
            ("POST", "/stream", {"message": "hi", "thread_id": thread_id}),
        ):
            is_problem(await client.request(method, path, json=body, headers=OTHER), 404)
        assert (await client.get("/threads", headers=OTHER)).json() == {"data": [], "has_more": False}
        assert await stored(client, thread_id) == []


class TestInvoke:
    async def test_a_conversation_is_remembered(self, client: httpx.AsyncClient) -> None:
        first = (await client.post("/invoke", json={"message": "one"})).json()
        assert first["reply"] == "echo one []"
        assert first["usage"] == {"input_tokens": 1, "total_tokens": 2}
        second = (await client.post("/invoke", json={"message": "two", "thread_id": first["thread_id"]})).json()
        assert second["thread_id"] == first["thread_id"]
        assert second["reply"] == "echo two [one, echo one []]"
        assert await stored(client, first["thread_id"]) == [
            ("user", "one"),
            ("assistant", first["reply"]),
            ("user", "two"),
            ("assistant", second["reply"]),
        ]

    async def test_tools_are_remembered_but_not_listed(self, client: httpx.AsyncClient) -> None:
        first = (await client.post("/invoke", json={"message": "tool"})).json()
        second = (await client.post("/invoke", json={"message": "two", "thread_id": first["thread_id"]})).json()
        assert second["reply"] == "echo two [tool, , 5, echo tool []]"
        assert [content for _, content in await stored(client, first["thread_id"])][:2] == ["tool", "echo tool []"]

    async def test_metadata_reaches_the_logic(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/invoke", json={"message": "hi", "metadata": {"plan": "free"}})
        assert response.json()["reply"] == "echo hi [plan=free]"

    @pytest.mark.parametrize("history", [[], [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]])
    async def test_a_history_of_the_callers_is_used_and_nothing_stored(
        self, client: httpx.AsyncClient, history: list[dict[str, str]]
    ) -> None:
        response = (await client.post("/invoke", json={"message": "hi", "history": history})).json()
        heard = ", ".join(said["content"] for said in history)
        reply = {"reply": f"echo hi [{heard}]", "finish_reason": "stop", "usage": response["usage"]}
        assert response == {"thread_id": None, **reply}
        assert (await client.get("/threads")).json()["data"] == []

    async def test_history_and_thread_id_together_are_422(self, client: httpx.AsyncClient) -> None:
        body = {"message": "hi", "history": [], "thread_id": await new_thread(client)}
        is_problem(await client.post("/invoke", json=body), 422)

    async def test_an_unknown_thread_is_404(self, client: httpx.AsyncClient, logic: EchoLogic) -> None:
        is_problem(await client.post("/invoke", json={"message": "hi", "thread_id": "none"}), 404)
        assert logic.calls == 0

    async def test_what_fails_inside_stays_inside(self, client: httpx.AsyncClient, logic: EchoLogic) -> None:
        thread_id = await new_thread(client)
        for error, status in ((LogicFailed("secret"), 502), (ValueError("secret"), 500)):
            logic.error = error
            response = await client.post("/invoke", json={"message": "hi", "thread_id": thread_id})
            is_problem(response, status)
            assert "secret" not in response.text
        logic.error = None
        assert (await client.post("/invoke", json={"message": "hi", "thread_id": thread_id})).status_code == 200

    @pytest.mark.parametrize(
        ("error", "status", "advice"),
        [
            (TooLong("secret"), 413, "shorter"),
            (Declined("secret"), 400, "another way"),
            (NoReply("secret"), 502, "try again"),
        ],
    )
    async def test_words_say_what_helps(
        self, client: httpx.AsyncClient, logic: EchoLogic, error: LogicFailed, status: int, advice: str
    ) -> None:
        logic.error = error
        with capture_logs() as logs:
            response = await client.post("/invoke", json={"message": "hi"})
        is_problem(response, status)
        assert [line["reason"] for line in logs if line["event"] == "request failed"] == ["secret"]
        assert advice in response.json()["detail"]
        assert "secret" not in response.text
        *_, (name, data), _ = events((await client.post("/stream", json={"message": "hi"})).text)
        assert (name, data["status"], data["detail"]) == ("error", status, response.json()["detail"])

    async def test_a_reply_too_large_to_be_kept_is_502(self, client: httpx.AsyncClient, memory: InMemory) -> None:
        thread_id = await new_thread(client)
        memory.max_content = 30
        body = {"message": "a word " * 4, "thread_id": thread_id}
        with capture_logs() as logs:
            is_problem(await client.post("/invoke", json=body), 502)
        (reason,) = [line["reason"] for line in logs if line["event"] == "request failed"]
        assert "MAX_CONTENT" in reason
        assert "a word" not in str(logs)
        assert await stored(client, thread_id) == [("user", body["message"])]
        memory.max_content = 1000
        assert (await client.post("/invoke", json=body)).status_code == 200

    async def test_an_outage_is_503_with_retry_after(self, client: httpx.AsyncClient, memory: InMemory) -> None:
        memory.down = "secret reason"
        for path in ("/invoke", "/stream"):
            response = await client.post(path, json={"message": "hi"})
            is_problem(response, 503)
            assert int(response.headers["retry-after"]) > 0
            assert "secret" not in response.text

    async def test_a_thread_in_use_is_409_in_the_end(
        self, client: httpx.AsyncClient, app: Any, logic: EchoLogic
    ) -> None:
        app.state.turns.wait = 0.05
        thread_id = await new_thread(client)
        body = {"message": "hi", "thread_id": thread_id}
        logic.gate.clear()
        first = asyncio.create_task(client.post("/invoke", json=body))
        await logic.started.wait()
        is_problem(await client.post("/invoke", json=body), 409)
        logic.gate.set()
        assert (await first).status_code == 200


class TestIdempotency:
    async def test_the_same_key_ten_times_at_once_is_one_pair(
        self, client: httpx.AsyncClient, logic: EchoLogic
    ) -> None:
        headers = {"Idempotency-Key": "k"}
        calls = [client.post("/invoke", json={"message": "hi"}, headers=headers) for _ in range(10)]
        bodies = {response.content for response in await asyncio.gather(*calls)}
        assert len(bodies) == 1
        assert logic.calls == 1
        thread_id = json.loads(bodies.pop())["thread_id"]
        assert len(await stored(client, thread_id)) == 2

    async def test_a_key_with_another_message_or_thread_is_422(self, client: httpx.AsyncClient) -> None:
        headers = {"Idempotency-Key": "k"}
        thread_id = await new_thread(client)
        first = await client.post("/invoke", json={"message": "hi", "thread_id": thread_id}, headers=headers)
        assert first.status_code == 200
        for body in ({"message": "other", "thread_id": thread_id}, {"message": "hi"}):
            is_problem(await client.post("/invoke", json=body, headers=headers), 422)
        threads = (await client.get("/threads")).json()["data"]
        assert [thread["thread_id"] for thread in threads] == [thread_id]
        assert len(await stored(client, thread_id)) == 2

    async def test_owners_may_use_the_same_key(self, client: httpx.AsyncClient) -> None:
        headers = {"Idempotency-Key": "k"}
        one = await client.post("/invoke", json={"message": "hi"}, headers=headers)
        two = await client.post("/invoke", json={"message": "ho"}, headers={**headers, **OTHER})
        assert (one.status_code, two.status_code) == (200, 200)
        assert one.json()["thread_id"] != two.json()["thread_id"]

    async def test_a_turn_that_failed_is_finished_by_a_retry(self, client: httpx.AsyncClient, logic: EchoLogic) -> None:
        headers = {"Idempotency-Key": "k"}
        logic.error = LogicFailed("for now")
        is_problem(await client.post("/invoke", json={"message": "hi"}, headers=headers), 502)
        logic.error = None
        response = await client.post("/invoke", json={"message": "hi"}, headers=headers)
        assert await stored(client, response.json()["thread_id"]) == [("user", "hi"), ("assistant", "echo hi []")]

    @pytest.mark.parametrize("key", ["", "a b", "x" * 129])
    async def test_an_odd_key_is_422(self, client: httpx.AsyncClient, key: str) -> None:
        for path, body in (("/invoke", {"message": "hi"}), ("/threads", {})):
            is_problem(await client.post(path, json=body, headers={"Idempotency-Key": key}), 422)

    async def test_the_same_key_ten_times_at_once_is_one_thread(self, client: httpx.AsyncClient) -> None:
        headers = {"Idempotency-Key": "k"}
        calls = [client.post("/threads", json={"title": "Trip"}, headers=headers) for _ in range(10)]
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        threads = (await client.get("/threads")).json()["data"]
        assert [thread["thread_id"] for thread in threads] == [answers[0].json()["thread_id"]]

    async def test_a_key_with_another_title_is_422(self, client: httpx.AsyncClient) -> None:
        headers = {"Idempotency-Key": "k"}
        assert (await client.post("/threads", json={"title": "Trip"}, headers=headers)).status_code == 201
        for body in ({"title": "Tea"}, {"title": None}, {}):
            is_problem(await client.post("/threads", json=body, headers=headers), 422)
        assert [thread["title"] for thread in (await client.get("/threads")).json()["data"]] == ["Trip"]

    async def test_a_thread_and_a_message_may_have_the_same_key(self, client: httpx.AsyncClient) -> None:
        headers = {"Idempotency-Key": "k"}
        asked = await client.post("/invoke", json={"message": "hi"}, headers=headers)
        made = await client.post("/threads", headers=headers)
        assert (asked.status_code, made.status_code) == (200, 201)
        assert made.json()["thread_id"] != asked.json()["thread_id"]
        assert await stored(client, made.json()["thread_id"]) == []

    async def test_owners_make_threads_of_their_own_with_the_same_key(self, client: httpx.AsyncClient) -> None:
        headers = {"Idempotency-Key": "k"}
        made = [await client.post("/threads", headers=headers | owner) for owner in ({}, OTHER)]
        assert made[0].json() != made[1].json()

    async def test_every_call_that_takes_a_key_says_so(self, client: httpx.AsyncClient) -> None:
        paths = (await client.get("/openapi.json")).json()["paths"]
        keyed = {
            (method, path)
            for path, methods in paths.items()
            for method, call in methods.items()
            if any(parameter["name"] == "Idempotency-Key" for parameter in call.get("parameters", []))
        }
        assert keyed == {("post", "/invoke"), ("post", "/messages"), ("post", "/stream"), ("post", "/threads")}

    async def test_ten_messages_at_once_are_ten_pairs(self, client: httpx.AsyncClient) -> None:
        thread_id = await new_thread(client)
        calls = [client.post("/invoke", json={"message": f"m{n}", "thread_id": thread_id}) for n in range(10)]
        assert {response.status_code for response in await asyncio.gather(*calls)} == {200}
        said = await stored(client, thread_id)
        assert [content for role, content in said if role == "user"] == [f"m{n}" for n in range(10)]
        assert [role for role, _ in said] == ["user", "assistant"] * 10
        assert all(reply.startswith(f"echo {said[2 * n][1]} ") for n, (_, reply) in enumerate(said[1::2]))


class TestStream:
    async def test_events_come_in_order(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/stream", json={"message": "tool"})
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        metadata, *rest = events(response.text)
        thread_id = metadata[1]["thread_id"]
        assert metadata == ("metadata", {"type": "metadata", "thread_id": thread_id})
        usage = {"input_tokens": 1, "total_tokens": 2}
        assert rest == [
            ("token", {"type": "token", "text": "echo "}),
            ("tool", {"type": "tool", "name": "add", "result": "5"}),
            ("token", {"type": "token", "text": "tool"}),
            ("message", {"type": "message", "content": "echo tool []", "finish_reason": "stop", "usage": usage}),
            "[DONE]",
        ]
        assert await stored(client, thread_id) == [("user", "tool"), ("assistant", "echo tool []")]

    async def test_a_replay_is_metadata_message_done(self, client: httpx.AsyncClient, logic: EchoLogic) -> None:
        headers = {"Idempotency-Key": "k"}
        first = events((await client.post("/stream", json={"message": "tool"}, headers=headers)).text)
        again = events((await client.post("/stream", json={"message": "tool"}, headers=headers)).text)
        assert again == [first[0], first[-2], "[DONE]"]
        assert logic.calls == 1

    async def test_invoke_and_stream_share_keys(self, client: httpx.AsyncClient) -> None:
        headers = {"Idempotency-Key": "k"}
        invoked = (await client.post("/invoke", json={"message": "hi"}, headers=headers)).json()
        streamed = events((await client.post("/stream", json={"message": "hi"}, headers=headers)).text)
        assert streamed[1][1]["content"] == invoked["reply"]
        assert streamed[1][1]["usage"] == invoked["usage"]

    async def test_a_failure_ends_the_stream_with_an_error_event(
        self, client: httpx.AsyncClient, logic: EchoLogic
    ) -> None:
        logic.error = LogicFailed("secret")
        response = await client.post("/stream", json={"message": "hi"})
        *_, (name, data), done = events(response.text)
        assert (name, data["type"], data["status"], done) == ("error", "error", 502, "[DONE]")
        assert "secret" not in response.text

    async def test_nothing_of_a_stateless_stream_is_stored(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/stream", json={"message": "hi", "history": []})
        assert events(response.text)[0][1]["thread_id"] is None
        assert (await client.get("/threads")).json()["data"] == []

    async def test_tokens_arrive_before_the_reply_is_there(self, wire: httpx.AsyncClient, logic: EchoLogic) -> None:
        logic.gate.clear()
        async with wire.stream("POST", "/stream", json={"message": "hi"}) as response:
            lines = response.aiter_lines()
            while not (line := await anext(lines)).startswith('data: {"type":"token"'):
                assert not line.startswith("event: message")
            logic.gate.set()
            assert [line async for line in lines if line][-1] == "data: [DONE]"

    async def test_a_client_that_leaves_cancels_the_logic(self, wire: httpx.AsyncClient, logic: EchoLogic) -> None:
        thread_id = await new_thread(wire)
        body = {"message": "hi", "thread_id": thread_id}
        logic.gate.clear()
        async with wire.stream("POST", "/stream", json=body) as response:
            await anext(response.aiter_lines())
            await logic.started.wait()
            assert not logic.ended.is_set()
        async with asyncio.timeout(2):
            await logic.ended.wait()
        assert await stored(wire, thread_id) == [("user", "hi")]
        logic.gate.set()  # the thread is free at once
        assert (await wire.post("/invoke", json=body)).status_code == 200

    async def test_a_stream_that_nobody_reads_is_no_error(self) -> None:
        errors: list[Exception] = [BrokenResourceError()]

        async def application(*_: object) -> None:
            raise ExceptionGroup("of a task group", errors)

        async def receive() -> MutableMapping[str, Any]:
            return {}

        async def send(_: MutableMapping[str, Any]) -> None:
            pass

        await LetGo(application)({}, receive, send)
        errors.append(RuntimeError("something else"))
        with pytest.raises(ExceptionGroup) as raised:
            await LetGo(application)({}, receive, send)
        assert [type(error) for error in raised.value.exceptions] == [RuntimeError]


class TestThreads:
    async def test_threads_are_listed_newest_first_and_by_page(self, client: httpx.AsyncClient) -> None:
        made = [await new_thread(client, title=f"number {n}") for n in range(5)]
        first = (await client.get("/threads", params={"limit": 3})).json()
        assert [thread["title"] for thread in first["data"]] == ["number 4", "number 3", "number 2"]
        assert first["has_more"] is True
        assert first["data"][0]["created_at"].endswith("Z")
        rest = (await client.get("/threads", params={"limit": 3, "before": first["data"][-1]["thread_id"]})).json()
        assert [thread["thread_id"] for thread in rest["data"]] == [made[1], made[0]]
        assert rest["has_more"] is False

    async def test_a_page_of_messages_reads_downwards(self, client: httpx.AsyncClient) -> None:
        thread_id = await new_thread(client)
        for n in range(3):
            await client.post("/invoke", json={"message": f"m{n}", "thread_id": thread_id})
        path = f"/threads/{thread_id}/messages"
        last = (await client.get(path, params={"limit": 4})).json()
        assert [message["content"] for message in last["data"][::2]] == ["m1", "m2"]
        assert last["has_more"] is True
        first = (await client.get(path, params={"limit": 4, "before": last["data"][0]["id"]})).json()
        assert [message["role"] for message in first["data"]] == ["user", "assistant"]
        assert first["has_more"] is False

    async def test_a_thread_is_renamed_and_deleted(self, client: httpx.AsyncClient) -> None:
        thread_id = await new_thread(client)
        assert (await client.patch(f"/threads/{thread_id}", json={"title": "Trip"})).status_code == 204
        assert (await client.get("/threads")).json()["data"][0]["title"] == "Trip"
        assert (await client.delete(f"/threads/{thread_id}")).status_code == 204
        for again in (
            await client.get(f"/threads/{thread_id}/messages"),
            await client.delete(f"/threads/{thread_id}"),
            await client.patch(f"/threads/{thread_id}", json={"title": "Trip"}),
        ):
            is_problem(again, 404)

    async def test_a_message_is_kept_without_an_answer(self, client: httpx.AsyncClient, logic: EchoLogic) -> None:
        found = [
            await client.post("/messages", json={"message": "keep me"}, headers={"Idempotency-Key": key})
            for key in ("k1", "k1", "k2")
        ]
        first, again, second = [response.json()["thread_id"] for response in found]
        assert [response.status_code for response in found] == [201, 201, 201]
        assert first == again != second
        assert await stored(client, first) == [("user", "keep me")]
        assert logic.calls == 0
        assert (await client.delete(f"/threads/{first}")).status_code == 204, "nothing holds it"
        other = await client.post("/messages", json={"message": "another"}, headers={"Idempotency-Key": "k2"})
        is_problem(other, 422)

    async def test_a_message_is_kept_while_all_places_are_taken(self, client: httpx.AsyncClient, app: FastAPI) -> None:
        app.state.turns.places = asyncio.Semaphore(0)
        assert (await client.post("/messages", json={"message": "keep me"})).status_code == 201

    async def test_threads_are_given_to_another_owner(self, client: httpx.AsyncClient) -> None:
        thread_id = await new_thread(client)
        await client.post("/invoke", json={"message": "hi", "thread_id": thread_id})
        said = await stored(client, thread_id)
        for _ in range(2):
            assert (await client.patch("/threads", json={"owner": "api:bob"})).status_code == 204
        assert (await client.get("/threads")).json()["data"] == []
        client.headers.update(OTHER)
        assert await stored(client, thread_id) == said
        for body in ({}, {"owner": ""}, {"owner": "a b"}, {"owner": "api:ann", "more": 1}):
            is_problem(await client.patch("/threads", json=body), 422)

    async def test_another_thread_of_the_same_id_is_not_given_away(self, client: httpx.AsyncClient) -> None:
        for title, status in (("first", 204), ("second", 422)):
            await client.post("/threads", json={"title": title}, headers={"Idempotency-Key": "k"})
            given = await client.patch("/threads", json={"owner": "api:bob"})
            assert given.status_code == status, given.text
        assert [thread["title"] for thread in (await client.get("/threads")).json()["data"]] == ["second"]

    async def test_a_thread_may_be_made_without_a_body(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/threads")).status_code == 201


class TestBadInput:
    @pytest.mark.parametrize(
        "body",
        [
            "{",
            "[]",
            '"hi"',
            "{}",
            '{"message": ""}',
            '{"message": 5}',
            '{"message": null}',
            '{"message": "a\\u0000b"}',
            '{"message": "\\ud800"}',
            '{"message": "hi", "thread_id": "a/b"}',
            '{"message": "hi", "thread_id": "a\\u0000"}',
            '{"message": "hi", "history": [{"role": "tool", "content": "x"}]}',
            '{"message": "hi", "history": [{"role": "user", "content": "\\u0000"}]}',
            '{"message": "hi", "history": [{"role": "user", "content": "\\udfff"}]}',
            '{"message": "hi", "metadata": {"a": "\\u0000"}}',
            '{"message": "hi", "metadata": {"zebra\\ud800": "b"}}',
            '{"message": "hi", "metadata": {"": "b"}}',
            '{"message": "hi", "metadata": {"zebra\\u0000": "b"}}',
            json.dumps({"message": "hi", "metadata": {"zebra" * 26: "b"}}),
            '{"message": "hi", "zebra": "zebra"}',
            '{"message": "hi", "\\ud800": 1}',
            '{"message": "hi", "history": [{"role": "user", "content": "x", "zebra": 1}]}',
            json.dumps({"message": "zebra" * 10_000}),
        ],
    )
    async def test_a_bad_body_is_422_and_not_echoed(
        self, client: httpx.AsyncClient, body: str, logic: EchoLogic
    ) -> None:
        for path in ("/invoke", "/stream"):
            response = await client.post(path, content=body, headers={"Content-Type": "application/json"})
            assert is_problem(response, 422)["errors"]
            assert "zebra" not in response.text
        assert logic.calls == 0
        assert (await client.get("/threads")).json()["data"] == []

    async def test_keys_of_metadata_are_any_text(self, client: httpx.AsyncClient) -> None:
        metadata = {"user name": "Ann", "größe/size": "1 m", "🙂": "", "k" * 64: "long"}
        response = await client.post("/invoke", json={"message": "hi", "metadata": metadata})
        assert response.status_code == 200
        assert response.json()["reply"] == f"echo hi [{', '.join(f'{k}={v}' for k, v in metadata.items())}]"

    @pytest.mark.parametrize(
        ("body", "field", "words"),
        [
            ({"message": "x" * 32_001}, "body.message", "String should have at most 32000 characters"),
            ({"message": ""}, "body.message", "String should have at least 1 character"),
            ({"message": "a\0b"}, "body.message", "must not contain NUL"),
            ({"message": "hi", "metadata": {"a": "x" * 1001}}, "", "String should have at most 1000 characters"),
            ({"message": "hi", "metadata": {"x" * 129: "a"}}, "", "String should have at most 128 characters"),
            (
                {"message": "hi", "metadata": {str(n): "x" for n in range(17)}},
                "body.metadata",
                "Dictionary should have at most 16 items, not",
            ),
            (
                {"message": "hi", "history": [{"role": "user", "content": ""}] * 501},
                "body.history",
                "List should have at most 500 items, not 501",
            ),
        ],
    )
    async def test_an_error_says_what_is_wrong(
        self, client: httpx.AsyncClient, body: dict[str, object], field: str, words: str
    ) -> None:
        (error,) = is_problem(await client.post("/invoke", json=body), 422)["errors"]
        assert error["message"].startswith(words)
        assert "validation" not in error["message"]
        assert error["field"].startswith(field)

    async def test_too_long_a_title_is_told_in_characters(self, client: httpx.AsyncClient) -> None:
        (error,) = is_problem(await client.post("/threads", json={"title": "x" * 201}), 422)["errors"]
        assert error["message"] == "String should have at most 200 characters"

    @pytest.mark.parametrize("title", ["a\0b", "\ud800", "x" * 201, 5])
    async def test_a_bad_title_is_422(self, client: httpx.AsyncClient, title: object) -> None:
        thread_id = await new_thread(client)
        content = json.dumps({"title": title})
        headers = {"Content-Type": "application/json"}
        is_problem(await client.post("/threads", content=content, headers=headers), 422)
        is_problem(await client.patch(f"/threads/{thread_id}", content=content, headers=headers), 422)

    @pytest.mark.parametrize("body", [b"\xff\xfe\xfd", b"[" * 20_000])
    async def test_a_body_that_is_no_text_is_refused(self, client: httpx.AsyncClient, body: bytes) -> None:
        response = await client.post("/invoke", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code in (400, 422)
        is_problem(response, response.status_code)

    @pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "before=0", "before=x", f"before={2**63}"])
    async def test_bad_queries_are_422(self, client: httpx.AsyncClient, query: str) -> None:
        is_problem(await client.get(f"/threads/some/messages?{query}"), 422)

    async def test_bad_ids_in_paths_are_refused(self, client: httpx.AsyncClient) -> None:
        for bad in ("a%00b", "a%20b", "x" * 129, "%F0%9F%98%80"):
            is_problem(await client.get(f"/threads/{bad}/messages"), 422)

    async def test_too_large_a_body_is_413(self, client: httpx.AsyncClient, logic: EchoLogic) -> None:
        big = json.dumps({"message": "x" * 100_000}).encode()

        async def chunks() -> Any:
            for start in range(0, len(big), 10_000):
                yield big[start : start + 10_000]

        headers = {"Content-Type": "application/json"}
        is_problem(await client.post("/invoke", content=big, headers=headers), 413)
        is_problem(await client.post("/invoke", content=chunks(), headers=headers), 413)
        assert logic.calls == 0

    async def test_unknown_routes_and_methods_are_problems(self, client: httpx.AsyncClient) -> None:
        is_problem(await client.get("/nothing"), 404)
        is_problem(await client.get("/invoke"), 405)


ENDED = {"session": "one", "opened_by": 2_000, "expires_at": 3_000}


class TestRevocations:
    async def revoked(self, client: httpx.AsyncClient, session: str, opened_at: int, **headers: str) -> bool:
        response = await client.get(f"/revocations/{session}", params={"opened_at": opened_at}, headers=headers)
        assert response.status_code == 200
        return bool(response.json()["revoked"])

    async def test_one_session(self, client: httpx.AsyncClient) -> None:
        assert not await self.revoked(client, "one", 1_500)
        assert (await client.post("/revocations", json=ENDED)).status_code == 204
        assert await self.revoked(client, "one", 1_500)
        assert not await self.revoked(client, "another", 1_500)
        assert not await self.revoked(client, "one", 1_500, **OTHER)

    async def test_all_sessions(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/revocations", json={**ENDED, "session": None})).status_code == 204
        found = [await self.revoked(client, session, at) for session in ("one", "two") for at in (2_000, 2_001)]
        assert found == [True, False, True, False]
        assert not await self.revoked(client, "one", 1_500, **OTHER)

    @pytest.mark.parametrize("wrong", [{"session": "*"}, {"opened_by": -1}, {"expires_at": 2**42}, {"more": 1}])
    async def test_what_is_refused(
        self, client: httpx.AsyncClient, memory: InMemory, wrong: dict[str, str | int]
    ) -> None:
        is_problem(await client.post("/revocations", json={**ENDED, **wrong}), 422)
        assert not memory.revoked

    async def test_nothing_is_known_while_the_database_is_away(
        self, client: httpx.AsyncClient, memory: InMemory
    ) -> None:
        """Neither that a session was ended nor that it was not."""
        memory.down = "away"
        is_problem(await client.post("/revocations", json=ENDED), 503)
        is_problem(await client.get("/revocations/one", params={"opened_at": 1}), 503)
