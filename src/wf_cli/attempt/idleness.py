"""Attempts that ended at once without any work: whatever their agent said, the fault is hardly the job's.

Providers refuse in many words, and some are in no table. So the words do not decide alone. An agent that ends within
seconds of its start, without a tool call and without a token, has done nothing. Such an attempt burns nothing. After
`IN_A_ROW` of them on one runtime, with no work of any agent in between, the pool parks; the pause grows while it goes
on so, and the first agent that works ends the series.

A job whose own fault it is looks the same. It is told apart by its pool. When another agent of the pool has worked
since this job's last idle attempt, the pool is well, and the attempt burns.

``control/idle.<runtime>.json`` holds the series, so that it lasts across workers and restarts. Two sessions that
write it at once may lose a count, which costs one more attempt that burns nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from wf_cli import fsio
from wf_cli.attempt import cooldown
from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import ErrorClass, Failure
from wf_cli.contract.job import End, Outcome
from wf_cli.contract.retry import RELEASE_DELAY, Ending
from wf_cli.contract.token import Token
from wf_cli.spool import control
from wf_cli.spool.layout import Spool

#: Idle attempts after which the pool parks.
IN_A_ROW = 3
#: Seconds. An agent that ends later than this has at least started properly.
AT_ONCE = 15.0
#: Seconds between two notes of a healthy pool's work.
NOTED_EVERY = 20.0
CODE = "no_work"
_CLASSES = (ErrorClass.TRANSIENT, ErrorClass.QUALITY)


@dataclass(frozen=True, slots=True)
class _Series:
    """Idle attempts in a row, the longest of them in seconds, and when an agent of the pool worked last."""

    count: int = 0
    longest_s: float = 0.0
    worked_ms: int = 0


def may_be_idle(ending: Ending, *, seconds: float, worked: bool) -> bool:
    """Whether an attempt whose agent ran for ``seconds`` did nothing; ``worked``: a tool call or a token was seen.

    Endings that say already what is to be done (a limit, a missing model, this host) are not looked at.
    """
    failure = ending.failure
    failed = ending.end is End.FAILED and failure is not None and failure.error_class in _CLASSES
    return failed and not worked and seconds < AT_ONCE


def weigh(
    spool: Spool,
    token: Token,
    ending: Ending,
    before: Outcome | None,
    *,
    seconds: float,
    clock: Clock,
    events: EventSink,
) -> Ending:
    """The ending of an idle attempt: given back without burning, unless the pool has shown that it is well.

    ``before`` is the outcome of the attempt before it. Call it before the ending is published. Raises OSError.
    """
    runtime, failure = token.pool.runtime, ending.failure
    assert failure is not None
    failure = replace(failure, details={**failure.details, "idle_s": round(seconds, 3)})
    series = _read(spool, runtime)
    if before is not None and _was_idle(before) and series.worked_ms > before.at_ms:
        return replace(ending, failure=failure)
    series = replace(series, count=series.count + 1, longest_s=max(series.longest_s, seconds))
    _write(spool, runtime, series, clock)
    details = {**failure.details, "code": failure.code, "idle_s": round(seconds, 3)}
    idle = Failure(
        CODE, f"ended after {seconds:.1f} s without work: {failure.message}", failure.errors, None, details
    )
    delay = RELEASE_DELAY * series.count
    if series.count >= IN_A_ROW:
        longest = max(1, round(series.longest_s + 0.5))
        told = (
            f"{series.count} attempts on {runtime} ended within {longest} s without work: `wf doctor`; the last said"
        )
        delay = cooldown.cool_down(spool, runtime, replace(idle, message=f"{told}: {failure.message}"), clock, events)
    return replace(ending, end=End.RELEASED, failure=idle, delay_s=delay)


def note_work(spool: Spool, runtime: str, clock: Clock) -> None:
    """An agent of ``runtime`` has worked, which ends the series. Raises OSError.

    Of the work of a healthy pool only the first in `NOTED_EVERY` seconds is written.
    """
    series = _read(spool, runtime)
    if series.count == 0 and 0 <= clock.now_ms() - series.worked_ms < NOTED_EVERY * 1000:
        return
    _write(spool, runtime, _Series(worked_ms=clock.now_ms()), clock)


def _was_idle(before: Outcome) -> bool:
    return before.failure is not None and "idle_s" in before.failure.details


def _read(spool: Spool, runtime: str) -> _Series:
    try:
        value = json.loads(fsio.read_regular(spool.path("control", f"idle.{runtime}.json"), 65536))
        found = _Series(int(value["count"]), float(value["longest_s"]), int(value["worked_ms"]))
        return found if 0 <= found.count < 10**6 and 0 <= found.longest_s <= AT_ONCE else _Series()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return _Series()  # No series yet, or a damaged one, which begins anew.


def _write(spool: Spool, runtime: str, series: _Series, clock: Clock) -> None:
    facts: dict[str, Any] = {"count": series.count, "longest_s": series.longest_s, "worked_ms": series.worked_ms}
    control.request(spool, f"idle.{runtime}", clock, reason="attempts that ended at once without work", **facts)
