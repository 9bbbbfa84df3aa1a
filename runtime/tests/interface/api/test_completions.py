"""Chat completions, spoken to by OpenAI's own client."""

import json
from collections.abc import Awaitable, Callable
from secrets import token_hex

import httpx
import openai as library
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from three_tier.interface.testing.fake_agent import FakeAgent

pytestmark = pytest.mark.anyio

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


async def test_models(openai: AsyncOpenAI) -> None:
    assert [model.id async for model in openai.models.list()] == ["parrot"]
    assert (await openai.models.retrieve("parrot")).id == "parrot"
    with pytest.raises(library.NotFoundError):
        await openai.models.retrieve("another")


async def test_completion(openai: AsyncOpenAI, agent: FakeAgent) -> None:
    completion = await openai.chat.completions.create(model="parrot", messages=HELLO)
    assert completion.choices[0].message.content == "1 hello"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (
        3,
        4,
        7,
    )
    assert agent.bodies[-1] == {"message": "hello", "history": [], "metadata": {}}


async def test_stream(openai: AsyncOpenAI) -> None:
    stream = await openai.chat.completions.create(
        model="parrot", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    *parts, last = chunks
    assert "".join(part.choices[0].delta.content or "" for part in parts) == "1hello"
    assert [part.choices[0].finish_reason for part in parts] == [None, None, None, "stop"]
    assert last.choices == []
    assert last.usage
    assert last.usage.total_tokens == 7
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_an_incomplete_reply_says_so(openai: AsyncOpenAI, agent: FakeAgent, reason: str) -> None:
    agent.finish = reason
    completion = await openai.chat.completions.create(model="parrot", messages=HELLO)
    assert completion.choices[0].finish_reason == reason
    stream = await openai.chat.completions.create(model="parrot", messages=HELLO, stream=True)
    assert [chunk.choices[0].finish_reason async for chunk in stream] == [None, None, None, reason]


async def test_stream_helper_of_the_client(openai: AsyncOpenAI) -> None:
    async with openai.chat.completions.stream(model="parrot", messages=HELLO) as stream:
        completion = await stream.get_final_completion()
    assert completion.choices[0].message.content == "1hello"


async def test_earlier_messages_are_the_history(openai: AsyncOpenAI, agent: FakeAgent) -> None:
    await openai.chat.completions.create(
        model="parrot",
        messages=[
            {"role": "system", "content": "You are a pirate."},
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": "ahoy"},
            {"role": "user", "content": "hello"},
        ],
    )
    assert agent.bodies[-1]["history"] == [
        {"role": "system", "content": "You are a pirate."},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "ab"},
        {"role": "assistant", "content": "ahoy"},
    ]


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


async def test_nothing_in_the_history_stops_a_conversation(alice: httpx.AsyncClient, agent: FakeAgent) -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "what is this? "}, IMAGE]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
        {"role": "tool", "tool_call_id": "1", "content": "a cat"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}, {"type": "file", "text": None}]},
        {"role": "user", "content": "nul \0 and half \ud800"},
        {"role": "user", "content": "long" * 30_000},
        {"role": "user", "content": "hello"},
    ]
    content = json.dumps({"model": "parrot", "messages": messages})
    answer = await alice.post("/v1/chat/completions", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert [said["content"] for said in agent.bodies[-1]["history"]] == [
        "what is this? [Here was an image, which this agent cannot read.]",
        "[Here was something that is no text, which this agent cannot read.]",
        "[Here was a recording, which this agent cannot read.][Here was a file, which this agent cannot read.]",
        "nul  and half ?",
        "long" * 25_000,
    ]


async def test_of_a_long_history_the_end_counts(alice: httpx.AsyncClient, agent: FakeAgent) -> None:
    said = [{"role": "user", "content": str(n)} for n in range(700)]
    messages = [{"role": "system", "content": "Be brief."}, *said, {"role": "user", "content": "hello"}]
    answer = await alice.post("/v1/chat/completions", json={"model": "parrot", "messages": messages})
    assert answer.status_code == 200
    history = [said["content"] for said in agent.bodies[-1]["history"]]
    assert history == ["Be brief.", *(str(n) for n in range(201, 700))]


async def test_image_in_the_newest_message_is_refused(openai: AsyncOpenAI) -> None:
    with pytest.raises(library.BadRequestError, match=r"reads text only.* an image") as refused:
        await openai.chat.completions.create(
            model="parrot",
            messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/y"}}]}],
        )
    assert refused.value.type == "invalid_request_error"


async def test_metadata_has_any_keys(openai: AsyncOpenAI, agent: FakeAgent) -> None:
    metadata = {"user name": "Ann", "größe": "1 m", "k" * 64: "v"}
    await openai.chat.completions.create(model="parrot", messages=HELLO, metadata=metadata)
    assert agent.bodies[-1]["metadata"] == metadata


@pytest.mark.parametrize("base", ["/v1", ""])
async def test_what_is_absent_says_what_is_there(openai: AsyncOpenAI, address: str, base: str) -> None:
    client = openai.with_options(base_url=address + base)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: client.responses.create(model="parrot", input="hello"),
        lambda: client.embeddings.create(model="parrot", input="hello"),
        lambda: client.completions.create(model="parrot", prompt="hello"),
        lambda: client.images.generate(model="parrot", prompt="hello"),
        lambda: client.moderations.create(input="hello"),
        client.files.list,
        client.conversations.create,
    ]
    for call in calls:
        with pytest.raises(library.NotFoundError, match=r"POST /v1/chat/completions") as missing:
            await call()
        assert missing.value.code == "not_found"
        assert ("set the client to chat completions" in missing.value.message) == (base == "/v1")
        assert missing.value.response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("stream", [False, True])
async def test_thread_is_continued(
    openai: AsyncOpenAI, alice: httpx.AsyncClient, agent: FakeAgent, *, stream: bool
) -> None:
    thread_id = (await alice.post("/v1/threads")).json()["thread_id"]
    answer = await alice.post(
        "/v1/chat/completions",
        json={
            "model": "parrot",
            "messages": HELLO,
            "stream": stream,
            "metadata": {"thread_id": thread_id, "mood": "good"},
        },
    )
    assert agent.bodies[-1] == {"message": "hello", "thread_id": thread_id, "metadata": {"mood": "good"}}
    assert f'"metadata":{{"thread_id":"{thread_id}"}}' in answer.text
    with pytest.raises(library.NotFoundError):
        await openai.chat.completions.create(model="parrot", messages=HELLO, metadata={"thread_id": "of-somebody-else"})


async def test_retry_with_a_key_gets_the_same_reply(openai: AsyncOpenAI, alice: httpx.AsyncClient) -> None:
    thread_id = (await alice.post("/v1/threads")).json()["thread_id"]
    replies = [
        await openai.chat.completions.create(
            model="parrot",
            messages=HELLO,
            metadata={"thread_id": thread_id},
            extra_headers={"Idempotency-Key": "k1"},
        )
        for _ in range(2)
    ]
    assert [reply.choices[0].message.content for reply in replies] == ["1 hello"] * 2


@pytest.mark.parametrize(
    "wish",
    [
        {"n": 2},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"functions": [{"name": "f"}]},
        {"response_format": {"type": "json_object"}},
        {"messages": [{"role": "assistant", "content": "me last"}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y"}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, {"type": "file", "file": {}}]}]},
        {"messages": [{"role": "user", "content": "hi"}, {"role": "tool", "content": "4"}]},
        {"messages": [{"role": "user", "content": "x" * 32_001}]},
    ],
)
async def test_what_the_agent_cannot_do_is_refused(
    alice: httpx.AsyncClient, agent: FakeAgent, wish: dict[str, object]
) -> None:
    answer = await alice.post("/v1/chat/completions", json={"model": "parrot", "messages": HELLO, **wish})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == answer.json()["detail"]
    assert agent.bodies == []


async def test_parameters_without_effect_are_accepted(openai: AsyncOpenAI) -> None:
    completion = await openai.chat.completions.create(
        model="parrot",
        messages=HELLO,
        temperature=0.5,
        max_completion_tokens=9,
        top_p=1,
        seed=1,
        stop=["x"],
        user="u",
        tools=[],
        n=1,
        response_format={"type": "text"},
    )
    assert completion.choices[0].message.content == "1 hello"


async def test_errors_are_the_clients_own(openai: AsyncOpenAI, agent: FakeAgent) -> None:
    with pytest.raises(library.NotFoundError) as unknown:
        await openai.chat.completions.create(model="gpt", messages=HELLO)
    assert unknown.value.code == "not_found"
    with pytest.raises(library.AuthenticationError) as stranger:
        await openai.with_options(api_key=token_hex()).models.list()
    assert stranger.value.code == "invalid_api_key"
    with pytest.raises(library.UnprocessableEntityError, match=r"body.messages: .* at least 1 item"):
        await openai.chat.completions.create(model="parrot", messages=[])
    agent.refuse = (503, "The database does not answer.", {"Retry-After": "2"})
    with pytest.raises(library.InternalServerError, match="The database does not answer"):
        await openai.chat.completions.create(model="parrot", messages=HELLO)


async def test_refusal_of_the_whole_request_can_be_read(openai: AsyncOpenAI) -> None:
    with pytest.raises(library.APIStatusError, match=r"headers before its body") as refused:
        await openai.models.list(extra_headers={"X-Long": "x" * 70_000})
    assert refused.value.status_code == 431


async def test_stream_that_breaks_raises_in_the_client(openai: AsyncOpenAI, agent: FakeAgent) -> None:
    agent.break_after = 2
    stream = await openai.chat.completions.create(model="parrot", messages=HELLO, stream=True)
    with pytest.raises(library.APIError, match="does not answer"):
        [chunk async for chunk in stream]
