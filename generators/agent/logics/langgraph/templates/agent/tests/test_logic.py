"""What the agent does with a message, with a model that says what the test wants."""

import pytest

import logic
from three_tier.agent.langgraph.testing import Conversation, ScriptedModel, calling

pytestmark = pytest.mark.anyio


async def test_the_result_of_a_tool_reaches_the_model() -> None:
    model = ScriptedModel(replies=[calling("add", a=17, b=25), "It is 42."])
    talk = Conversation(logic.build_graph(model))
    assert await talk.say("What is 17 plus 25?") == "It is 42."
    prompt, question, call, result = model.heard[-1]
    assert (prompt.text, question.text) == (logic.PROMPT, "What is 17 plus 25?")
    assert (call.type, result.type, result.text) == ("ai", "tool", "42")


async def test_the_model_hears_what_was_said_before() -> None:
    model = ScriptedModel(replies=["Hello Ann.", "You are Ann."])
    talk = Conversation(logic.build_graph(model))
    await talk.say("I am Ann.")
    assert await talk.say("Who am I?") == "You are Ann."
    assert [message.text for message in model.heard[-1][1:]] == ["I am Ann.", "Hello Ann.", "Who am I?"]


async def test_the_time_is_that_of_utc() -> None:
    assert (await logic.now.ainvoke({})).endswith("+00:00")
