"""What our agent is measured beside, by STORE:

echo        bare FastAPI: a body that is validated, and an answer
none        the graph of logic.py with nothing stored
checkpoint  the graph under LangGraph's checkpointer for PostgreSQL, with its defaults
exit        the same, which writes once, at the end of a run

The first two also stream, in the events of our agent: what the offline model says, echo without asking it.
"""

import asyncio
import json
import os
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from langchain_core.messages import AIMessageChunk, HumanMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from logic import build_graph
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel
from three_tier.agent.langgraph.model import ModelSettings, build_model

STORE = os.environ["STORE"]
POOL = 10  # connections, as many as our agent's

settings = ModelSettings()
graph = build_graph(build_model(settings))
options: dict[str, Any] = {"durability": "exit"} if STORE == "exit" else {}


class Question(BaseModel):
    message: str
    thread_id: str | None = None


class Answer(BaseModel):
    thread_id: str
    reply: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    if STORE in {"echo", "none"}:
        app.state.graph = graph
        yield
        return
    connection = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(os.environ["DATABASE_URL"], min_size=POOL, max_size=POOL, kwargs=connection) as pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        app.state.graph = graph.builder.compile(checkpointer=saver)
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/invoke")
async def invoke(question: Question) -> Answer:
    thread_id = question.thread_id or str(uuid.uuid4())
    if STORE == "echo":
        return Answer(thread_id=thread_id, reply=question.message)
    config = {"configurable": {"thread_id": thread_id}}
    state = await app.state.graph.ainvoke({"messages": [HumanMessage(question.message)]}, config, **options)
    return Answer(thread_id=thread_id, reply=state["messages"][-1].text)


@app.post("/stream", response_class=EventSourceResponse)
async def stream(question: Question) -> AsyncIterator[ServerSentEvent]:
    yield _event({"type": "metadata", "thread_id": str(uuid.uuid4())})
    said = ""
    async for token in _echo(question.message) if STORE == "echo" else _think(question.message):
        said += token
        yield _event({"type": "token", "text": token})
    yield _event({"type": "message", "content": said, "usage": None})
    yield ServerSentEvent(raw_data="[DONE]")


async def _echo(message: str) -> AsyncIterator[str]:
    text = f"I am the offline model: set OPENAI_API_KEY for a real one. Message 1 was: {message}"
    for word in re.findall(r"\s*\S+", text):
        await asyncio.sleep(settings.llm_offline_delay)
        yield word


async def _think(message: str) -> AsyncIterator[str]:
    async for chunk, _ in graph.astream({"messages": [HumanMessage(message)]}, stream_mode="messages"):
        if isinstance(chunk, AIMessageChunk) and chunk.text:
            yield chunk.text


def _event(data: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(event=data["type"], raw_data=json.dumps(data, separators=(",", ":")))


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=8000, access_log=False, log_level="warning")
