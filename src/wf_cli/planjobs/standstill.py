"""Whether a running epic stands still until a person acts, told by one event for each time that it does.

Two looks see the same standstill as long as the plans are in the same states, and the jobs that stopped them are at
the same attempts. The reasons are not compared, because their words may change with each look.
"""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterable, Sequence

from wf_cli.contract.event import EventSink
from wf_cli.contract.identity import job_id_for, target_of
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Placed
from wf_cli.errors import WfError
from wf_cli.planjobs import epic_events, split
from wf_cli.planjobs.look import Look
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.workflow import plans
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.plans import Plan

#: Reasons that one event carries, and the characters of each.
_REASONS, _LONGEST = 5, 300


def tell(
    queue: SpoolQueue,
    look: Look,
    events: EventSink,
    epic: Epic,
    *,
    live: Iterable[Placed],
    published: Iterable[str],
    needs_help: Iterable[tuple[str, str | None, str]],
    others: bool,
) -> bool:
    """Emit ``epic.blocked`` for a running ``epic`` that stands still, unless that was told. Whether it told now.

    It does not stand still while a job of it was ``published`` or is ``live``, but for jobs that wf itself holds.
    ``needs_help`` are the obstacles of a round: number of the plan (empty for an epic), of the epic, and why.
    ``others`` says that its plans are completed and are not those that it declares. Raises WfError and OSError, and
    has told nothing then.
    """
    linked = {plan.id: plan for plan in look.linked(epic)}
    mine = [job for job in live if _is_of(job.token.job_id, epic, linked)]
    if any(_is_of(job_id, epic, linked) for job_id in published) or not all(_is_held(queue, job) for job in mine):
        return False
    why = {number: text for number, of, text in needs_help if number in linked or (not number and of == epic.id)}
    for job in mine:
        target, job_id = target_of(job.token.job_id), job.token.job_id
        number = (target.plan_id if target is not None else None) or ""
        why.setdefault(number, f"{job_id} is held; `wf explain {job_id}` says why")
    if others:
        why.setdefault("", "all plans are completed, but they are not the ones that epic.md declares")
    if not why:
        return False
    stuck = [*mine, *(job for number in linked for job in look.dead(number))]
    if not linked:
        found = queue.find(job_id_for(split.target(epic).dedupe_key))
        stuck += [found] if found is not None else []
    states = sorted((number, *_state(linked.get(number))) for number in why)
    jobs = sorted({f"{job.token.job_id}.a{job.token.attempt}" for job in stuck})
    return epic_events.tell(queue.spool, events, "blocked", epic.id, states, jobs, len(linked), reason=_reason(why))


def _state(plan: Plan | None) -> tuple[str, int]:
    """The phase and round of a plan now. The look's may be older, because a round sets phases."""
    with contextlib.suppress(WfError):
        state = plans.read_state(plan) if plan is not None else None
        if state is not None:
            return state.phase, state.iteration
    return "", 0


def _is_of(job_id: str, epic: Epic, linked: Container[str]) -> bool:
    target = target_of(job_id)
    if target is None:
        return False
    return target.plan_id in linked if target.plan_id is not None else target.epic_id == epic.id


def _is_held(queue: SpoolQueue, job: Placed) -> bool:
    """Whether wf holds the job, by its last outcome. An operator who holds a job knows that it waits."""
    if job.status is not Status.HELD or not job.token.attempt:
        return False
    last = queue.readable_outcome(job.token.job_id, job.token.attempt)
    return last is not None and last.disposition.to == "held"


def _reason(why: dict[str, str]) -> str:
    said: Sequence[str] = [f"plan {number}: {text}" if number else text for number, text in why.items()]
    more = f"; and {len(said) - _REASONS} more" if len(said) > _REASONS else ""
    return "; ".join(text[:_LONGEST] for text in said[:_REASONS]) + more
