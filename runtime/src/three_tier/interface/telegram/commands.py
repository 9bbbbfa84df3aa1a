"""Commands of the project's own, beside those that are built in."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

NAME = re.compile(r"[a-z0-9_]{1,32}")  # what Telegram takes
LONGEST_DESCRIPTION = 256  # characters
BUILT_IN = ("start", "help", "new", "history")


@dataclass(frozen=True)
class Call:
    """A command that somebody has sent, and the agent of its chat.

    Attributes:
        text: What follows the command: `2 milk` in `/add 2 milk`.
        chat: Telegram's number of the chat, negative where it is a group.
        user: Telegram's number of who wrote it: of a person, or of the group or channel in whose name it was written.
        name: How they are called.
        owner: By which name the agent knows the chat, or the topic of it.
        key: Names the message. A message that is delivered again has the same key, so give it to what may be done once.
    """

    text: str
    chat: int
    user: int
    name: str
    owner: str
    key: str
    ask_agent: Callable[[str, str], Awaitable[str]] = field(repr=False)
    _asked: list[str] = field(default_factory=list, repr=False)

    async def ask(self, message: str) -> str:
        """The agent's answer to a message, in the conversation of the chat, which keeps both.

        However often the command is carried out, each of its questions is asked once. An agent that is away is waited
        for.

        Raises:
            Refused: The agent has no answer. Left alone, it is explained to the person.
        """
        self._asked.append(message)
        return await self.ask_agent(message, f"{self.key}:{len(self._asked)}")


type Handler = Callable[[Call], Awaitable[str]]


@dataclass(frozen=True)
class Command:
    """A command that Telegram shows in the bot's menu."""

    name: str
    description: str
    run: Handler


class Commands:
    """The commands of a project.

    Whoever is not in ALLOWED_USERS, or writes too much, gets no further than with any other message. A message is
    confirmed to Telegram once its reply has arrived; where the process ends before, it is delivered again, and the
    command is carried out again.
    """

    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}

    def command(self, name: str) -> Callable[[Handler], Handler]:
        """Make the function below the command `/name`: what it returns is the reply, Markdown.

        The first line of its docstring is the description in Telegram's menu and in /help.

        Raises:
            ValueError: Telegram does not take the name or the description, or the name is taken.
        """
        if not NAME.fullmatch(name):
            raise ValueError(f"/{name} is no command: a name has up to 32 of the characters a-z, 0-9 and _.")
        if name in BUILT_IN or name in self._commands:
            raise ValueError(f"/{name} is there already: give the command another name.")

        def add(run: Handler) -> Handler:
            description = (run.__doc__ or "").strip().partition("\n")[0].rstrip(".")
            if not 0 < len(description) <= LONGEST_DESCRIPTION:
                raise ValueError(f"/{name} needs a docstring, whose first line describes it in at most 256 characters.")
            self._commands[name] = Command(name, description, run)
            return run

        return add

    @property
    def all(self) -> Mapping[str, Command]:
        """The commands by their names."""
        return self._commands
