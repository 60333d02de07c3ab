"""What an attempt's end costs and when the job is ready again: pure functions of token, end and time."""

from __future__ import annotations

import math
import random
from typing import Any

from wf_cli.contract.backoff import RetryPolicy
from wf_cli.contract.failure import ErrorClass, Failure
from wf_cli.contract.job import Disposition, End, Outcome
from wf_cli.contract.token import NUMBER_LIMIT, Token
from wf_cli.frozen import frozen

#: Seconds that a job waits which a draining worker gave back. Never 0, so that no job ping-pongs between workers.
RELEASE_DELAY = 1.0
#: Seconds a job waits after its host could not run it.
HOST_DELAY = 30.0
#: Doublings of that wait for a fault that only a person mends (``outdated``): up to half an hour.
OUTDATED_DOUBLINGS = 6
#: Seconds a parked job waits when the provider named no time.
PARKED_DELAY = 60.0
#: Seconds that a job waits at the longest, whatever a provider asks for. A token's name has room for nine digits.
MAX_DELAY = 366 * 86400.0
#: A job that was released for host faults this many times its budget becomes a dead letter.
HOST_LIMIT = 10


def _queued(now_ms: int, delay_s: float) -> Disposition:
    if not delay_s > 0:
        return Disposition("queued", now_ms, 0)
    delay_s = min(delay_s, MAX_DELAY)
    return Disposition("queued", now_ms + math.ceil(delay_s * 1000), math.ceil(delay_s))


@frozen
class Ending:
    """How an attempt ended, as its owner, a reaper or an operator sees it."""

    end: End
    failure: Failure | None = None
    reason: str | None = None
    result: dict[str, Any] | None = None
    started_ms: int | None = None
    session_id: str | None = None
    usage: dict[str, Any] | None = None
    #: Released: seconds until it may be claimed again; None is `RELEASE_DELAY`.
    delay_s: float | None = None
    #: Released: waits as long as after a failure, with the policy's back-off.
    backs_off: bool = False
    #: Released: held for an operator instead of queued.
    hold: bool = False
    baseline: str | None = None


def decide(
    token: Token,
    ending: Ending,
    *,
    by: str,
    nonce: str,
    now_ms: int,
    policy: RetryPolicy,
    previous: Outcome | None,
    rng: random.Random,
    final: bool = False,
) -> Outcome:
    """The outcome of the attempt that ``token`` (claimed or running) stands for.

    ``previous`` is the outcome of the attempt before, for the counts of losses, parkings and faults, and for what
    later attempts still need of earlier ones. With ``final`` the job never waits again, whatever its budget: what was
    given back is done, as cancelled, and what failed or was lost is dead (docs/explanation/synced.md).
    """
    continues = previous is not None and previous.disposition.to in ("queued", "held")
    losses = previous.losses if continues and previous is not None else 0
    parked = previous.parked if continues and previous is not None else 0
    faults = previous.faults if continues and previous is not None else 0
    burned = token.burned
    failure = ending.failure
    match ending.end:
        case End.SUCCEEDED | End.CANCELLED:
            where = Disposition("done", now_ms)
            losses = 0
        case End.LOST:
            losses, burned = losses + 1, min(burned + 1, NUMBER_LIMIT - 1)
            delay = 0.0 if losses == 1 else policy.delay(losses - 1, rng)
            if burned >= token.budget:
                where = Disposition("dead", now_ms)
            elif delay > 0:
                where = _queued(now_ms, delay)
            else:
                # The job keeps its place in the queue, because its wait is not to begin again behind a long queue.
                where = Disposition("queued", min(token.time_ms, now_ms))
        case End.RELEASED:
            losses = 0
            delay = RELEASE_DELAY if ending.delay_s is None else max(RELEASE_DELAY, ending.delay_s)
            if failure is not None and failure.code == "outdated":
                delay *= 2.0 ** min(faults, OUTDATED_DOUBLINGS)
            if failure is not None and not ending.hold:
                if failure.error_class is ErrorClass.PARKED:
                    parked += 1
                else:
                    faults += 1
            if ending.backs_off:
                delay = policy.delay(parked, rng)
            spent = faults >= HOST_LIMIT * token.budget or parked >= policy.max_parked
            if ending.hold:
                where = Disposition("held", now_ms)
            else:
                where = Disposition("dead", now_ms) if spent else _queued(now_ms, delay)
        case End.FAILED:
            losses, burned = 0, min(burned + 1, NUMBER_LIMIT - 1)
            permanent = failure is not None and failure.error_class is ErrorClass.PERMANENT
            if permanent or burned >= token.budget:
                where = Disposition("dead", now_ms)
            else:
                where = _queued(now_ms, policy.delay(burned, rng))
    if final and where.to not in ("done", "dead"):
        where = Disposition("done" if ending.end is End.RELEASED else "dead", now_ms)
    session_id = ending.session_id
    if session_id is None and ending.started_ms is None and previous is not None:
        # No agent was started, so the next attempt can still resume the conversation of the attempt before.
        session_id = previous.session_id if previous.runtime == token.pool.runtime else None
    return Outcome(
        job_id=token.job_id,
        attempt=token.attempt,
        owner=token.owner or by,
        by=by,
        nonce=nonce,
        end=ending.end,
        burned=burned,
        disposition=where,
        at_ms=now_ms,
        losses=losses,
        parked=parked,
        faults=faults,
        failure=failure,
        reason=ending.reason,
        result=ending.result or {},
        started_ms=ending.started_ms,
        session_id=session_id,
        usage=ending.usage,
        baseline=ending.baseline or (previous.baseline if previous is not None else None),
        runtime=token.pool.runtime,
    )


def ending_of(failure: Failure, **facts: Any) -> Ending:
    """The ending a failure asks for by its class: those that are not the work's burn nothing."""
    match failure.error_class:
        case ErrorClass.PARKED:
            delay = PARKED_DELAY if failure.retry_after_s is None else failure.retry_after_s
            return Ending(End.RELEASED, failure=failure, delay_s=delay, **facts)
        case ErrorClass.HOST | ErrorClass.UNREADABLE:
            return Ending(End.RELEASED, failure=failure, delay_s=HOST_DELAY, **facts)
        case ErrorClass.BUDGET | ErrorClass.OPERATOR:
            return Ending(End.RELEASED, failure=failure, hold=True, **facts)
        case _:
            return Ending(End.FAILED, failure=failure, **facts)
