"""The opening of an attempt: everything between the claim and the agent.

Each function leaves the token in one of three states: ours to work on, to be ended as the returned `Ending` says, or
(None where a spec or an ending was to be expected) not ours any more.
"""

from __future__ import annotations

from wf_cli.attempt.steps import Opening, Steps
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End, Outcome, Spec
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Token
from wf_cli.errors import ContractError, Temporary
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import Started
from wf_cli.spool import scan, verify

#: Seconds a job waits whose plan is worked on by another job just now.
BUSY_DELAY = 2.0


def read_spec(queue: SpoolQueue, token: Token, *, by: str) -> Spec | Ending | None:
    """The spec that a claimed token holds, validated; a damaged one is quarantined, then there is nothing to do."""
    try:
        return verify.token_is_valid(queue.spool, token, "claimed")
    except ContractError as error:
        queue.quarantine(token, Failure("invalid_spec", error.message), by=by)
        return None
    except FileNotFoundError:
        return None  # RACE: an operator's cancel, or a reaper, took it
    except OSError as error:
        return ending_of(Failure("disk_error", f"cannot read the job: {error}"))


def start(queue: SpoolQueue, steps: Steps, token: Token, target: Target | None) -> Ending | None:
    """Under the fence and the plan's lock: is this attempt to run, and is it the plan's only one?

    With None the token lies in running/ and its plan is in the job's phase, unless somebody took it away:
    `SpoolQueue.holds` tells.
    """
    try:
        with queue.fence(token.job_id):
            if not queue.holds(token):
                return None
            if target is None:
                queue.start(token)
                return None
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
                        if queue.start(token) is not Started.GO:
                            return None
    except Temporary as error:
        return Ending(End.RELEASED, reason=error.message, delay_s=BUSY_DELAY)
    return None


def _other_job(queue: SpoolQueue, token: Token, target: Target) -> str | None:
    """Another job of the same plan that a session has in hand."""
    mine = scan.by_plan(scan.taken(queue.spool)).get(target.plan_id, [])
    return next((placed.token.job_id for placed in mine if placed.token.job_id != token.job_id), None)


def baseline(steps: Steps, target: Target | None, token: Token, before: Outcome | None) -> str | None:
    """The checkout before the job's first agent; None where nobody knows, and where no change is asked for.

    ``before`` is the outcome of the attempt before: what its agent has changed is this job's work, too.
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


def outcome_before(queue: SpoolQueue, token: Token) -> Outcome | None:
    """How the attempt before this one ended; None for a first one, and when its record is damaged."""
    if token.attempt < 2:
        return None
    try:
        return queue.outcome(token.job_id, token.attempt - 1)
    except ContractError:
        return None
