"""Conversations: what the page asks of the agent, on behalf of the one owner of this page."""

from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from three_tier.interface.agent_types import Created, Messages, Question, Threads
from three_tier.interface.http.streams import EventStream, begin, frames
from three_tier.interface.web.gate import Agent, PrivateRoute
from three_tier.interface.web.sessions import OWNER

LONGEST_MESSAGE = 32_000  # characters; the agent takes no more

router = APIRouter(route_class=PrivateRoute)

type ThreadId = Annotated[str, Path(max_length=128)]
type IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", max_length=128)]
type Limit = Annotated[int, Query(ge=1, le=200)]


class Body(BaseModel):
    """Fields that are not known are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid")


class Titled(Body):
    """The title of a conversation."""

    title: str = Field(min_length=1, max_length=200)


class Ask(Body):
    """A message for the agent."""

    message: str = Field(min_length=1)


@router.get("/threads")
async def list_threads(agent: Agent, limit: Limit = 50, before: str | None = None) -> Threads:
    """List conversations, the newest first; `before` is the one that the page comes after."""
    return await agent.threads(OWNER, limit=limit, before=before)


@router.post("/threads", status_code=201)
async def create_thread(body: Titled, agent: Agent, key: IdempotencyKey = None) -> Created:
    """Begin a conversation."""
    return await agent.create_thread(OWNER, body.title, key)


@router.patch("/threads/{thread_id}", status_code=204)
async def rename_thread(thread_id: ThreadId, body: Titled, agent: Agent) -> None:
    """Give a conversation another title."""
    await agent.rename_thread(OWNER, thread_id, body.title)


@router.delete("/threads/{thread_id}", status_code=204)
async def delete_thread(thread_id: ThreadId, agent: Agent) -> None:
    """Delete a conversation."""
    await agent.delete_thread(OWNER, thread_id)


@router.get("/threads/{thread_id}/messages")
async def list_messages(
    thread_id: ThreadId, agent: Agent, limit: Limit = 50, before: Annotated[int | None, Query(ge=1)] = None
) -> Messages:
    """Read a conversation from its end: the newest messages, or those before the id `before`."""
    return await agent.messages(OWNER, thread_id, limit=limit, before=before)


@router.post("/threads/{thread_id}/messages")
async def send_message(
    request: Request, thread_id: ThreadId, body: Ask, agent: Agent, key: IdempotencyKey = None
) -> Response:
    """Send a message; the reply comes as server-sent events while it grows."""
    if len(body.message) > LONGEST_MESSAGE:
        length = f"A message has at most {LONGEST_MESSAGE:,} characters, and this one has {len(body.message):,}."
        raise HTTPException(413, length)
    question = Question(message=body.message, thread_id=thread_id)
    return EventStream(frames(await begin(request, agent.stream(OWNER, question, key))))
