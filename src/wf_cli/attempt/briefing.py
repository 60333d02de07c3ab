"""The prompt and the environment with which an agent begins an attempt. The prompt tells what earlier ones lacked."""

from __future__ import annotations

from pathlib import Path

from wf_cli.attempt.steps import Steps
from wf_cli.contract import plain_json
from wf_cli.contract.failure import ErrorClass, Failure
from wf_cli.contract.job import End, Spec
from wf_cli.contract.token import Token, mark
from wf_cli.queue.spool_queue import SpoolQueue

#: How many earlier attempts are searched for a failure to tell the next agent.
LOOK_BACK = 20
_NOT_THE_WORKS = frozenset({
    ErrorClass.PARKED, ErrorClass.HOST, ErrorClass.UNREADABLE, ErrorClass.BUDGET, ErrorClass.OPERATOR,
})  # fmt: skip


def prompt(steps: Steps, spec: Spec, token: Token, last: Failure | None) -> str:
    """The prompt of a plan's step, or the payload of an own job as JSON."""
    if spec.target is not None:
        return steps.prompt(spec.target, token.attempt, last)
    return plain_json.dumps(spec.payload, ensure_ascii=False)


def resume_prompt(steps: Steps, spec: Spec, token: Token, last: Failure | None) -> str | None:
    """The prompt for a resumed agent session, which knows the step already. It tells what the last attempt lacked.

    None for an own job, because its payload is the whole prompt.
    """
    return steps.prompt(spec.target, token.attempt, last, resumed=True) if spec.target is not None else None


def last_failure(queue: SpoolQueue, token: Token) -> Failure | None:
    """The last failure among the earlier attempts that the work or its agent caused; None when there is none.

    Failures of a provider, this host, the budget or the repository are passed over, because no agent can put them
    right.
    """
    for number in range(token.attempt - 1, max(0, token.attempt - 1 - LOOK_BACK), -1):
        outcome = queue.readable_outcome(token.job_id, number)
        if outcome is not None and outcome.end in (End.SUCCEEDED, End.CANCELLED):
            return None
        failure = outcome.failure if outcome is not None else None
        if failure is not None and failure.error_class not in _NOT_THE_WORKS and failure.code != "never_started":
            return failure
    return None


def variables(token: Token, *, root: Path, spool_root: Path, project: Path | None = None) -> dict[str, str]:
    """The ``WF_*`` environment of every process of the attempt.

    ``root`` is the checkout in which the agent works, and ``project`` the folder that has its plan (None: the same).
    """
    return {
        "WF_JOB_ID": token.job_id,
        "WF_ATTEMPT": str(token.attempt),
        "WF_JOB_TOKEN": mark(token),
        "WF_ROLE": token.pool.role,
        "WF_RUNTIME": token.pool.runtime,
        "WF_ROOT": str(root),
        "WF_PROJECT": str(project or root),
        "WF_SPOOL": str(spool_root),
        "WF_DISTRIBUTED": "1",
    }
