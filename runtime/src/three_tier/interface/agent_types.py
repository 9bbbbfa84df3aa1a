"""What the agent says, typed. Fields that a newer agent adds are ignored, in events they are kept."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FINISH_HELP = "`length` where the reply is cut off, `content_filter` where the model keeps it or the rest of it back."


class Info(BaseModel):
    """The agent about itself."""

    name: str
    version: str = ""
    engine: str = ""
    offline: bool = False


class Thread(BaseModel):
    """A conversation in a list of conversations."""

    thread_id: str
    title: str | None = None
    created_at: datetime
    updated_at: datetime


class Message(BaseModel):
    """A message in the history of a thread."""

    id: int
    role: Literal["user", "assistant", "tool"]
    content: str
    finish_reason: str = Field("stop", description=FINISH_HELP)
    created_at: datetime


class Threads(BaseModel):
    """A page of conversations, the newest first."""

    data: list[Thread]
    has_more: bool = Field(description="Whether there are older ones: ask again with `before`.")


class Messages(BaseModel):
    """A page of a thread's messages, the newest last."""

    data: list[Message]
    has_more: bool = Field(description="Whether there are older ones: ask again with `before`.")


class Created(BaseModel):
    """A thread that was just made."""

    thread_id: str


class Usage(BaseModel):
    """Tokens that a reply took."""

    model_config = ConfigDict(extra="allow")

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0


class Reply(BaseModel):
    """The agent's answer to a message."""

    thread_id: str | None = Field(description="null where nothing was stored.")
    reply: str
    finish_reason: str = Field("stop", description=FINISH_HELP)
    usage: Usage | None = None


class Event(BaseModel):
    """One event of a streamed answer.

    `metadata` comes first (thread_id), then `token` (text) and `tool` (name, result) in any number, then `message`
    (content, finish_reason, usage), the whole reply. `error` (status, detail) ends a stream that broke. `ping` says
    that the agent is still at work.
    """

    model_config = ConfigDict(extra="allow")

    type: str
    thread_id: str | None = None
    text: str = ""
    name: str = ""
    result: Any = None
    content: str = ""
    finish_reason: str = "stop"
    usage: Usage | None = None
    status: int = 500
    detail: str = ""


class WrongField(BaseModel):
    """A field of a request that the agent does not take."""

    field: str
    message: str


class Question(BaseModel):
    """A message to the agent."""

    message: str
    thread_id: str | None = None
    history: list[dict[str, str]] | None = None  # earlier messages of a caller that stores them itself
    metadata: dict[str, str] | None = None
