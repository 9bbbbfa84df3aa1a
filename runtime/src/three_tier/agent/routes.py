"""The agent's HTTP API."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from three_tier.agent.auth import KEY, NAME, OWNER, Owner, bearer, described, named
from three_tier.agent.contract import ALL, FinishReason, Memory, Message, Revocation, Turn, Unavailable
from three_tier.agent.problems import REFUSED, explain, problem, reason
from three_tier.agent.transfer import Refused, move_all
from three_tier.agent.turns import Turns, thread_of

VERSION = "1.0.0"

log = structlog.get_logger("routes")
public = APIRouter()
router = APIRouter(responses=REFUSED)

OWNED = described(OWNER)
KEYED = described(OWNER, KEY)


# What callers send


def _storable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain lone surrogates") from None
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


Storable = AfterValidator(_storable)  # stands after the limits of a text, which else counts as a list of items
type Name = Annotated[str, Field(pattern=NAME)]
type ThreadId = Annotated[str, Path(pattern=NAME)]
type MetadataKey = Annotated[str, Field(min_length=1, max_length=128), Storable]
type MetadataValue = Annotated[str, Field(max_length=1_000), Storable]
type Moment = Annotated[int, Field(ge=0, lt=2**42, description="Milliseconds since 1970.")]
type Limit = Annotated[int, Query(ge=1, le=200)]


class Body(BaseModel):
    """A request body: fields that are not known are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid")


class Said(Body):
    """An earlier message, sent by a caller that remembers by itself."""

    role: Literal["system", "user", "assistant"]
    content: Annotated[str, Field(max_length=100_000), Storable]


class Ask(Body):
    """A message to the agent: for a thread, for a new one, or with a history of its own and not stored."""

    message: Annotated[str, Field(min_length=1, max_length=32_000), Storable]
    thread_id: Name | None = None
    history: Annotated[list[Said], Field(max_length=500)] | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)] = {}


class Titled(Body):
    """The title of a thread."""

    title: Annotated[str, Field(max_length=200), Storable] | None = None


class Kept(Body):
    """A message that is stored and not answered."""

    message: Annotated[str, Field(min_length=1, max_length=32_000), Storable]


class Owned(Body):
    """Who is to have the threads."""

    owner: Name


class Ended(Body):
    """A session that counts no more, or all that were opened by a moment."""

    session: Name | None = Field(None, description="Its id; without one, all of the owner's.")
    opened_by: Annotated[Moment, Field(strict=True)]
    expires_at: Annotated[Moment, Field(strict=True)]


BODIES = (Ask, Said, Titled, Kept, Owned, Ended)
FIELDS = frozenset({*(name for body in BODIES for name in body.model_fields), "limit", "before", "opened_at"})


# What callers get


class Reply(BaseModel):
    """The answer to a message."""

    thread_id: str | None
    reply: str
    finish_reason: FinishReason
    usage: dict[str, int] | None


class ThreadItem(BaseModel):
    """A thread in a list."""

    thread_id: str
    title: str | None
    created_at: datetime
    updated_at: datetime


class MessageItem(BaseModel):
    """A message in a list."""

    id: int
    role: str
    content: str
    finish_reason: FinishReason
    created_at: datetime | None


class Page[Item](BaseModel):
    """A part of a list, and whether there is more before it."""

    data: list[Item]
    has_more: bool


# What the agent says about itself


@public.get("/live")
async def live() -> dict[str, str]:
    """Whether the process runs."""
    return {"status": "ok"}


@public.get("/health", responses={503: REFUSED[503]})
async def health(request: Request) -> JSONResponse:
    """Whether the agent can work: 503 while the database does not answer. The log says when that changes."""
    state = request.app.state
    try:
        await _memory(request).ping()
    except Unavailable as error:
        if state.database_answers:
            state.database_answers = False
            log.warning("the database does not answer", reason=str(error))
        return problem(503, "The agent's database does not answer.", database="unreachable")
    if state.database_answers is False:
        log.info("the database answers again")
    state.database_answers = True
    return JSONResponse({"status": "ok", "database": "ok"})


@router.get("/info", dependencies=[Depends(bearer)])
async def info(request: Request) -> dict[str, str | bool]:
    """What this agent is."""
    logic = _turns(request).logic
    return {"name": request.app.title, "version": VERSION, "engine": logic.engine, "offline": logic.offline}


@router.get("/metrics", dependencies=[Depends(bearer)], response_class=PlainTextResponse)
async def metrics() -> Response:
    """Figures for Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


# Turns


async def open_turn(request: Request, ask: Ask, owner: Owner) -> AsyncIterator[Turn]:
    """Admit the message, and hold its thread. As a dependency it refuses before a stream has sent its status."""
    key = named(request, KEY)
    if ask.history is not None:
        if ask.thread_id is not None:
            raise HTTPException(422, "Send history or thread_id, not both.")
        history = [Message(said.role, said.content) for said in ask.history]
        async with _turns(request).place():
            yield Turn(owner, None, "", "", ask.message, history, metadata=ask.metadata)
        return
    async with _turns(request).open(owner, ask.thread_id, key, ask.message) as turn:
        turn.metadata = ask.metadata
        yield turn


@router.post("/invoke", openapi_extra=KEYED)
async def invoke(request: Request, ask: Ask, owner: Owner) -> Reply:
    """Answer a message, in a thread once for each Idempotency-Key."""
    async with asynccontextmanager(open_turn)(request, ask, owner) as turn:
        answer = await _turns(request).answer(turn)
    return Reply(thread_id=turn.thread_id, reply=answer.content, finish_reason=answer.finish_reason, usage=answer.usage)


@router.post("/stream", response_class=EventSourceResponse, openapi_extra=KEYED)
async def stream(request: Request, turn: Annotated[Turn, Depends(open_turn)]) -> AsyncIterator[ServerSentEvent]:
    """Answer a message as server-sent events: metadata, token and tool events, message or error, [DONE]."""
    yield _event({"type": "metadata", "thread_id": turn.thread_id})
    try:
        async for event in _turns(request).stream(turn):
            yield _event(event)
    except Exception as error:  # the status is sent already, so the refusal travels as an event
        status, detail = explain(error)
        log.warning("stream failed", status=status, reason=reason(error), exc_info=error)
        yield _event({"type": "error", "status": status, "detail": detail})
    yield ServerSentEvent(raw_data="[DONE]")


def _event(data: Mapping[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(event=data["type"], raw_data=json.dumps(data, separators=(",", ":")))


# Threads


@router.post("/threads", status_code=201, openapi_extra=KEYED)
async def create_thread(request: Request, owner: Owner, body: Titled | None = None) -> dict[str, str]:
    """Make an empty thread, one for each Idempotency-Key."""
    key = named(request, KEY)
    thread_id = thread_of(owner, key, "created") if key else None
    return {"thread_id": await _memory(request).create(owner, body.title if body else None, thread_id)}


@router.post("/messages", status_code=201, openapi_extra=KEYED)
async def keep_message(request: Request, owner: Owner, body: Kept) -> dict[str, str]:
    """Store a message in a thread of its own without answering it, once for each key."""
    async with _turns(request).open(owner, None, named(request, KEY), body.message, to_answer=False) as turn:
        return {"thread_id": str(turn.thread_id)}


@router.get("/threads", openapi_extra=OWNED)
async def list_threads(
    request: Request, owner: Owner, limit: Limit = 50, before: Annotated[str | None, Query(pattern=NAME)] = None
) -> Page[ThreadItem]:
    """The owner's threads, newest first."""
    found = await _memory(request).threads(owner, limit + 1, before)
    items = [
        ThreadItem(thread_id=thread.id, title=thread.title, created_at=thread.created_at, updated_at=thread.updated_at)
        for thread in found[:limit]
    ]
    return Page(data=items, has_more=len(found) > limit)


@router.patch("/threads", status_code=204, openapi_extra=OWNED)
async def move_threads(request: Request, owner: Owner, body: Owned) -> None:
    """Give all threads of the owner to another one. May be repeated, and none of them may be in use."""
    try:
        await move_all(_memory(request), owner, body.owner)
    except Refused as refused:
        raise HTTPException(422, "The other owner has a thread of the same id that is not the same.") from refused


@router.patch("/threads/{thread_id}", status_code=204, openapi_extra=OWNED)
async def rename_thread(request: Request, thread_id: ThreadId, owner: Owner, body: Titled) -> None:
    """Give a thread another title."""
    await _memory(request).rename(owner, thread_id, body.title)


@router.delete("/threads/{thread_id}", status_code=204, openapi_extra=OWNED)
async def delete_thread(request: Request, thread_id: ThreadId, owner: Owner) -> None:
    """Delete a thread and its messages."""
    await _memory(request).delete(owner, thread_id)


@router.get("/threads/{thread_id}/messages", openapi_extra=OWNED)
async def list_messages(
    request: Request,
    thread_id: ThreadId,
    owner: Owner,
    limit: Limit = 50,
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Page[MessageItem]:
    """The newest messages, or those before the id `before`; a page reads downwards, its newest message last."""
    found = await _memory(request).messages(owner, thread_id, limit + 1, before)
    items = [
        MessageItem(
            id=message.id,
            role=message.role,
            content=message.content,
            finish_reason=message.finish_reason,
            created_at=message.created_at,
        )
        for message in reversed(found[:limit])
    ]
    return Page(data=items, has_more=len(found) > limit)


# Sessions of people. An interface opens them, which keeps nothing; so it is the agent that knows which were ended.


@router.post("/revocations", status_code=204, openapi_extra=OWNED)
async def revoke(request: Request, owner: Owner, body: Ended) -> None:
    """End a session of the owner, or all of them, for as long as they could last."""
    times = (_moment(body.opened_by), _moment(body.expires_at))
    await _memory(request).revoke(Revocation(owner, body.session or ALL, *times))


@router.get("/revocations/{session}", openapi_extra=OWNED)
async def is_revoked(
    request: Request, owner: Owner, session: Annotated[str, Path(pattern=NAME)], opened_at: Annotated[Moment, Query()]
) -> dict[str, bool]:
    """Tell whether a session of the owner was ended."""
    return {"revoked": await _memory(request).is_revoked(owner, session, _moment(opened_at))}


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


def _memory(request: Request) -> Memory:
    memory: Memory = request.app.state.turns.memory
    return memory


def _turns(request: Request) -> Turns:
    turns: Turns = request.app.state.turns
    return turns
