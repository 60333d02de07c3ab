"""Who may change a plan just now: its live job's attempt, a person when there is none (DESIGN section 4).

A zombie's command finds its token gone and is refused (invariant 2). A spool that exists is respected
whatever the mode of the shell; where there is none, nothing is asked and nothing is created (invariant 8).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from wf_cli import fsio
from wf_cli.contract.identity import target_of
from wf_cli.contract.token import Placed, outcome_name, parse_mark
from wf_cli.errors import Refused, StaleAttempt
from wf_cli.spool import scan
from wf_cli.spool.layout import Spool

Permit = Callable[[str], AbstractContextManager[None]]


def by_token(spool: Spool, mark: str) -> Permit:
    """For a process of an attempt (``WF_JOB_TOKEN`` is ``mark``): its own plan, as long as its token stands.

    Holds the job's fence, which everyone takes who moves the token. Raises StaleAttempt.
    """
    parsed = parse_mark(mark)
    if parsed is None:
        raise StaleAttempt(
            "WF_JOB_TOKEN is not a job token", hint="unset WF_JOB_TOKEN, or let a worker start the agent"
        )
    job_id, attempt, owner = parsed

    @contextlib.contextmanager
    def permit(plan_id: str) -> Iterator[None]:
        target = target_of(job_id)
        if target is None or target.plan_id != plan_id:
            raise StaleAttempt(
                f"job {job_id} may not change plan {plan_id}",
                hint="an agent works on the plan of its own job only",
                job_id=job_id,
                plan_id=plan_id,
            )
        with spool.fence(job_id):
            if not _stands(spool, job_id, attempt, owner):
                raise StaleAttempt(
                    f"attempt {attempt} of {job_id} was superseded: its token is no longer held by {owner}",
                    hint="stop now; nothing was changed, and another attempt has the job",
                    job_id=job_id,
                    attempt=attempt,
                )
            yield

    return permit


def _stands(spool: Spool, job_id: str, attempt: int, owner: str) -> bool:
    """Its token lies there, and its end is not decided: whoever published one may have died before the rename."""
    held = any(
        token.job_id == job_id and token.attempt == attempt and token.owner == owner
        for token in scan.listing(spool, "running")
    )
    return held and not fsio.listed(spool.folder("outcomes"), outcome_name(job_id, attempt))


def by_person(spool: Spool) -> Permit:
    """For a person or a script: any plan that has no live job. Raises Refused."""

    @contextlib.contextmanager
    def permit(plan_id: str) -> Iterator[None]:
        live = live_job(spool, plan_id)
        if live is not None:
            raise Refused(
                f"plan {plan_id} has a live job: {live.token.job_id} is {live.status}",
                hint=f"`wf cancel {live.token.job_id}` first, or add --as-operator to change the plan beside it",
                code="PLAN_HAS_LIVE_JOB",
                job_id=live.token.job_id,
            )
        yield

    return permit


def live_job(spool: Spool, plan_id: str) -> Placed | None:
    """The live job of a plan: claimed or running before queued or held; None when it has none."""
    found = None
    for folder in ("queued", "held", "claimed", "running"):
        for token in scan.listing(spool, folder):
            target = target_of(token.job_id)
            if target is not None and target.plan_id == plan_id:
                found = Placed(folder, token)
    return found
