"""What the logic raises ends its own turn, and nothing else."""

import asyncio
import inspect
import sys
from collections.abc import Callable

import httpx
import pytest
import uvloop
from structlog.testing import capture_logs

from tests.agent.fakes import EchoLogic
from three_tier.agent.containment import contained, contained_task
from three_tier.agent.contract import LogicBroke, LogicFailed
from three_tier.common import log

pytestmark = pytest.mark.anyio


class Unshowable(Exception):
    """Raises another one where it is shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


def circle() -> Exception:
    """An exception that is its own cause."""
    error = KeyError("secret")
    error.__cause__ = error
    return error


RAISED: list[Callable[[], BaseException]] = [
    circle,
    Unshowable,
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    MemoryError,
    lambda: ExceptionGroup("two", [ValueError("secret"), circle()]),
    lambda: BaseExceptionGroup("two", [SystemExit(), KeyError("secret")]),
]


@pytest.mark.parametrize("path", ["/invoke", "/stream"])
@pytest.mark.parametrize("raised", RAISED)
async def test_whatever_the_logic_raises_its_caller_is_told_and_others_are_answered(
    wire: httpx.AsyncClient,
    logic: EchoLogic,
    raised: Callable[[], BaseException],
    path: str,
) -> None:
    logic.error = raised()
    with capture_logs() as logs:
        answer = await wire.post(path, json={"message": "hello"})
    assert answer.status_code == (500 if path == "/invoke" else 200)
    assert "The agent could not answer." in answer.text
    assert "secret" not in answer.text
    (line,) = [line for line in logs if line["event"] in {"request failed", "stream failed"}]
    assert line["reason"] == f"the logic raised {type(logic.error).__name__}"
    told = log._where(None, "warning", line)["exception"]
    assert "fakes.py" in told
    assert len(told) <= log.LONGEST
    logic.error = None
    assert (await wire.post("/invoke", json={"message": "hello"})).json()["reply"] == "echo hello []"


async def test_a_cancelled_turn_stays_cancelled() -> None:
    async def work() -> None:
        with contained():
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_what_a_logic_says_itself_stays_as_it_is() -> None:
    said = LogicFailed("no answer")
    with pytest.raises(LogicFailed) as caught, contained():
        raise said
    assert caught.value is said


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_task_that_is_cancelled_before_it_begins_leaves_nothing(run: Callable[..., None]) -> None:
    begun = asyncio.sleep(60)

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(contained_task)
        task = asyncio.create_task(begun)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert inspect.getcoroutinestate(begun) == inspect.CORO_CLOSED


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_task_that_exits_does_not_end_the_loop(run: Callable[..., None]) -> None:
    async def leave() -> None:
        sys.exit(1)

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(contained_task)
        with pytest.raises(LogicBroke) as caught:
            await asyncio.create_task(leave())
        assert isinstance(caught.value.__cause__, SystemExit)
        with pytest.raises(LogicBroke):
            await asyncio.gather(asyncio.to_thread(sys.exit), asyncio.sleep(0))

    run(main())
