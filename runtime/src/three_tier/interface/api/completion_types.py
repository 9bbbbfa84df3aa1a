"""What OpenAI's clients of chat completions send and get, as far as the agent can do it."""

import time
from typing import Any, Literal

from pydantic import BaseModel, Field

from three_tier.interface.agent_types import FINISH_HELP

STARTED = int(time.time())


# What callers send. OpenAI's clients send much more than this; what is not here has no effect.


KINDS = {"image_url": "an image", "input_audio": "a recording", "file": "a file"}
NOTE = "[Here was {kind}, which this agent cannot read.]"


class Part(BaseModel):
    """A part of a message's content."""

    type: str = Field(examples=["text"])
    text: str | None = None

    @property
    def kind(self) -> str:
        """What it is, where it is no text."""
        return KINDS.get(self.type, "something that is no text")


class Said(BaseModel):
    """A message of the conversation."""

    role: str = Field(examples=["user"])
    content: str | list[Part] | None = Field(None, examples=["Hello!"])

    @property
    def parts(self) -> list[Part]:
        """What it is made of."""
        return self.content if isinstance(self.content, list) else [Part(type="text", text=self.content)]

    @property
    def others(self) -> list[Part]:
        """Its parts that are no text."""
        return [part for part in self.parts if part.type != "text"]

    @property
    def text(self) -> str:
        """What was said, with a note in the place of each part that is no text."""
        return "".join(NOTE.format(kind=part.kind) if part in self.others else part.text or "" for part in self.parts)


class StreamOptions(BaseModel):
    """Options of a stream."""

    include_usage: bool | None = False


class ResponseFormat(BaseModel):
    """The form of the reply."""

    type: str = Field("text", examples=["text"])


class Ask(BaseModel):
    """A conversation whose last message is to be answered."""

    model: str = Field(description="The name of the agent, as /v1/models tells it.", examples=["agent"])
    messages: list[Said] = Field(min_length=1)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    metadata: dict[str, str] | None = Field(
        None, description="`thread_id` continues a thread; all else is passed on to the agent's logic.", examples=[{}]
    )
    n: int | None = Field(1, description="1 is all there is.")
    tools: list[Any] | None = Field(None, description="None: the agent has tools of its own.", examples=[[]])
    functions: list[Any] | None = Field(None, description="None, as tools.", examples=[[]])
    response_format: ResponseFormat | None = None


# What callers get


class Model(BaseModel):
    """The agent, as a model."""

    id: str
    object: Literal["model"] = "model"
    created: int = STARTED
    owned_by: str = "agent"


class Models(BaseModel):
    """All models: the agent."""

    object: Literal["list"] = "list"
    data: list[Model]


class Usage(BaseModel):
    """Tokens that the reply took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Answer(BaseModel):
    """The message of the reply."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    """The one reply."""

    index: Literal[0] = 0
    message: Answer
    logprobs: None = None
    finish_reason: str = Field(description=FINISH_HELP, examples=["stop"])


class Completion(BaseModel):
    """The reply."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None
    metadata: dict[str, str] = Field(description="`thread_id` where the message was stored.")
