"""The progress of an epic: its plans, phases and jobs at one moment, for `epic run --follow` and the demo."""

from __future__ import annotations

from collections.abc import Collection

from wf_cli.clock import parse_iso_ms
from wf_cli.contract.identity import job_id_for, target_of
from wf_cli.contract.lifecycle import LIVE, Status
from wf_cli.contract.token import Placed
from wf_cli.errors import WfError
from wf_cli.frozen import frozen
from wf_cli.planjobs import split
from wf_cli.planjobs.round import Reconciled
from wf_cli.queue.spending import add_up
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import scan
from wf_cli.workflow import epics, phases, plans
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.project import Project


@frozen
class PlanProgress:
    """One plan, and its live or dead job."""

    plan_id: str
    name: str
    phase: str
    iteration: int
    job_id: str | None = None
    status: Status | None = None
    attempt: int = 0
    runtime: str | None = None
    owner: str | None = None
    note: str = ""
    #: Why wf holds the job until a person acts. None for a job that runs or waits, or that a person holds.
    held_why: str | None = None


@frozen
class EpicProgress:
    """One epic. ``end`` is None while it goes on, else ``completed`` or ``blocked``; ``why`` has the reasons."""

    epic_id: str
    name: str
    status: str
    plans: tuple[PlanProgress, ...]
    elapsed_s: float
    cost_usd: float | None
    cost_unknown: int
    end: str | None = None
    why: tuple[str, ...] = ()


def look(project: Project, queue: SpoolQueue, epic: Epic, last: Reconciled | None = None) -> EpicProgress:
    """The epic now. ``last`` is what a reconcile just found; without it a blocked epic is not recognised."""
    state = epics.load_state(epic)
    record = epics.orchestration(state)
    jobs: dict[str, Placed] = {}
    for plan_id, mine in scan.by_plan(queue.placed(LIVE | {Status.FAILED})).items():
        jobs[plan_id] = next((p for p in reversed(mine) if p.status in LIVE), mine[0])
    notes = {b.plan_id: b for b in last.blocked} if last is not None else {}
    lines = []
    for plan in epics.linked_plans(project, epic):
        blocked = notes.get(plan.id)
        found = jobs.get(plan.id)
        lines.append(_line(queue, plan, found, blocked.why if blocked is not None else ""))
    if not lines:
        lines = _splitting(queue, epic)
    started = parse_iso_ms(str(record.get("started_at", "")))
    elapsed = (project.clock.now_ms() - started) / 1000 if started is not None else 0.0
    end, why = _end(str(record.get("status")), lines, last)
    plan_ids = {line.plan_id for line in lines}
    cost = add_up(queue, lambda job_id: _belongs(job_id, epic.id, plan_ids))
    return EpicProgress(
        epic_id=epic.id,
        name=epic.name,
        status=str(record.get("status")),
        plans=tuple(lines),
        elapsed_s=max(0.0, elapsed),
        cost_usd=cost.usd if cost.known else None,
        cost_unknown=len(cost.unknown),
        end=end,
        why=why,
    )


def _line(queue: SpoolQueue, plan: plans.Plan, found: Placed | None, note: str) -> PlanProgress:
    iteration = 0
    try:
        state = plans.read_state(plan)
        iteration = state.iteration if state is not None else 0
    except WfError as error:
        note = note or error.message
    line = PlanProgress(plan.id, plan.name, epics.phase_of(plan), iteration, note=note)
    if found is None:
        return line
    token = found.token
    return PlanProgress(
        plan.id, plan.name, line.phase, iteration, token.job_id, found.status, token.attempt, token.pool.runtime,
        token.owner, note, _held_why(queue, found),
    )  # fmt: skip


def _held_why(queue: SpoolQueue, placed: Placed) -> str | None:
    if placed.status is not Status.HELD or not placed.token.attempt:
        return None
    last = queue.readable_outcome(placed.token.job_id, placed.token.attempt)
    if last is None or last.disposition.to != "held" or last.failure is None:
        return None
    return f"{placed.token.job_id} is held: {last.failure.message}"


def _end(status: str, lines: list[PlanProgress], last: Reconciled | None) -> tuple[str | None, tuple[str, ...]]:
    if status == epics.COMPLETED:
        return "completed", ()
    if last is None or last.published:
        return None, ()
    live = [line for line in lines if line.status in LIVE]
    held = tuple(f"{_named(line)}: {line.held_why}" for line in live if line.held_why is not None)
    if live:
        return ("blocked", held) if len(held) == len(live) else (None, ())
    plan_ids = {line.plan_id for line in lines}
    help_needed = [b for b in last.blocked if b.needs_help and (b.plan_id in plan_ids or not b.plan_id)]
    if help_needed:
        return "blocked", tuple(f"plan {b.plan_id}: {b.why}" if b.plan_id else b.why for b in help_needed)
    if lines and all(line.phase == phases.COMPLETED for line in lines) and status == epics.RUNNING:
        return "blocked", ("all plans are completed, but they are not the ones that epic.md declares",)
    return None, ()


def _named(line: PlanProgress) -> str:
    return f"plan {line.plan_id}" if line.plan_id else line.phase


def _splitting(queue: SpoolQueue, epic: Epic) -> list[PlanProgress]:
    """The job that is to declare the plans of an epic, in the place of the plans that there are none of yet."""
    job_id = job_id_for(split.target(epic).dedupe_key)
    found = queue.find(job_id)
    if found is None or found.status not in LIVE | {Status.FAILED}:
        return []
    token = found.token
    return [
        PlanProgress(
            "", "(to be declared)", "splitting", 0, job_id, found.status, token.attempt, token.pool.runtime,
            token.owner, "", _held_why(queue, found),
        )
    ]  # fmt: skip


def _belongs(job_id: str, epic_id: str, plan_ids: Collection[str]) -> bool:
    """Whether a job is one of these plans, or a step of the epic itself."""
    target = target_of(job_id)
    if target is None:
        return False
    return target.plan_id in plan_ids if target.plan_id is not None else target.epic_id == epic_id
