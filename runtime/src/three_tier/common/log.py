"""Logs: one JSON object a line on standard output, from this code and from every library alike.

What people write to the agent is never logged. An exception's own text may quote it, so of an exception the log keeps
its type and where it happened. Of one that the logic raised it keeps all, but for the secrets of the environment.
"""

import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MOST_EXCEPTIONS = 10  # that are named where one caused another
MOST_FRAMES = 6  # of each: those nearest to where it was raised, and those of this code
LONGEST = 20_000  # characters of an exception that is kept whole; the end, which says what happened
SECRET = re.compile(r"KEY|PASSWORD|SECRET|TOKEN")  # in the name of a variable
SECRET_FILES = Path("/run/secrets")  # of Docker Swarm
SHORTEST_SECRET = 8  # characters; shorter ones stand in many words
OURS = str(Path(__file__).parents[2])  # the folder of the tier


def configure(level: str) -> None:
    """Send all logs of `level` (debug, info, warning, error) and above to standard output."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
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
    """Replace `exc_info` by the types of the exceptions and the lines they passed, or by all where `whole` is set."""
    found = event.pop("exc_info", None)
    if isinstance(found, tuple):
        found = found[1]
    elif found is True:
        found = sys.exception()
    whole = event.pop("whole", False)
    if isinstance(found, BaseException):
        whole = whole or getattr(found, "whole", False)
        event["exception"] = _tell(found) if whole else " < ".join(_describe(found))
    return event


def _tell(error: BaseException) -> str:
    """The traceback with its texts, as Python prints it, in which secrets are blotted out."""
    text = "".join(traceback.format_exception(error))[-LONGEST:]
    for secret in _secrets():
        text = text.replace(secret, "***")
    return text


def _secrets() -> Iterator[str]:
    found = [value for name, value in os.environ.items() if SECRET.search(name)]
    found += [file.read_text().strip() for file in SECRET_FILES.glob("*")]
    return (value for value in found if len(value) >= SHORTEST_SECRET)


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
