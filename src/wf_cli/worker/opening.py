"""The opening of an attempt: everything between the claim and the agent.

Shared by the worker, which then starts an agent, and the keeper of an agent inside an editor, which hands
the job over. Each function leaves the token in one of three states: ours to work on, to be ended as the
returned `Ending` says, or (None where a spec or an ending was to be expected) not ours any more.
"""

from __future__ import annotations

import json
from pathlib import Path

from wf_cli.contract.failure import ErrorClass, Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End, Outcome, Spec
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Token, mark
from wf_cli.errors import ContractError, Temporary
from wf_cli.queue.base import Started
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import scan, verify
from wf_cli.worker.settings import Opening, Steps

#: Seconds a job waits whose plan is worked on by another job just now.
BUSY_DELAY = 2.0
#: Attempts that are looked at for what the next agent is told.
LOOK_BACK = 20
_NOT_THE_WORKS = frozenset({ErrorClass.PARKED, ErrorClass.HOST, ErrorClass.BUDGET})


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


def prompt(steps: Steps, spec: Spec, token: Token, last: Failure | None) -> str:
    """What the agent is told: the prompt of a plan's step, or the payload of an own job as JSON."""
    if spec.target is not None:
        return steps.prompt(spec.target, token.attempt, last)
    return json.dumps(spec.payload, ensure_ascii=False)


def resume_prompt(steps: Steps, spec: Spec, token: Token, last: Failure | None) -> str | None:
    """What a session is told that knows the step already: what the last attempt lacked. None for an own job, whose
    payload is all there is to say."""
    return steps.prompt(spec.target, token.attempt, last, resumed=True) if spec.target is not None else None


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


def last_failure(queue: SpoolQueue, token: Token) -> Failure | None:
    """What the next agent is told of the attempts before: the last failure that is the work's, or its agent's.

    Not that a provider, this host or the budget stopped it: that is nothing for an agent to put right.
    """
    for number in range(token.attempt - 1, max(0, token.attempt - 1 - LOOK_BACK), -1):
        try:
            outcome = queue.outcome(token.job_id, number)
        except ContractError:
            continue
        if outcome is not None and outcome.end in (End.SUCCEEDED, End.CANCELLED):
            return None
        failure = outcome.failure if outcome is not None else None
        if failure is not None and failure.error_class not in _NOT_THE_WORKS and failure.code != "never_started":
            return failure
    return None


def variables(token: Token, *, root: Path, spool_root: Path) -> dict[str, str]:
    """The ``WF_*`` environment of every process of the attempt."""
    return {
        "WF_JOB_ID": token.job_id,
        "WF_ATTEMPT": str(token.attempt),
        "WF_JOB_TOKEN": mark(token),
        "WF_ROLE": token.pool.role,
        "WF_RUNTIME": token.pool.runtime,
        "WF_ROOT": str(root),
        "WF_SPOOL": str(spool_root),
        "WF_DISTRIBUTED": "1",
    }
