"""What our agent is measured beside, by STORE:

echo        bare FastAPI: a body that is validated, and an answer
none        the graph of logic.py with nothing stored
checkpoint  the graph under LangGraph's checkpointer for PostgreSQL, with its defaults
exit        the same, which writes once, at the end of a run
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from logic import build_graph
from model import ModelSettings, build_model
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

STORE = os.environ["STORE"]
POOL = 10  # connections, as many as our agent's

graph = build_graph(build_model(ModelSettings()))
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


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=8000, access_log=False, log_level="warning")
