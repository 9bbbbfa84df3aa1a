"""Conversations that a strict server would refuse, and requests that some servers cannot take."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage, message_to_dict
from langchain_core.messages.tool import ToolCall, invalid_tool_call
from langchain_openai import StreamChunkTimeoutError

from tests.agent.langgraph.strict_server import Says, StrictServer, running
from tests.samples import sample
from three_tier.agent.context import Context
from three_tier.agent.contract import Declined, LogicFailed, Message, NoReply, TooLong
from three_tier.agent.langgraph.model import ModelSettings, OfflineModel, build_model
from three_tier.agent.langgraph.provider import _readable
from three_tier.agent.langgraph.reasoning import without_reasoning
from three_tier.agent.langgraph.runner import OWN, GraphLogic

pytestmark = pytest.mark.anyio

logic = sample("langgraph")
runner = GraphLogic(logic.build_graph(OfflineModel()), ModelSettings())

PROMPT = ("system", logic.PROMPT)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictServer]:
    """The server, and the runner set to it."""
    with running() as found:
        monkeypatch.setattr(runner, "offline", False)
        monkeypatch.setattr(runner, "graph", logic.build_graph(build_model(settings(found))))
        yield found


def settings(server: StrictServer) -> ModelSettings:
    values = {"llm_base_url": server.url, "llm_timeout": 5, "llm_retries": 0}
    return ModelSettings(openai_api_key=None).model_copy(update=values)


async def whole(history: list[Message], question: str) -> str:
    return (await runner.answer(history, question, Context()))[-1].content


async def streamed(history: list[Message], question: str) -> str:
    items: list[Any] = [item async for item in runner.stream(history, question, Context())]
    reply: str = items[-1].content
    assert "".join(item["text"] for item in items if isinstance(item, dict) and item["type"] == "token") == reply
    return reply


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str) -> Message:
    return Message("assistant", text)


def call(*ids: str, text: str = "", invalid: str = "") -> Message:
    calls = [ToolCall(name="add", args={"a": 2, "b": 3}, id=each) for each in ids]
    wrong = [invalid_tool_call(name="add", args="{", id=invalid, error=None)] if invalid else []
    message = AIMessage(text, tool_calls=calls, invalid_tool_calls=wrong)
    return Message("assistant", text, {OWN: message_to_dict(message)})


def result(of: str) -> Message:
    return Message("tool", "5", {OWN: message_to_dict(ToolMessage("5", tool_call_id=of))})


HISTORIES: dict[str, tuple[list[Message], list[tuple[str, str | None]]]] = {
    "a turn that failed": ([user("one")], [PROMPT, ("user", "one\n\nlast")]),
    "many that failed, some of them the same": (
        [user("one"), assistant("two"), user("three"), user("three"), user("last")],
        [PROMPT, ("user", "one"), ("assistant", "two"), ("user", "three\n\nlast")],
    ),
    "a system message of the caller": (
        [Message("system", "Be a pirate."), user("one"), assistant("two")],
        [("system", f"{logic.PROMPT}\n\nBe a pirate."), ("user", "one"), ("assistant", "two"), ("user", "last")],
    ),
    "a system message in between": (
        [user("one"), Message("system", "Be a pirate."), assistant("two")],
        [("system", f"{logic.PROMPT}\n\nBe a pirate."), ("user", "one"), ("assistant", "two"), ("user", "last")],
    ),
    "an empty reply": ([user("one"), assistant("")], [PROMPT, ("user", "one\n\nlast")]),
    "two replies": (
        [user("one"), assistant("two"), assistant("three")],
        [PROMPT, ("user", "one"), ("assistant", "two\n\nthree"), ("user", "last")],
    ),
    "the assistant begins": (
        [assistant("Ahoy!")],
        [("system", f"{logic.PROMPT}\n\nYou began this conversation by saying: Ahoy!"), ("user", "last")],
    ),
    "a call and its result": (
        [user("one"), call("a"), result("a"), assistant("two")],
        [PROMPT, ("user", "one"), ("assistant", None), ("tool", "5"), ("assistant", "two"), ("user", "last")],
    ),
    "a call without a result": ([user("one"), call("a")], [PROMPT, ("user", "one\n\nlast")]),
    "a call without a result, but with a text": (
        [user("one"), call("a", text="two")],
        [PROMPT, ("user", "one"), ("assistant", "two"), ("user", "last")],
    ),
    "two calls, one of them without a result": (
        [user("one"), call("a", "b"), result("b"), assistant("two")],
        [PROMPT, ("user", "one"), ("assistant", None), ("tool", "5"), ("assistant", "two"), ("user", "last")],
    ),
    "a call that could not be read beside one that could": (
        [user("one"), call("a", invalid="b"), result("a"), assistant("two")],
        [PROMPT, ("user", "one"), ("assistant", None), ("tool", "5"), ("assistant", "two"), ("user", "last")],
    ),
    "a result without a call": (
        [user("one"), result("a"), assistant("two")],
        [PROMPT, ("user", "one"), ("assistant", "two"), ("user", "last")],
    ),
    "a result that came twice": (
        [user("one"), call("a"), result("a"), result("a"), assistant("two")],
        [PROMPT, ("user", "one"), ("assistant", None), ("tool", "5"), ("assistant", "two"), ("user", "last")],
    ),
    "an empty reply after a call": (
        [user("one"), call("a"), result("a"), assistant("")],
        [PROMPT, ("user", "one\n\nlast")],
    ),
    "nothing": ([], [PROMPT, ("user", "last")]),
}


@pytest.mark.parametrize("lead", [whole, streamed])
@pytest.mark.parametrize("name", HISTORIES)
async def test_a_strict_server_takes_whatever_was_said_before(server: StrictServer, name: str, lead: Any) -> None:
    history, heard = HISTORIES[name]
    assert await lead(history, "last") == f"You said {heard[-1][1]}"
    assert server.heard == heard


@pytest.mark.parametrize("lead", [whole, streamed])
async def test_two_calls_of_which_one_cannot_be_read(server: StrictServer, lead: Any) -> None:
    server.answers = [Says(calls=(("add", '{"a": 2, "b": 3}'), ("add", '{"a": 2,')), finish="tool_calls")]
    assert await lead([], "please add") == "You said 5"


OVERFLOWS = [
    (400, "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens."),
    (400, "{'code': 'context_length_exceeded'}"),
    (400, "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it"),  # llama.cpp
    (400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096."),  # vLLM
    (400, "litellm.ContextWindowExceededError: litellm.BadRequestError: OpenAIException"),
    (400, "This endpoint's maximum context length is 4096 tokens. However, you requested about 5000 tokens"),
    (400, "Prompt contains 5000 tokens, too large for model with 4096 maximum context length"),  # Mistral
    (400, "The input token count (5000) exceeds the maximum number of tokens allowed (4096)."),  # Gemini
    (400, "prompt is too long: 5000 tokens > 4096 maximum"),  # Anthropic
    (400, "Trying to keep the first 5000 tokens, but the model has a context length of 4096"),  # LM Studio
    (413, "Please reduce the length of the messages or completion."),  # Groq
    (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096"),  # TGI
    (500, "the input length exceeds the context length"),  # Ollama
]


@pytest.mark.parametrize("lead", [whole, streamed])
@pytest.mark.parametrize(("status", "error"), OVERFLOWS)
async def test_a_window_that_is_too_long_is_trimmed(server: StrictServer, lead: Any, status: int, error: str) -> None:
    server.overflow = Says(status=status, error=error)
    server.longest = 500
    history = [message for n in range(19) for message in (user(f"{n:05}" * 5), assistant("b" * 25))]
    assert await lead(history, "last") == "You said last"
    assert server.heard[0] == PROMPT
    assert server.heard[1] == ("user", "00015" * 5)  # of 20 questions half, and of these half again
    assert len(server.requests) == 3


@pytest.mark.parametrize("lead", [whole, streamed])
async def test_a_question_that_was_too_long_does_not_cost_what_was_said_before(server: StrictServer, lead: Any) -> None:
    server.longest = 500
    before = [user("one"), assistant("two")]
    assert await lead([*before, user("x" * 600), user("y" * 600)], "last") == "You said last"
    assert server.heard == [PROMPT, ("user", "one"), ("assistant", "two"), ("user", "last")]
    assert len(server.requests) == 2


@pytest.mark.parametrize("lead", [whole, streamed])
async def test_a_question_that_is_too_long_alone_is_given_up(server: StrictServer, lead: Any) -> None:
    server.longest = 500
    with pytest.raises(TooLong):
        await lead([user("one"), assistant("two")], "x" * 600)
    assert len(server.requests) == 2


@pytest.mark.parametrize("lead", [whole, streamed])
async def test_another_refusal_is_not_tried_again(server: StrictServer, lead: Any) -> None:
    for status in (400, 422, 429, 500):
        server.answers = [Says(status=status, error="no such thing as a temperature")]
        with pytest.raises(LogicFailed):
            await lead([user("one"), assistant("two")], "last")
    assert len(server.requests) == 4


async def test_a_server_without_stream_options_is_asked_without_from_then_on(server: StrictServer) -> None:
    server.knows_stream_options = False
    assert [await streamed([], "one"), await streamed([], "two")] == ["You said one", "You said two"]
    assert ["stream_options" in request for request in server.requests] == [True, False, False]


@pytest.mark.parametrize("lead", [whole, streamed])
async def test_a_graph_without_tools_sends_none(
    server: StrictServer, monkeypatch: pytest.MonkeyPatch, lead: Any
) -> None:
    monkeypatch.setattr(logic, "TOOLS", [])
    monkeypatch.setattr(runner, "graph", logic.build_graph(build_model(settings(server))))
    assert await lead([], "hello") == "You said hello"
    assert "tools" not in server.requests[-1]


@pytest.mark.parametrize("lead", [whole, streamed])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "registry.ollama.ai/library/gemma:2b does not support tools"),
        (404, 'No endpoints found that support tool use. Try disabling "add".'),
        (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
        (500, "tools param requires --jinja flag"),
        (400, "`tool calling` is not supported with this model"),
    ],
)
async def test_a_model_without_tools_is_called_so(server: StrictServer, lead: Any, status: int, error: str) -> None:
    server.answers = [Says(status=status, error=error)]
    with pytest.raises(LogicFailed, match=r"LLM_MODEL.*TOOLS = \[\]"):
        await lead([], "hello")


@pytest.mark.parametrize("lead", [whole, streamed])
async def test_what_a_filter_refuses_does_not_end_the_conversation(server: StrictServer, lead: Any) -> None:
    server.unheard = "dynamite"
    with pytest.raises(Declined):
        await lead([user("one"), assistant("two")], "dynamite")
    assert await lead([user("one"), assistant("two"), user("dynamite")], "last") == "You said last"
    assert server.heard == [PROMPT, ("user", "one"), ("assistant", "two"), ("user", "last")]


THINKING = [
    (("<think>secret</think>\n\nFour.",), "Four."),
    (("<th", "ink>se", "cret</t", "hink", ">\n", "\nFo", "ur."), "Four."),
    (("\n<think>\n\n</think>", "\n\nFour."), "Four."),
    (("<thinking>secret</thinking><think>secret</think>Four.",), "Four."),
    (("Well. <think>sec", "ret</think>Four."), "Well. Four."),
    (("Well.\n<think>sec", "ret"), "Well.\n"),
    (("secret\nsecret\n</think>\n\nFour.",), "Four."),
    (("The tag `<think>` is ", "one, and a <b is", " none."), "The tag `<think>` is one, and a <b is none."),
    (("Is 3 <th", "4? No."), "Is 3 <th4? No."),
    (("Is 3 <th",), "Is 3 <th"),
    (("Not closed: <think> in a line",), "Not closed: <think> in a line"),
]


def test_a_server_that_falls_silent_is_not_taken_for_another_one() -> None:
    with pytest.raises(LogicFailed, match="LLM_TIMEOUT"), _readable():
        raise StreamChunkTimeoutError(5, model_name="m", chunks_received=3)


def test_tags_that_nothing_closes_do_not_hold_up_the_others() -> None:
    seconds = {}
    for many in (2_000, 40_000):
        text = "<think>" * many
        started = time.perf_counter()
        assert without_reasoning(f"Well. {text}") == f"Well. {text}"
        seconds[many] = time.perf_counter() - started
    assert seconds[40_000] < 100 * max(seconds[2_000], 0.001), "twenty times as much may take twenty times as long"


@pytest.mark.parametrize(("pieces", "shown"), THINKING)
async def test_reasoning_is_neither_shown_nor_stored(server: StrictServer, pieces: tuple[str, ...], shown: str) -> None:
    for answer in (Says(pieces), Says(pieces, more={"reasoning_content": "secret", "reasoning": "secret"})):
        server.answers = [answer, answer]
        said = await runner.answer([], "two and two?", Context())
        items = [item async for item in runner.stream([], "two and two?", Context())]
        tokens = [item["text"] for item in items if isinstance(item, dict) and item["type"] == "token"]
        assert said[-1].content == shown
        assert said[-1] == items[-1]
        assert len(said) == 1
        if not pieces[0].startswith("secret"):  # else it is shown before it is known what it is
            assert "".join(tokens) == shown


async def test_reasoning_before_a_call_is_not_stored_either(server: StrictServer) -> None:
    says = [Says(("<think>secret</think>",), calls=(("add", '{"a": 2, "b": 3}'),), finish="tool_calls"), Says(("5",))]
    server.answers = [*says, *says]
    said = await runner.answer([], "please add", Context())
    kept = [item async for item in runner.stream([], "please add", Context()) if isinstance(item, Message)]
    assert [message.role for message in said] == ["assistant", "tool", "assistant"]
    for messages in (said, kept):
        assert "secret" not in str(messages)


@pytest.mark.parametrize("calls", [1, 2])
async def test_what_is_said_before_a_call_is_a_paragraph_of_the_reply(server: StrictServer, calls: int) -> None:
    adds = Says(("Let me ", "add these."), calls=(("add", '{"a": 2, "b": 3}'),), finish="tool_calls")
    says = [adds] * calls + [Says(("The sum ", "is 5."))]
    text = "Let me add these.\n\n" * calls + "The sum is 5."
    server.answers = [*says, *says]
    said = await runner.answer([], "please add", Context())
    items = [item async for item in runner.stream([], "please add", Context())]
    kept = [item for item in items if isinstance(item, Message)]
    assert "".join(item["text"] for item in items if isinstance(item, dict) and item["type"] == "token") == text
    for messages in (said, kept):
        read = [message.content for message in messages if message.role == "assistant" and message.content]
        assert read == [text]
        await runner.answer([user("please add"), *messages], "last", Context())
        expected: list[tuple[str, str | None]] = [("assistant", "Let me add these."), ("tool", "5")] * calls
        assert server.heard[1:] == [
            ("user", "please add"),
            *expected,
            ("assistant", "The sum is 5."),
            ("user", "last"),
        ]


@pytest.mark.parametrize(
    ("says", "finish", "text"),
    [
        (Says(("Once upon",), finish="length"), "length", "Once upon"),
        (Says(("<think>on and on",), finish="length"), "length", "I have no answer: all the tokens"),
        (Says(more={"reasoning_content": "on and on"}, finish="length"), "length", "I have no answer: all the tokens"),
        (Says(calls=(("add", '{"a": 2'),), finish="length"), "length", "I have no answer: all the tokens"),
        (Says(("Once",), finish="content_filter"), "content_filter", "Once"),
        (Says(finish="content_filter"), "content_filter", "I have no answer: the model refuses"),
        (Says(more={"refusal": "I cannot help with that."}), "content_filter", "I cannot help with that."),
    ],
)
async def test_an_incomplete_reply_says_why(server: StrictServer, says: Says, finish: str, text: str) -> None:
    server.answers = [says, says]
    (whole_reply,) = await runner.answer([], "hello", Context())
    items: list[Any] = [item async for item in runner.stream([], "hello", Context())]
    assert whole_reply.content.startswith(text)
    assert whole_reply.finish_reason == finish
    assert items[-1] == whole_reply
    assert "".join(item["text"] for item in items[:-1]) == whole_reply.content


@pytest.mark.parametrize("lead", [whole, streamed])
@pytest.mark.parametrize(
    "says",
    [
        Says(),
        Says((" \n",)),
        Says(("<think>done</think>",)),
        Says(calls=(("add", '{"a": 2,'),), finish="tool_calls"),
        Says(("Let me add.",), calls=(("add", "{'a': 2}"),), finish="tool_calls"),
        Says(calls=(("add", "[2, 3]"),), finish="tool_calls"),
    ],
)
async def test_no_reply_is_no_answer(server: StrictServer, lead: Any, says: Says) -> None:
    server.answers = [says]
    with pytest.raises(NoReply):
        await lead([], "hello")


@pytest.mark.parametrize("lead", [whole, streamed])
async def test_a_tool_without_arguments_is_called(server: StrictServer, lead: Any) -> None:
    server.answers = [Says(calls=(("now", ""),), finish="tool_calls")]
    assert (await lead([], "what time is it?")).endswith("+00:00")
