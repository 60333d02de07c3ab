"""The opening of an attempt: everything between the claim and the agent.

An opening has one of three results: the attempt is `Opened` and ours to work on; it is to be ended as an `Ending`
says; or it is not ours any more (None).
"""

from __future__ import annotations

from dataclasses import dataclass

from wf_cli.attempt.budget import Purse
from wf_cli.attempt.end import BUSY_DELAY
from wf_cli.attempt.steps import Opening, Steps
from wf_cli.config.model import Budget
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End, Outcome, Spec
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Token
from wf_cli.errors import ContractError, Temporary
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import Started
from wf_cli.spool import scan, verify
from wf_cli.spool.troubles import Trouble


@dataclass(frozen=True, slots=True)
class Opened:
    """An attempt whose token lies in ``running/`` and whose plan is in the job's phase."""

    spec: Spec
    purse: Purse
    #: How the attempt before it ended; None for a first one.
    before: Outcome | None
    #: The checkout before the job's first agent, where a change is to be proven.
    baseline: str | None


def open_attempt(
    queue: SpoolQueue, steps: Steps, token: Token, *, by: str, budget: Budget, must_change: bool
) -> Opened | Ending | None:
    """Open the attempt of a claimed token. ``must_change``: whether its step has to change something to count.

    Raises OSError and WfError, after which the attempt is to be ended as `end.of_error` says.
    """
    spec = _read_spec(queue, token, by=by)
    if not isinstance(spec, Spec):
        return spec
    purse = Purse.open(queue, token, budget)
    objection = purse.objection()
    if objection is not None:
        return ending_of(objection)
    started = _start(queue, steps, token, spec.target)
    if started is not Started.GO:
        return started if isinstance(started, Ending) else None
    before = outcome_before(queue, token)
    return Opened(spec, purse, before, baseline(steps, spec.target, token, before) if must_change else None)


def _read_spec(queue: SpoolQueue, token: Token, *, by: str) -> Spec | Ending | None:
    """The spec that a claimed token holds, validated; a damaged one is quarantined, then there is nothing to do.

    One that this host cannot read (another user's, a broken block) is given back. That is no reason to claim nothing
    else, because every other job may be readable.
    """
    try:
        return verify.token_is_valid(queue.spool, token, "claimed")
    except ContractError as error:
        queue.quarantine(token, Failure("invalid_spec", error.message), by=by)
        return None
    except FileNotFoundError:
        return None  # RACE: an operator's cancel, or a reaper, took it
    except OSError as error:
        path = queue.spool.path("claimed", token.name)
        return ending_of(Failure("unreadable", str(Trouble.of(path, error))))


def _start(queue: SpoolQueue, steps: Steps, token: Token, target: Target | None) -> Ending | Started:
    """Under the fence and the plan's lock: is this attempt to run, and is it the plan's only one? Then start it.

    Only after GO the attempt is the caller's. That its token lies in ``running/`` says less: another thread of this
    session may have started it.
    """
    try:
        with queue.fence(token.job_id):
            if not queue.holds(token):
                return Started.GONE
            if target is None:
                return queue.start(token)
            other = _other_job(queue, token, target)
            if other is not None:
                return Ending(End.RELEASED, reason=f"{other} works on this plan", delay_s=BUSY_DELAY)
            with steps.opening(target) as (opening, why):
                match opening:
                    case Opening.DONE:
                        return Ending(End.SUCCEEDED, reason=why, result={"agent": "none", "why": why})
                    case Opening.SUPERSEDED:
                        return Ending(End.CANCELLED, reason=f"superseded: {why}")
                    case Opening.GO:
                        return queue.start(token)
    except Temporary as error:
        return Ending(End.RELEASED, reason=error.message, delay_s=BUSY_DELAY)


def _other_job(queue: SpoolQueue, token: Token, target: Target) -> str | None:
    """Another job of the same plan that a session has in hand. The step of an epic has no other beside it."""
    if target.plan_id is None:
        return None
    mine = scan.by_plan(scan.taken(queue.spool)).get(target.plan_id, [])
    return next((placed.token.job_id for placed in mine if placed.token.job_id != token.job_id), None)


def outcome_before(queue: SpoolQueue, token: Token) -> Outcome | None:
    """How the attempt before this one ended; None for a first one, and when its record cannot be read."""
    return queue.readable_outcome(token.job_id, token.attempt - 1) if token.attempt > 1 else None


def baseline(steps: Steps, target: Target | None, token: Token, before: Outcome | None) -> str | None:
    """The checkout before the job's first agent; None where it is unknown, and where no change is asked for.

    ``before`` is the outcome of the attempt before. What its agent has changed is this job's work, too, so the
    checkout of today is the baseline only when no agent can have worked on the job yet.
    """
    if target is None:
        return None
    if before is not None and before.baseline is not None:
        return before.baseline
    if before is None:
        return steps.baseline(target) if token.attempt == 1 else None
    # Whoever ends an attempt from outside does not know whether it had an agent.
    lost = before.failure is not None and before.failure.code == "lost"
    had_none = before.started_ms is None and not lost and before.end is not End.CANCELLED
    return steps.baseline(target) if had_none else None
