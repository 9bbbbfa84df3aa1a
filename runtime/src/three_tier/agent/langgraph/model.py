"""The language model: any OpenAI-compatible server, or a built-in stand-in while there is none."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import batched
from typing import Any, override

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCall, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from three_tier.agent.settings import READ_FROM

MOST_PIECES = 500  # of a reply of the stand-in


class ModelSettings(BaseSettings):
    """The variables of the model; a blank one counts as not set."""

    model_config = READ_FROM

    openai_api_key: SecretStr | None = None
    llm_model: str = "gpt-4o-mini"
    llm_base_url: str | None = None  # an OpenAI-compatible server; None: OpenAI
    turn_timeout: float = Field(600, gt=0)  # seconds that the whole turn may take
    llm_timeout: float = Field(60, gt=0)  # seconds that one call may take; turn_timeout where that is less
    llm_retries: int = Field(2, ge=0)  # further attempts at a call that failed
    llm_max_tokens: int = Field(1024, ge=1)  # that one reply may cost
    llm_max_steps: int = Field(12, ge=2)  # model and tool calls in one turn
    llm_offline_delay: float = Field(0, ge=0)  # seconds a word of the stand-in takes, to make streaming visible

    @field_validator("llm_timeout")
    @classmethod
    def _end_with_the_turn(cls, seconds: float, info: ValidationInfo) -> float:
        limit: float = info.data.get("turn_timeout", seconds)
        return min(seconds, limit)

    @property
    def offline(self) -> bool:
        """Neither a key nor a server is set; a server of one's own may need no key."""
        return not (self.openai_api_key or self.llm_base_url)


def build_model(settings: ModelSettings) -> BaseChatModel:
    """The model that the settings describe."""
    if settings.offline:
        return OfflineModel(delay=settings.llm_offline_delay)
    from three_tier.agent.langgraph.provider import ProviderModel  # takes a second that the stand-in does not need

    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line for each call
    budget: dict[str, Any] = {"max_tokens": settings.llm_max_tokens}
    if settings.llm_base_url:  # other servers know the limit by its older name only
        budget = {"extra_body": budget}
    return ProviderModel(
        model=settings.llm_model,
        api_key=settings.openai_api_key or SecretStr("none"),
        base_url=settings.llm_base_url,
        timeout=settings.llm_timeout,
        stream_chunk_timeout=settings.llm_timeout,
        max_retries=settings.llm_retries,
        stream_usage=True,
        use_responses_api=False,
        **budget,
    )


def explain(error: Exception) -> str | None:
    """What to check when a call to the model failed, or None if the error is not the model's."""
    from openai import APIConnectionError, APIError, APIStatusError, AuthenticationError, NotFoundError

    match error:
        case AuthenticationError():
            return "the model's server refused the key: check OPENAI_API_KEY"
        case NotFoundError():
            return "the model's server does not know it: check LLM_MODEL, and LLM_BASE_URL, which usually ends in /v1"
        case APIStatusError():
            return f"the model's server answered {error.status_code} {error.code or ''}".rstrip()
        case APIConnectionError():
            return "the model's server does not answer: check LLM_BASE_URL and LLM_TIMEOUT"
        case APIError():
            return f"the model's server sent an error instead of an answer: {error.code or 'without a code'}"
    return None


class OfflineModel(BaseChatModel):
    """Answers without a network, always the same way, so that the agent runs before it has a key.

    A question that reads like a call of a tool, such as "What is add(2, 3)?", calls it.
    """

    delay: float = 0
    tools: list[BaseTool] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "offline"

    @override
    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """A copy of this model that knows the tools."""
        return self.model_copy(update={"tools": [tool for tool in tools if isinstance(tool, BaseTool)]})

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages))])

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        answer = self._answer(messages)
        if self.delay:
            await asyncio.sleep(self.delay * len(answer.text.split()))
        return ChatResult(generations=[ChatGeneration(message=answer)])

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        answer = self._answer(messages)
        words = re.findall(r"\s*\S+", answer.text)
        for some in batched(words, len(words) // MOST_PIECES + 1):  # all pieces are kept until the last one
            await asyncio.sleep(self.delay * len(some))
            yield ChatGenerationChunk(message=AIMessageChunk(content="".join(some)))
        calls = [
            tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=0)
            for call in answer.tool_calls
        ]
        yield ChatGenerationChunk(
            message=AIMessageChunk(content="", tool_call_chunks=calls, usage_metadata=answer.usage_metadata)
        )

    def _answer(self, messages: list[BaseMessage]) -> AIMessage:
        last = messages[-1]
        if isinstance(last, ToolMessage):
            text = f"I am the offline model. The tool {last.name} says: {last.text}"
        elif call := self._call(last.text, len(messages)):
            return AIMessage("", tool_calls=[call], usage_metadata=_count(messages, ""))
        else:
            asked = sum(message.type == "human" for message in messages)
            text = f"I am the offline model: set OPENAI_API_KEY for a real one. Message {asked} was: {last.text}"
        return AIMessage(text, usage_metadata=_count(messages, text))

    def _call(self, text: str, number: int) -> ToolCall | None:
        for tool in self.tools:
            if found := re.search(rf"\b{tool.name}\(([^()]*)\)", text):
                try:
                    values = json.loads(f"[{found[1]}]")
                except ValueError:
                    continue
                return ToolCall(name=tool.name, args=dict(zip(tool.args, values, strict=False)), id=f"call_{number}")
        return None


def _count(messages: list[BaseMessage], text: str) -> UsageMetadata:
    """Words, where a real model counts tokens."""
    read = sum(len(message.text.split()) for message in messages)
    written = len(text.split())
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
