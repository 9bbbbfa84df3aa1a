"""verify: checks the three tiers as they run, from the engine to a whole conversation."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from operations.checks import CHECKS, Check, View
from operations.compose import Compose
from operations.context import Context
from operations.errors import Doubt, Failure
from operations.programs import together

HOUR = 3600  # seconds


@dataclass(frozen=True)
class Result:
    """What came of a check."""

    tier: str
    check: str
    ok: bool
    said: str = ""  # what there is to know, or what is wrong
    advice: str = ""  # where it is wrong
    warning: bool = False  # where it could not be found out, for a reason that is not theirs


def verify(context: Context, compose: Compose, *, crashes_since: float) -> None:
    """Check everything and say it. Raises Failure where a check fails.

    Args:
        context: the run.
        compose: what should run.
        crashes_since: seconds since the epoch; a crash before then came to nothing.
    """
    results = _all(context, compose, crashes_since)
    _say(context, results)
    _judge(results)
    context.console.say("All three tiers work.")


def command(context: Context, *, as_json: bool) -> None:
    """Check everything, with settings that may not fit, and an engine that may not be there. Raises Failure."""
    if as_json:
        context.console.stream = sys.stderr  # the document is all that goes to standard output
    context.console.record(context.root, "verify")
    results = [
        _check(
            *("machine", "reaches the Docker engine", "sudo systemctl start docker; may you use its socket?"),
            lambda: context.docker.ask("version", "--format", "{{.Server.Version}}"),
        )
    ]
    if results[0].ok:
        found: list[Compose] = []
        advice = f"./deploy.sh completes {context.env_file}"
        results.append(
            _check(
                "machine", "has settings that fit docker-compose.yml", advice, lambda: found.append(context.compose())
            )
        )
        if found:
            results += _all(context, found[0], time.time() - HOUR)
    if as_json:
        failed = sum(not result.ok for result in results)
        name = found[0].name if results[0].ok and found else context.name
        checks = [asdict(result) for result in results]
        print(json.dumps({"ok": failed == 0, "project": name, "failed": failed, "checks": checks}, indent=2))
    else:
        _say(context, results)
    _judge(results)
    if not as_json:
        context.console.say("All three tiers work.")


def _all(context: Context, compose: Compose, crashes_since: float) -> list[Result]:
    _ = compose.hashes  # before the checks ask for them at the same time
    view = View(context, compose, crashes_since)
    if not view.containers:
        return [_run(CHECKS[0], view)]
    return together(*(_bound(check, view) for check in CHECKS))


def _bound(check: Check, view: View) -> Callable[[], Result]:
    return lambda: _run(check, view)


def _run(check: Check, view: View) -> Result:
    context = view.context
    advice = check.advice.format(root=context.root, env_file=context.env_file, **context.names)
    return _check(check.tier, check.title, advice, lambda: check.holds(view))


def _check(tier: str, title: str, advice: str, holds: Callable[[], str | None]) -> Result:
    try:
        return Result(tier, title, ok=True, said=holds() or "")
    except Doubt as doubt:
        return Result(tier, title, ok=True, said=str(doubt), warning=True)
    except Failure as failure:
        return Result(tier, title, ok=False, said=str(failure), advice=advice)


def _say(context: Context, results: list[Result]) -> None:
    for result in results:
        if result.warning:
            context.console.say(f"! {result.tier:10} {result.check}: {result.said}")
        elif result.ok:
            note = f" ({result.said})" if result.said else ""
            context.console.say(f"✓ {result.tier:10} {result.check}{note}")
        else:
            context.console.say(f"✗ {result.tier:10} {result.check}: {result.said}\n  {'':10} → {result.advice}")


def _judge(results: list[Result]) -> None:
    failed = sum(not result.ok for result in results)
    if failed:
        raise Failure(f"{failed} of {len(results)} checks failed")
