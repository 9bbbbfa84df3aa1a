"""Routes of a project's own."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Body, HTTPException
from starlette.responses import PlainTextResponse

from tests.interface.api.conftest import KEY as ALICE
from tests.interface.api.conftest import running as serving
from three_tier.interface.api import Agent, IdempotencyKey, Owner, Question, Router
from three_tier.interface.api.settings import Settings
from three_tier.interface.api.testing import KEY, running
from three_tier.interface.http.testing import caller

pytestmark = pytest.mark.anyio


def routes() -> tuple[Router, Router]:
    """Some that need a key, and some that do not."""
    closed, public, nested = Router(prefix="/v1"), Router(public=True), Router()

    @closed.get("/report")
    async def report(owner: Owner) -> dict[str, str]:
        return {"owner": owner}

    @closed.post("/summary")
    async def summary(
        agent: Agent, owner: Owner, text: Annotated[str, Body(embed=True)], key: IdempotencyKey = None
    ) -> str:
        return (await agent.invoke(owner, Question(message=f"Sum up: {text}", history=[]), key)).reply

    @nested.get("/nested")
    async def in_another() -> str:
        return "nested"

    @public.get("/price")
    async def price(owner: Owner) -> str:
        return owner

    @public.post("/order")
    async def order(body: Annotated[dict[str, str], Body()]) -> int:
        return len(body)

    @closed.get("/missing")
    async def missing() -> None:
        raise HTTPException(404, "There is no such report.")

    @closed.get("/defect")
    async def defect() -> None:
        raise RuntimeError("a secret")

    closed.include_router(nested)
    return closed, public


@pytest.mark.parametrize("path", ["/v1/report", "/v1/nested", "/v1/missing", "/v1/defect"])
async def test_route_needs_a_key(path: str) -> None:
    async with running(*routes()) as api:
        assert (await api.stranger.get(path)).status_code == 401
        assert (await api.stranger.get(path, headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await api.caller.get(path)).status_code != 401


async def test_body_is_looked_at_after_the_key() -> None:
    async with running(*routes()) as api:
        assert (await api.stranger.post("/v1/summary", content=b"nonsense")).status_code == 401
        answer = await api.caller.post("/v1/summary", json={"text": 7})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.text")


async def test_handler_knows_who_calls_and_can_ask_the_agent() -> None:
    async with running(*routes()) as api:
        assert (await api.caller.get("/v1/report")).json() == {"owner": "api:tester"}
        api.agent.script["Sum up: a long text"] = "Short."
        assert (await api.caller.post("/v1/summary", json={"text": "a long text"})).json() == "Short."
        assert api.agent.heard == ["Sum up: a long text"]
        assert api.agent.requests[-1].headers["X-Thread-Owner"] == "api:tester"


async def test_the_key_of_the_caller_reaches_the_agent() -> None:
    async with running(*routes()) as api:
        for key in ("k1", "k1", "k2"):
            await api.caller.post("/v1/summary", json={"text": "?"}, headers={"Idempotency-Key": key})
        answer = await api.caller.post("/v1/summary", json={"text": "?"}, headers={"Idempotency-Key": "not a key"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "header.Idempotency-Key")
        assert api.agent.keys == ["k1", "k1", "k2"]


async def test_errors_are_problem_documents() -> None:
    async with running(*routes()) as api:
        for path, status in (("/v1/missing", 404), ("/v1/defect", 500)):
            answer = await api.caller.get(path)
            assert answer.status_code == answer.json()["status"] == status
            assert answer.headers["content-type"] == "application/problem+json"
            assert "secret" not in answer.text
        api.agent.refuse = (409, "Another message is being answered.", {"Retry-After": "2"})
        answer = await api.caller.post("/v1/summary", json={"text": "?"})
        assert (answer.status_code, answer.headers["retry-after"]) == (409, "2")


async def test_public_route_is_bounded_all_the_same() -> None:
    async with running(*routes()) as api:
        assert (await api.stranger.get("/price")).json() == "public"
        assert (await api.caller.get("/price")).json() == "api:tester"
        answer = await api.stranger.post("/order", content=b" " * (2**20 + 1))
        assert answer.status_code == 413


async def test_callers_of_public_routes_share_a_rate(api_settings: Settings) -> None:
    limited = api_settings.model_copy(update={"rate_limit": "2/minute"})
    async with serving(limited, *routes()) as url, caller(url) as stranger:
        assert [(await stranger.get("/price")).status_code for _ in range(3)] == [200, 200, 429]
        known = {"Authorization": f"Bearer {ALICE}"}
        assert (await stranger.get("/price", headers=known)).json() == "api:alice"


async def test_documentation_shows_them_and_which_need_a_key() -> None:
    async with running(*routes()) as api:
        schema = (await api.stranger.get("/openapi.json")).json()
    assert schema["paths"]["/v1/report"]["get"]["security"] == [{"HTTPBearer": []}]
    assert schema["paths"]["/v1/nested"]["get"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in schema["paths"]["/price"]["get"]
    assert "401" not in schema["paths"]["/price"]["get"]["responses"]


def test_what_would_be_open_is_refused() -> None:
    router = Router()
    for add in (
        lambda: router.include_router(APIRouter()),
        lambda: router.mount("/files", PlainTextResponse("all of them")),
        lambda: router.host("files.example", PlainTextResponse("all of them")),
        lambda: router.frontend("/files", directory="/"),
        lambda: router.add_route("/plain", PlainTextResponse("hello")),
        lambda: router.websocket("/socket")(lambda _: None),
        lambda: router.websocket_route("/socket")(lambda _: None),
    ):
        with pytest.raises(TypeError, match="open to everybody"):
            add()
    assert router.routes == []


@pytest.mark.parametrize("public", [True, False])
def test_public_routes_and_others_are_kept_apart(*, public: bool) -> None:
    with pytest.raises(TypeError, match="a Router each"):
        Router(public=public).include_router(Router(public=not public))


async def test_router_of_another_class_is_refused() -> None:
    with pytest.raises(TypeError, match="open to everybody"):
        async with running(APIRouter()):  # type: ignore[arg-type] # it is what the test is about
            pass


async def test_route_that_would_never_be_called_is_refused() -> None:
    router = Router(prefix="/v1")

    @router.get("/threads/{thread_id}/messages")
    async def messages() -> None: ...

    with pytest.raises(ValueError, match=r"^GET /v1/threads/.* is built in"):
        async with running(router):
            pass


async def test_key_of_the_tests_is_in_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    async with running(*routes()) as api:
        await api.caller.get("/v1/report")
    assert KEY not in capsys.readouterr().out
