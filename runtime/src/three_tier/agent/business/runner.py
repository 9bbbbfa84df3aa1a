"""How the commands of logic.py meet the rest of the agent, which knows plain messages only (see contract.Logic)."""

import re
from collections.abc import AsyncGenerator
from itertools import pairwise

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from three_tier.agent.business.commands import Request
from three_tier.agent.contract import Event, Message
from logic import State, commands, reply_to

ENGINE = "commands"
OFFLINE = False
TURN_BYTES = 2**20
DONE = "Done."  # where a command replies nothing


class WindowSettings(BaseSettings):
    """The newest reply of a thread carries what it remembers, so a turn has to read as far back."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    history_window: int = Field(40, ge=10)  # with room for questions after it that were never answered


WindowSettings()  # refuses to start with less


async def answer(history: list[Message], question: str, metadata: dict[str, str]) -> list[Message]:
    """What the turn adds after the question: the reply, and with it what the thread remembers from now on."""
    request = Request(await recall(history), question, metadata)
    reply = await reply_to(request)
    if not reply.strip():  # the command is carried out, and an empty reply would count as a failure
        reply = DONE
    return [Message("assistant", reply, data={"state": request.state.model_dump(mode="json")})]


async def stream(history: list[Message], question: str, metadata: dict[str, str]) -> AsyncGenerator[Event | Message]:
    """The same, word by word, and at the end the message to keep."""
    (reply,) = await answer(history, question, metadata)
    for word in re.findall(r"\S+\s*|\s+", reply.content):
        yield {"type": "token", "text": word}
    yield reply


async def recall(history: list[Message]) -> State:
    """What the thread remembers.

    The newest reply carries it. A caller that keeps the conversation itself sends nothing but texts: its commands are
    carried out again, as far as they do nothing else than change what is remembered.
    """
    for message in reversed(history):
        if message.data and "state" in message.data:
            return commands.state.model_validate(message.data["state"])
    request = Request(commands.state(), "", {})
    for said, reply in pairwise(history):
        if (said.role, reply.role) == ("user", "assistant") and commands.can_replay(said.content):
            request.message = said.content
            await reply_to(request)
    return request.state
