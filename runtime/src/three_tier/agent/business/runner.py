"""How the commands of logic.py meet the rest of the agent, which knows plain messages only (see contract.Logic)."""

import importlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from three_tier.agent.business.commands import Commands, Request
from three_tier.agent.context import Context
from three_tier.agent.contract import Event, Message

DONE = "Done."  # where a command replies nothing


class WindowSettings(BaseSettings):
    """The newest reply of a thread carries what it remembers, so a turn has to read as far back."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    history_window: int = Field(40, ge=10)  # with room for questions after it that were never answered


@asynccontextmanager
async def load() -> AsyncIterator["CommandLogic[Any]"]:
    """The `commands` of logic.py, and its `reply_to` around them."""
    WindowSettings()  # refuses to start with less
    logic = importlib.import_module("logic")
    yield CommandLogic(logic.commands, logic.reply_to)


class CommandLogic[State: BaseModel]:
    """Commands that answer questions.

    Args:
        commands: what they are, and what a thread remembers.
        reply_to: carries one out, or says why not.
    """

    engine = "commands"
    offline = False
    turn_bytes = 2**20

    def __init__(self, commands: Commands[State], reply_to: Callable[[Request[State]], Awaitable[str]]) -> None:
        self.commands = commands
        self.reply_to = reply_to

    async def answer(self, history: list[Message], question: str, context: Context) -> list[Message]:
        """What the turn adds after the question: the reply, and with it what the thread remembers from now on."""
        request = Request(await self.recall(history, context), question, context)
        reply = await self.reply_to(request)
        if not reply.strip():  # the command is carried out, and an empty reply would count as a failure
            reply = DONE
        return [Message("assistant", reply, data={"state": request.state.model_dump(mode="json")})]

    async def stream(self, history: list[Message], question: str, context: Context) -> AsyncGenerator[Event | Message]:
        """The same, word by word, and at the end the message to keep."""
        (reply,) = await self.answer(history, question, context)
        for word in re.findall(r"\S+\s*|\s+", reply.content):
            yield {"type": "token", "text": word}
        yield reply

    async def recall(self, history: list[Message], context: Context) -> State:
        """What the thread remembers.

        The newest reply carries it. A caller that keeps the conversation itself sends nothing but texts: its commands
        are carried out again, as far as they do nothing else than change what is remembered.
        """
        for message in reversed(history):
            if message.data and "state" in message.data:
                return self.commands.state.model_validate(message.data["state"])
        request = Request(self.commands.state(), "", context)
        for said, reply in pairwise(history):
            if (said.role, reply.role) == ("user", "assistant") and self.commands.can_replay(said.content):
                request.message = said.content
                await self.reply_to(request)
        return request.state
