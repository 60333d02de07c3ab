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
from wf_cli.contract.lifecycle import LIVE, LIVE_DIRECTORIES, Status
from wf_cli.contract.token import Placed, outcome_name, parse_mark
from wf_cli.errors import Refused, StaleAttempt
from wf_cli.spool import layout, scan
from wf_cli.spool.layout import Spool
from wf_cli.workflow import epics, plans
from wf_cli.workflow.project import Ask, Permit, Project


def by_token(spool: Spool, mark: str, *, project: Project | None = None, of_epic: bool = False) -> Permit:
    """For a process of an attempt (``WF_JOB_TOKEN`` is ``mark``): its own plan, as long as its token stands.

    With ``of_epic`` the permit is given the id of an epic, and granted to a job that is a step of that epic.

    Holds the job's fence, which everyone takes who moves the token. Raises StaleAttempt; with ``project`` also while
    several plans have the number of the job's plan. An agent names its plan by number, and the first of them may be
    another one than its attempt was opened on.
    """
    job_id, attempt, owner = _parsed(mark)

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
            if target.plan_id is None:
                epics.refuse_shared(project, target.epic_id or "")
            else:
                plans.refuse_shared(project, target.plan_id)
        except (plans.NumberShared, epics.NumberShared) as shared:
            raise StaleAttempt(
                f"attempt {attempt} of {job_id} cannot go on: {shared.message}",
                hint=f"stop now; nothing was changed. A person can {shared.hint}",
                job_id=job_id,
                attempt=attempt,
            ) from shared

    @contextlib.contextmanager
    def permit(number: str) -> Iterator[Ask]:
        target = target_of(job_id)
        if (
            target is None
            or number != (target.epic_id if of_epic else target.plan_id)
            or (of_epic and target.plan_id)
        ):
            what = "epic" if of_epic else "plan"
            raise StaleAttempt(
                f"job {job_id} may not change {what} {number}",
                hint="an agent works on the plan or epic of its own job only",
                job_id=job_id,
                **{f"{what}_id": number},
            )
        with spool.fence(job_id):
            yield ask

    return permit


def _parsed(mark: str) -> tuple[str, int, str]:
    parsed = parse_mark(mark)
    if parsed is None:
        raise StaleAttempt(
            "WF_JOB_TOKEN is not a job token", hint="unset WF_JOB_TOKEN, or let a worker start the agent"
        )
    return parsed


def _stands(spool: Spool, mark: str) -> bool:
    """Its token lies there, and its end is not decided: whoever published one may have died before the rename."""
    token = scan.running_token(spool, mark)
    return token is not None and not scan.has(spool, "outcomes", outcome_name(token.job_id, token.attempt))


def by_person(spool_root: Path, *, of_epic: bool = False, beside_waiting: bool = False) -> Permit:
    """For a person or a script: any plan without a live job. Raises Refused.

    With ``of_epic`` the permit is given the id of an epic: any epic of which no step is a live job. With
    ``beside_waiting`` a job that no session has claimed is no hindrance.

    The spool is looked for when the permit is asked, because it may come into being while the plan's lock is awaited.
    """

    @contextlib.contextmanager
    def permit(number: str) -> Iterator[Ask]:
        what, find = ("epic", live_job_of_epic) if of_epic else ("plan", live_job)

        def ask() -> None:
            live = find(layout.open_spool(spool_root), number) if layout.exists(spool_root) else None
            if live is not None and not (beside_waiting and live.status in (Status.QUEUED, Status.HELD)):
                job_id = live.token.job_id
                raise Refused(
                    f"{what} {number} has a live job: {job_id} is {live.status}",
                    hint=f"`wf cancel {job_id}` first, or add --as-operator to change the {what} beside it",
                    code=f"{what.upper()}_HAS_LIVE_JOB",
                    job_id=live.token.job_id,
                )

        yield ask

    return permit


def live_job(spool: Spool, plan_id: str) -> Placed | None:
    """The live job of a plan, the one that is furthest on; None when it has none."""
    return _furthest(scan.by_plan(scan.steps(spool, LIVE)).get(plan_id, []))


def live_job_of_epic(spool: Spool, epic_id: str) -> Placed | None:
    """The live job that is a step of an epic itself, and of none of its plans; None when it has none."""
    live = [(one, target_of(one.token.job_id)) for one in scan.steps(spool, LIVE)]
    of_epic = (None, epic_id)
    return _furthest([one for one, target in live if target and (target.plan_id, target.epic_id) == of_epic])


def _furthest(live: list[Placed]) -> Placed | None:
    return max(live, key=lambda placed: LIVE_DIRECTORIES.index(placed.folder), default=None)
