"""How a command is found and carried out, with commands of the tests."""

import pytest
from pydantic import BaseModel

from three_tier.agent.business.commands import Commands, Refused, Request, Unknown
from three_tier.agent.context import Context

pytestmark = pytest.mark.anyio


class Notes(BaseModel):
    lines: list[str] = []


commands = Commands(Notes)


@commands.on(r"note (.+?)(?: (\d+) times)?", replay=True)
async def note(request: Request[Notes], line: str, times: str | None) -> str:
    """“note this” keeps a line.

    Or several of them.
    """
    request.state.lines += [line] * int(times or 1)
    return f"{len(request.state.lines)} for {request.metadata['who']}"


@commands.on("note nothing")
async def hidden(_: Request[Notes]) -> str:
    return "never called, because the command above fits too"


@commands.on("refuse")
async def refuse(request: Request[Notes]) -> str:
    request.state.lines.append("half done")
    raise Refused("no")


def said(message: str) -> Request[Notes]:
    return Request(Notes(lines=["first"]), message, Context(metadata={"who": "ann"}))


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        ("note this", ["this"]),
        ("  Note   THIS !", ["THIS"]),
        ("please note this, please.", ["this"]),
        ("note this 2 times", ["this", "this"]),
        ("note nothing", ["nothing"]),
        ("note this\n\n  that ", ["this, that"]),
        ("note \u05d7\u05dc\u05d1 \U0001f95b", ["\u05d7\u05dc\u05d1 \U0001f95b"]),
    ],
)
async def test_the_first_command_that_fits_gets_what_its_pattern_captures(message: str, lines: list[str]) -> None:
    request = said(message)
    assert await commands.carry_out(request) == f"{1 + len(lines)} for ann"
    assert request.state.lines == ["first", *lines]


@pytest.mark.parametrize("message", ["note", "notes this", "so note this", "", " ", "?", "please", "\u2028"])
async def test_what_fits_no_command_is_unknown(message: str) -> None:
    with pytest.raises(Unknown):
        await commands.carry_out(said(message))


async def test_a_command_that_raises_changes_nothing() -> None:
    request = said("refuse")
    with pytest.raises(Refused, match="no"):
        await commands.carry_out(request)
    assert request.state.lines == ["first"]


def test_which_commands_are_carried_out_again() -> None:
    assert [commands.can_replay(message) for message in ("note this", "refuse", "something else")] == [
        True,
        False,
        False,
    ]


def test_the_help_is_the_first_line_of_the_docstring() -> None:
    assert [command.help for command in commands.all] == ["“note this” keeps a line.", "", ""]
