"""The opening of an attempt: everything between the claim and the agent.

An opening has one of three results. `Opened` is an attempt that the caller works on. An `Ending` is how the caller
has to end it. None means that the token is not the caller's any more.
"""

from __future__ import annotations

from wf_cli.attempt.budget import Purse
from wf_cli.attempt.end import BUSY_DELAY
from wf_cli.attempt.steps import Opening, Steps
from wf_cli.config.model import Budget
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End, Outcome, Spec
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Token
from wf_cli.errors import Absent, ContractError, Temporary
from wf_cli.frozen import frozen
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import Started
from wf_cli.spool import records, scan
from wf_cli.spool.troubles import Trouble


@frozen
class Opened:
    """An attempt whose token lies in ``running/`` and whose plan is in the job's phase."""

    spec: Spec
    purse: Purse
    #: How the attempt before it ended; None for a first one.
    before: Outcome | None
    #: The checkout before the job's first agent, where the step has to prove a change; else None.
    baseline: str | None


def open_attempt(
    queue: SpoolQueue, steps: Steps, token: Token, *, by: str, budget: Budget, must_change: bool
) -> Opened | Ending | None:
    """Open the attempt of a claimed token. ``must_change`` tells whether its step counts only with a change.

    Raises OSError and WfError; the caller then ends the attempt as `end.of_error` says.
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
    """The validated spec of a claimed token. A damaged one is quarantined, and None is returned.

    A spec that this host cannot read (another user's, a broken block) gives the ending that releases the job.
    """
    try:
        return records.token_spec(queue.spool, token, "claimed")
    except ContractError as error:
        queue.quarantine(token, Failure("invalid_spec", error.message), by=by)
        return None
    except FileNotFoundError:
        return None  # RACE: an operator's cancel, or a reaper, took the token.
    except OSError as error:
        path = queue.spool.path("claimed", token.name)
        return ending_of(Failure("unreadable", str(Trouble.of(path, error))))


def _start(queue: SpoolQueue, steps: Steps, token: Token, target: Target | None) -> Ending | Started:
    """Start the attempt under the fence and the plan's lock, if the plan wants it and no other job works on the plan.

    The attempt is the caller's only after GO. A token in ``running/`` is no proof of that, because another thread of
    this session may have started it.
    """
    try:
        with queue.fence(token.job_id):
            if target is None:
                return queue.start(token)  # Its rename tells whether the token is there.
            if not queue.holds(token):
                return Started.GONE
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
    except Absent:
        raise
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

    ``before`` is the outcome of the attempt before. The changes of its agent count as work of this job, so the
    checkout of now is the baseline only when no agent can have worked on the job yet.
    """
    if target is None:
        return None
    if before is not None and before.baseline is not None:
        return before.baseline
    if before is None:
        return steps.baseline(target) if token.attempt == 1 else None
    # A reaper or an operator who ends an attempt does not know whether it had an agent.
    lost = before.failure is not None and before.failure.code == "lost"
    had_none = before.started_ms is None and not lost and before.end is not End.CANCELLED
    return steps.baseline(target) if had_none else None
