"""For the tests of a graph: a model that says what the test wants, and a person who talks to it."""

from collections.abc import Sequence
from typing import Any, override

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.tool import ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field

from three_tier.agent.context import Context
from three_tier.agent.langgraph.graphs import Graph
from three_tier.agent.langgraph.model import ModelSettings
from three_tier.agent.langgraph.runner import GraphLogic
from three_tier.agent.testing import Talk


def calling(tool: str, **arguments: object) -> AIMessage:
    """What a model says that calls a tool.

    Args:
        tool: the tool's name.
        arguments: what it is called with.
    """
    return AIMessage("", tool_calls=[ToolCall(name=tool, args=arguments, id=f"call-{tool}")])


class ScriptedModel(BaseChatModel):
    """A model that says one reply after the other, and keeps what it has heard.

    Args:
        replies: a text, or an AIMessage such as `calling` makes, for each call.
    """

    replies: Sequence[str | AIMessage]
    heard: list[list[BaseMessage]] = Field(default_factory=list)  # the messages of each call

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @override
    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        return self

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if len(self.heard) == len(self.replies):
            raise AssertionError(f"the model is called once more than it has replies: {messages[-1].text}")
        reply = self.replies[len(self.heard)]
        self.heard.append(list(messages))
        message = AIMessage(reply) if isinstance(reply, str) else reply.model_copy(deep=True)
        return ChatResult(generations=[ChatGeneration(message=message)])


class Conversation(Talk):
    """A thread with a graph.

    Args:
        graph: the compiled graph.
        context: who talks; the fields that the logic reads can be given.
    """

    def __init__(self, graph: Graph, context: Context | None = None) -> None:
        super().__init__(GraphLogic(graph, ModelSettings(openai_api_key=None, llm_base_url=None)), context)
