"""Who may change a plan just now: the attempt of its live job, or a person when it has no live job.

A permit is asked under the plan's lock (`wf_cli.workflow.project.Permit`). The command of a superseded attempt finds
its token gone and is refused (invariant 2). A spool that exists is respected whatever the mode of the shell. Where
there is none, no job is looked for and no folder is created (invariant 8).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from wf_cli.contract.identity import target_of
from wf_cli.contract.lifecycle import LIVE, LIVE_DIRECTORIES
from wf_cli.contract.token import Placed, outcome_name, parse_mark
from wf_cli.errors import Refused, StaleAttempt
from wf_cli.spool import layout, scan
from wf_cli.spool.layout import Spool
from wf_cli.workflow import plans
from wf_cli.workflow.project import Ask, Permit, Project


def by_token(spool: Spool, mark: str, *, project: Project | None = None) -> Permit:
    """For a process of an attempt (``WF_JOB_TOKEN`` is ``mark``): its own plan, as long as its token stands.

    Holds the job's fence, which everyone takes who moves the token. Raises StaleAttempt; with ``project`` also while
    several plans have the number of the job's plan. An agent names its plan by number, and the first of them may be
    another one than its attempt was opened on.
    """
    parsed = parse_mark(mark)
    if parsed is None:
        raise StaleAttempt(
            "WF_JOB_TOKEN is not a job token", hint="unset WF_JOB_TOKEN, or let a worker start the agent"
        )
    job_id, attempt, owner = parsed

    def ask() -> None:
        if not _stands(spool, mark):
            raise StaleAttempt(
                f"attempt {attempt} of {job_id} was superseded: its token is no longer held by {owner}",
                hint="stop now; nothing was changed, and another attempt has the job",
                job_id=job_id,
                attempt=attempt,
            )
        target = target_of(job_id)
        if project is None or target is None:
            return
        try:
            plans.refuse_shared(project, target.plan_id)
        except plans.NumberShared as shared:
            raise StaleAttempt(
                f"attempt {attempt} of {job_id} cannot go on: {shared.message}",
                hint=f"stop now; nothing was changed. A person can {shared.hint}",
                job_id=job_id,
                attempt=attempt,
            ) from shared

    @contextlib.contextmanager
    def permit(plan_id: str) -> Iterator[Ask]:
        target = target_of(job_id)
        if target is None or target.plan_id != plan_id:
            raise StaleAttempt(
                f"job {job_id} may not change plan {plan_id}",
                hint="an agent works on the plan of its own job only",
                job_id=job_id,
                plan_id=plan_id,
            )
        with spool.fence(job_id):
            yield ask

    return permit


def _stands(spool: Spool, mark: str) -> bool:
    """Its token lies there, and its end is not decided: whoever published one may have died before the rename."""
    token = scan.running_token(spool, mark)
    return token is not None and not scan.has(spool, "outcomes", outcome_name(token.job_id, token.attempt))


def by_person(spool_root: Path) -> Permit:
    """For a person or a script: any plan without a live job. Raises Refused.

    The spool is looked for when the permit is asked, because it may come into being while the plan's lock is awaited.
    """

    @contextlib.contextmanager
    def permit(plan_id: str) -> Iterator[Ask]:
        def ask() -> None:
            live = live_job(layout.open_spool(spool_root), plan_id) if layout.exists(spool_root) else None
            if live is not None:
                raise Refused(
                    f"plan {plan_id} has a live job: {live.token.job_id} is {live.status}",
                    hint=f"`wf cancel {live.token.job_id}` first, or add --as-operator to change the plan beside it",
                    code="PLAN_HAS_LIVE_JOB",
                    job_id=live.token.job_id,
                )

        yield ask

    return permit


def live_job(spool: Spool, plan_id: str) -> Placed | None:
    """The live job of a plan, the one that is furthest on; None when it has none."""
    live = scan.by_plan(scan.everything(spool, LIVE)).get(plan_id, [])
    return max(live, key=lambda placed: LIVE_DIRECTORIES.index(placed.folder), default=None)
