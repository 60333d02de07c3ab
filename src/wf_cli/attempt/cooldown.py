"""Cool-downs: how long a pool waits after its provider refused an agent.

A limit of the provider is a state of the pool, not of one job. ``control/cooldown.<runtime>.json`` says how long no
session claims for that runtime. A cool-down ends by itself, or by `wf resume`.
"""

from __future__ import annotations

from dataclasses import replace

from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import ErrorClass, Failure
from wf_cli.contract.retry import MAX_DELAY, PARKED_DELAY, Ending
from wf_cli.spool import control
from wf_cli.spool.layout import Spool

#: Seconds that the wait grows to, round by round, while a provider refuses and names no time.
LONGEST_WAIT = {"rate_limited": 600.0, "usage_limit": 3600.0, "auth": 3600.0, "overloaded": 300.0, "refused": 3600.0}
#: Seconds of the first round, where it is not `PARKED_DELAY`: a crowd at the provider disperses soon, and what looks
#: like a refusal may be something else.
FIRST_WAIT = {"overloaded": 15.0, "refused": 30.0}
#: Seconds after the end of a cool-down in which the next refusal is the next round.
SERIES = 900.0


def cool_down(spool: Spool, runtime: str, failure: Failure, clock: Clock, events: EventSink) -> float:
    """Park the pool of ``runtime`` after its provider refused (`ErrorClass.PARKED`). Returns the wait in seconds.

    A time that the provider named counts. Without one the wait doubles with each round, from `FIRST_WAIT` to
    `LONGEST_WAIT`. A cool-down that lasts longer already stays as it is.
    """
    last = control.cooldown(spool, runtime, clock)
    left_s = last.left_s if last is not None else 0.0
    if failure.retry_after_s is not None and failure.retry_after_s >= 0:
        seconds, this_round = min(max(1.0, failure.retry_after_s), MAX_DELAY), 1
    elif last is not None and left_s > 0:  # Of several agents that are refused at once, only the first counts.
        return left_s
    else:
        this_round = last.round + 1 if last is not None and -left_s <= SERIES else 1
        longest = LONGEST_WAIT.get(failure.code, PARKED_DELAY)
        seconds = min(FIRST_WAIT.get(failure.code, PARKED_DELAY) * 2.0 ** min(this_round - 1, 16), longest)
    if left_s >= seconds:
        return left_s
    reason = f"{failure.code}: {failure.message}"
    control.request(
        spool, f"cooldown.{runtime}", clock, reason=reason, seconds=seconds, code=failure.code, round=this_round
    )
    events.emit("pool.cooldown", runtime=runtime, reason=reason, error_code=failure.code, duration_s=seconds)
    return seconds


def warm_up(spool: Spool, runtime: str, clock: Clock, events: EventSink) -> None:
    """Remove a cool-down whose time is over, because an agent of ``runtime`` got through.

    The next refusal starts a first round then.

    RACE: a cool-down that another session writes at this moment may be removed instead. The cost is one more agent
    that the provider refuses.
    """
    last = control.cooldown(spool, runtime, clock)
    if last is not None and last.left_s <= 0 and control.withdraw(spool, f"cooldown.{runtime}"):
        events.emit("pool.resumed", runtime=runtime, reason="its provider takes requests again")


def park(spool: Spool, runtime: str, ending: Ending, clock: Clock, events: EventSink) -> Ending:
    """``ending``, delayed until its pool's cool-down is over when the provider refused; else unchanged.

    Call it before the ending is published, because the cool-down must be in place once the job is queued again.
    """
    failure = ending.failure
    if failure is None or failure.error_class is not ErrorClass.PARKED or ending.backs_off:
        return ending
    return replace(ending, delay_s=cool_down(spool, runtime, failure, clock, events))
