"""The shopping list, as a person talks to it."""

import time
from typing import Any

import pytest

from tests.samples import sample
from three_tier.agent.business import Request

pytestmark = pytest.mark.anyio

logic = sample("business")
shopping = sample("business", "shopping")
LONGEST_NAME, MOST_OF_ONE, MOST_THINGS = shopping.LONGEST_NAME, shopping.MOST_OF_ONE, shopping.MOST_THINGS


class Talk:
    """A conversation with the commands."""

    def __init__(self, **things: int) -> None:
        self.request: Request[Any] = Request(logic.commands.state(things=things), "")

    async def say(self, message: str) -> str:
        self.request.message = message
        reply: str = await logic.reply_to(self.request)
        return reply

    @property
    def things(self) -> dict[str, int]:
        things: dict[str, int] = self.request.state.things
        return things


@pytest.mark.parametrize(
    ("message", "things"),
    [
        ("add milk", {"milk": 1}),
        ("Add milk.", {"milk": 1}),
        ("Please add some milk to my shopping list!", {"milk": 1}),
        ("put the milk on the list", {"milk": 1}),
        ("buy 2 milk", {"milk": 2}),
        ("get 2x milk", {"milk": 2}),
        ("add 2 x milk", {"milk": 2}),
        ("add two milk, an apple and 3 kg of flour", {"milk": 2, "apple": 1, "kg of flour": 3}),
        ("add milk; bread & ham AND eggs, please", {"milk": 1, "bread": 1, "ham": 1, "eggs": 1}),
        ("add:\n- 2 milk\n- bread\n", {"milk": 2, "bread": 1}),
        ("add milk, 2 Milk and MILK", {"milk": 4}),
        ("add an egg and 2 eggs", {"egg": 3}),
        ("add 7up and x", {"7up": 1, "x": 1}),
        ("add candy, brandy and sand", {"candy": 1, "brandy": 1, "sand": 1}),
        ("add ٣ \u062d\u0644\u064a\u0628", {"\u062d\u0644\u064a\u0628": 3}),
        (f"add {MOST_OF_ONE} nails", {"nails": MOST_OF_ONE}),
    ],
)
async def test_add(message: str, things: dict[str, int]) -> None:
    talk = Talk()
    assert (await talk.say(message)).startswith("Added ")
    assert talk.things == things


@pytest.mark.parametrize(
    ("message", "reply", "things"),
    [
        ("remove milk", "Removed 3 milk. There is one thing on the list now.", {"egg": 1}),
        ("I bought the milk", "Removed 3 milk. There is one thing on the list now.", {"egg": 1}),
        ("remove 1 milk", "Removed milk. There are 2 things on the list now.", {"milk": 2, "egg": 1}),
        ("remove 9 milk", "Removed 3 milk. There is one thing on the list now.", {"egg": 1}),
        ("delete eggs and MILK", "Removed egg and 3 milk. The list is empty now.", {}),
        ("remove ham from the list", "There is no ham on the list.", {"milk": 3, "egg": 1}),
        (
            "remove 2 ham, milk and tea",
            "Removed 3 milk. There is one thing on the list now. There is no ham or tea on the list.",
            {"egg": 1},
        ),
        ("remove everything", "The list is empty now.", {}),
        ("delete my list", "The list is empty now.", {}),
        ("Clear the shopping list!", "The list is empty now.", {}),
    ],
)
async def test_remove_and_clear(message: str, reply: str, things: dict[str, int]) -> None:
    talk = Talk(milk=3, egg=1)
    assert await talk.say(message) == reply
    assert talk.things == things


@pytest.mark.parametrize(
    "message", ["show", "List", "show me my list", "What is on the list?", "what\u2019s on my list"]
)
async def test_show(message: str) -> None:
    assert await Talk(milk=2, bread=1).say(message) == "On the list:\n- 2 milk\n- bread"
    assert await Talk().say(message) == "The list is empty."


@pytest.mark.parametrize("message", ["help", "Hello!", "What can you do?"])
async def test_help_names_every_command(message: str) -> None:
    reply = await Talk().say(message)
    assert all(command.help in reply for command in logic.commands.all)
    assert len(reply.splitlines()) == 1 + len(logic.commands.all)


@pytest.mark.parametrize("message", ["what is add(17, 25)?", "add", "address 5", "?", " "])
async def test_an_unknown_message_is_quoted(message: str) -> None:
    talk = Talk(milk=1)
    reply = await talk.say(message)
    assert f"“{message}”" in reply
    assert "Say “help”" in reply
    assert talk.things == {"milk": 1}
    assert len(await talk.say("?" * 32_000)) < 300


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("add , and", "Please say what"),
        ("remove and", "Please say what"),
        ("add bread and 0 milk", f"between 1 and {MOST_OF_ONE}"),
        ("add bread and 1000 milk", f"between 1 and {MOST_OF_ONE}"),
        ("add bread and " + "9" * 5_000 + " milk", f"between 1 and {MOST_OF_ONE}"),
        (f"add bread and {MOST_OF_ONE} milk", f"More than {MOST_OF_ONE} of one thing"),
        ("add bread and " + "m" * (LONGEST_NAME + 1), f"at most {LONGEST_NAME} characters"),
        ("add " + ",".join(f"thing{n}" for n in range(MOST_THINGS)), f"More than {MOST_THINGS} different things"),
        ("add " + "milk," * (MOST_THINGS + 1), f"More than {MOST_THINGS} things at once"),
    ],
)
async def test_a_refused_command_changes_nothing(message: str, reason: str) -> None:
    talk = Talk(milk=1)
    assert reason in await talk.say(message)
    assert talk.things == {"milk": 1}


async def test_a_command_that_fails_is_answered_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: Any) -> None:
        raise RuntimeError("secret")

    talk = Talk(milk=1)
    monkeypatch.setattr(logic, "how_many", break_down)
    assert await talk.say("add bread") == "That went wrong, and nothing was changed. Please try again later."
    assert talk.things == {"milk": 1}


@pytest.mark.parametrize(
    "message",
    [
        "add /etc/passwd and ../../etc/passwd",
        "add $(id) and `id`; id",
        "add http://127.0.0.1:8000/info",
        "remove __import__('os').system('id')",
        "add {0.__class__} and %s and {{7*7}}",
        "show /etc/passwd",
        "open /etc/passwd",
    ],
)
async def test_no_message_reaches_a_file_or_the_network(message: str, reached: list[str]) -> None:
    talk = Talk(milk=1)
    await talk.say(message)
    reached.clear()
    reply = await talk.say(message)
    assert reached == []
    assert "root:" not in reply
    assert "uid=" not in reply


@pytest.mark.parametrize("piece", [" ", "!", ",", "and ", "a ", "please ", "to the list ", "9", "\n", "- ", "add "])
async def test_the_longest_message_is_read_in_no_time(piece: str) -> None:
    for start in ("", "add ", "remove milk to ", "what is "):
        began = time.process_time()
        await Talk().say((start + piece * 32_000)[:31_999] + "x")
        assert time.process_time() - began < 2
