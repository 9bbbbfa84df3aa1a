"""Logs: one JSON object a line on standard output, from this code and from every library alike.

What people write to the agent is never logged. An exception's own text may quote it, or a secret, so of an exception
the log keeps its type and where it happened.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MOST_EXCEPTIONS = 10  # that are named where one caused another
MOST_FRAMES = 6  # of each: those nearest to where it was raised, and those of this code
OURS = str(Path(__file__).parents[2])  # the folder of the tier


def configure(level: str) -> None:
    """Send all logs of `level` (debug, info, warning, error) and above to standard output."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _where,
    ]
    to_json = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, to_json],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared], processors=[drop, to_json]
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.INFO), force=True)


def _where(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by the types of the exceptions and the lines they passed."""
    found = event.pop("exc_info", None)
    if isinstance(found, tuple):
        found = found[1]
    elif found is True:
        found = sys.exception()
    if isinstance(found, BaseException):
        event["exception"] = " < ".join(_describe(found))
    return event


def _describe(error: BaseException) -> Iterator[str]:
    """The exception, those in its group, what caused it, and so on; each once, as a chain may be a circle."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting and len(seen) < MOST_EXCEPTIONS:
        found = waiting.pop(0)
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield f"{type(found).__name__} at {', '.join(_places(found.__traceback__))}"
        if isinstance(found, BaseExceptionGroup):
            waiting += found.exceptions
        waiting.append(found.__cause__ or (None if found.__suppress_context__ else found.__context__))


def _places(passed: TracebackType | None) -> list[str]:
    """Where an exception passed: the last lines, and before them the last ones of this code."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(passed)]
    before = [place for place in places[:-MOST_FRAMES] if place[0].startswith(OURS)]
    return [f"{file}:{line}" for file, line in [*before[-MOST_FRAMES:], *places[-MOST_FRAMES:]]]
