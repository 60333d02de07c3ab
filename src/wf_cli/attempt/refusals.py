"""Whose fault it is when an agent ends within seconds of its start, or stalls, and has done nothing: the pool's or
the job's.

A provider may refuse in words that no table knows, or to an agent that tells nobody. Such attempts (``refused``) burn
nothing; after `PATIENCE` of them in a row, whichever jobs they belonged to, the pool cools down, longer each time.
The row ends when an agent of the runtime gets work done. All of that stands in ``control/refusals.<runtime>.json``,
since workers come and go.

A job whose own fault it is must not be hidden by this. It shows when an agent of the same role, which has the same
model, got the work of *another* job done that was begun after this job's first refusal, no other job was refused
since, and the job is refused again. From then on its attempts burn, as a crash does.

RACE: two workers may write the record at once, and one count is lost. That costs one refused agent more.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import Any

from wf_cli import fsio
from wf_cli.attempt import cooldown
from wf_cli.clock import Clock
from wf_cli.contract import shape
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import ErrorClass, Failure
from wf_cli.contract.job import End, Outcome
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Token
from wf_cli.errors import WfError
from wf_cli.spool.layout import Spool

#: The code of an attempt that did nothing, until it is known whose fault that is.
CODE = "refused"
#: Seconds from an agent's start in which its end without work counts as a refusal.
AT_ONCE = 20.0
#: Refusals in a row that the pool cools down for.
PATIENCE = 3
#: Seconds that the message speaks of at least, so that it does not change with the load of the machine.
_ROUNDED = 5
#: Seconds that a stalled agent is believed to have done nothing for.
_LONGEST = 86_400.0
#: Jobs that are remembered; more say nothing more.
_JOBS = 20


@dataclass(slots=True)
class _Row:
    """The refusals since the last work of a runtime."""

    count: int = 0
    longest_s: float = 0.0
    jobs: list[str] = field(default_factory=list)
    #: When the last refusal was, which the job was not to blame for.
    refused_ms: int = 0
    #: When the pool was parked last.
    parked_ms: int = 0
    #: Role -> the job whose work was done last, and when its agent was started.
    worked: dict[str, tuple[str, int]] = field(default_factory=dict)


def refusal(failure: Failure, duration_s: float) -> Failure:
    """``failure`` of an agent that did nothing, for `weigh`; its words and details stay whole."""
    return replace(
        failure, code=CODE, details={**failure.details, "as": failure.code, "seconds": round(duration_s, 1)}
    )


def weigh(
    spool: Spool, token: Token, ending: Ending, previous: Outcome | None, clock: Clock, events: EventSink
) -> Ending:
    """``ending``, as it is to be published: a refusal burns nothing, or is the job's own crash. Work ends the row.

    Raises OSError when the record cannot be written.
    """
    failure = ending.failure
    if failure is None or failure.code != CODE:
        if _is_work(ending):
            _worked(spool, token, ending.started_ms or clock.now_ms())
        return ending
    now_ms, row = clock.now_ms(), _read(spool, token.pool.runtime)
    since_ms = _since(previous, row, now_ms)
    details = {**failure.details, "refused_since_ms": since_ms}
    if _is_its_own(token, row, since_ms):
        own = replace(failure, code=str(failure.details.get("as", "crashed")), details=details)
        return replace(ending, end=End.FAILED, failure=own, delay_s=None)
    seconds = failure.details.get("seconds", 0.0)
    row.count, row.longest_s = row.count + 1, max(row.longest_s, seconds)
    row.jobs = list(dict.fromkeys([*row.jobs, token.job_id]))[-_JOBS:]
    row.refused_ms = now_ms
    parks = row.count >= PATIENCE
    if parks:
        row.parked_ms = now_ms
    _write(spool, token.pool.runtime, row)
    ending = replace(ending, failure=replace(failure, details={**details, "parked": parks}))
    if not parks:
        return replace(ending, delay_s=None, backs_off=True)
    told = replace(failure, message=_told(row, token.pool.runtime, failure.message))
    return replace(ending, delay_s=cooldown.cool_down(spool, token.pool.runtime, told, clock, events))


def _told(row: _Row, runtime: str, message: str) -> str:
    within = max(_ROUNDED, math.ceil(row.longest_s))
    row_of = f"{row.count} attempts on {runtime} ended within {within} s without work"
    return f"{row_of}: `wf doctor`; the last said: {message}"


def _is_work(ending: Ending) -> bool:
    """Whether an agent got through to its model, as far as the ending tells."""
    if ending.started_ms is None:
        return False
    quality = ending.failure is not None and ending.failure.error_class is ErrorClass.QUALITY
    return ending.end is End.SUCCEEDED or quality or bool((ending.usage or {}).get("tokens_out"))


def _since(previous: Outcome | None, row: _Row, now_ms: int) -> int:
    """When the job's own row of refusals began. A pause of the pool begins it anew, because what was refused before
    the pause was the pool's doing."""
    told = previous.failure.details if previous is not None and previous.failure is not None else {}
    since = told.get("refused_since_ms")
    if previous is None or not isinstance(since, int) or told.get("parked") or row.parked_ms >= previous.at_ms:
        return now_ms
    return since


def _is_its_own(token: Token, row: _Row, since_ms: int) -> bool:
    job_id, started_ms = row.worked.get(token.pool.role, (token.job_id, 0))
    return job_id != token.job_id and started_ms > since_ms and not set(row.jobs) - {token.job_id}


def _worked(spool: Spool, token: Token, started_ms: int) -> None:
    """An agent got work done. Where no agent was refused before, that is no news, and nothing is written."""
    row = _read(spool, token.pool.runtime)
    _, last_ms = row.worked.get(token.pool.role, ("", 0))
    if row.count or (row.refused_ms and last_ms <= row.refused_ms < started_ms):
        row.worked[token.pool.role] = (token.job_id, started_ms)
        _write(spool, token.pool.runtime, replace(row, count=0, longest_s=0.0, jobs=[]))


def name(runtime: str) -> str:
    """Of the record in ``control/``."""
    return f"refusals.{runtime}.json"


def _read(spool: Spool, runtime: str) -> _Row:
    """The record; an empty one without a file, or when it is damaged."""
    try:
        value: dict[str, Any] = json.loads(fsio.read_regular(spool.path("control", name(runtime)), 65536))
        return _Row(
            count=shape.whole(value["count"], "count", 0, 10**6),
            longest_s=min(float(value["longest_s"]), _LONGEST),
            jobs=[str(job) for job in value["jobs"]][-_JOBS:],
            refused_ms=shape.whole(value["refused_ms"], "refused_ms", 0, 10**13),
            parked_ms=shape.whole(value["parked_ms"], "parked_ms", 0, 10**13),
            worked={str(role): (str(job), int(at)) for role, (job, at) in value["worked"].items()},
        )
    except (OSError, WfError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return _Row()


def _write(spool: Spool, runtime: str, row: _Row) -> None:
    value = {
        "count": row.count,
        "longest_s": row.longest_s,
        "jobs": row.jobs,
        "refused_ms": row.refused_ms,
        "parked_ms": row.parked_ms,
        "worked": row.worked,
    }
    spool.replace("control", name(runtime), json.dumps(value))
