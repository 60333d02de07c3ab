"""The dispatcher: what job should exist for each plan, and making it so. Level-triggered.

`reconcile` looks at phases and files and enqueues what is missing. Run it once or a thousand times, from
one process or ten: the result is the same, because a key makes one job. It runs after every commit,
after every plan-changing command, on a timer in workers and in ``wf dispatch --watch``. No process is
special, so none can be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from wf_cli.contract.event import EventSink
from wf_cli.contract.identity import Target, target_of
from wf_cli.contract.lifecycle import LIVE, Status
from wf_cli.contract.token import Placed, Pool
from wf_cli.errors import Temporary, WfError
from wf_cli.queue.base import JobRequest
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.routing import role_for
from wf_cli.workflow import epic_status, epics, phases, plans, snapshot
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project
from wf_cli.workflow.snapshot import Snapshot

#: Phases of a plan that has begun and has not ended: it occupies the checkout.
_OPEN_PHASES = frozenset({phases.CODING, phases.AWAITING_REVIEW, phases.REVIEWING, phases.FIXING})
#: The step that works inside a phase, and how much it has raised the iteration.
_INSIDE = {phases.CODING: ("code", 0), phases.REVIEWING: ("review", 0), phases.FIXING: ("fix", 1)}
#: No job id has a dot, so this is nobody's fence.
_LOCK = "all.dispatch"
#: Seconds to wait for another reconcile on this host; it does the same, so skipping ours costs nothing.
_LOCK_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Blocked:
    """A plan for which no job was published, and why."""

    plan_id: str
    epic_id: str | None
    why: str
    #: Whether somebody has to do something: a dead or cancelled job, a blocked plan, an unreadable one.
    needs_help: bool = False


@dataclass(slots=True)
class Reconciled:
    """What one reconcile did."""

    published: list[str] = field(default_factory=list)
    deduped: list[str] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    completed_epics: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """What configuration says about dispatching."""

    pool: Callable[[str], Pool]
    max_attempts: Callable[[str], int]
    max_parallel_plans: int = 1
    max_iterations: int = 5


def next_command(now: Snapshot) -> str | None:
    """The step a plan waits for, by its phase and files; None when none is due by itself."""
    if now.phase == phases.PLANNING:
        return "code" if now.is_filled else "plan"
    if now.phase == phases.AWAITING_REVIEW:
        return "review"
    if now.phase == phases.REVIEWING and now.rejected_ids:
        return "fix"
    return None


class Dispatcher:
    """Reconciles a project with a queue."""

    def __init__(self, project: Project, queue: SpoolQueue, settings: DispatchSettings, events: EventSink):
        self._project = project
        self._queue = queue
        self._settings = settings
        self._events = events

    def reconcile(self, epic: Epic | None = None, *, also: Iterable[str] = ()) -> Reconciled:
        """Publish what the running epics lack (or only ``epic``), and the plans ``also`` names by id.

        Skipped without harm when another reconcile holds the lock of this host.
        """
        out = Reconciled()
        try:
            with self._queue.spool.lock(_LOCK, timeout=_LOCK_TIMEOUT):
                self._reconcile(epic, list(also), out)
        except Temporary:
            pass
        return out

    def publish(self, plan: Plan, command: str) -> tuple[str, bool]:
        """The job of one step, because a person asked for it; its id, and whether it existed before."""
        now = snapshot.take(plan)
        # A person who repeats a fix or code on a plan that is inside it adopts it: same iteration, same key.
        iteration = now.iteration - 1 if command == "fix" and now.phase == phases.FIXING else now.iteration
        enqueued = self._queue.enqueue(self._request(now, command, max(0, iteration), source="person"))
        return enqueued.job_id, enqueued.deduped

    def _reconcile(self, only: Epic | None, also: list[str], out: Reconciled) -> None:
        placed = self._queue.placed(LIVE | {Status.FAILED})
        jobs = _by_plan(placed)
        self._reroute(placed)
        occupied = self._occupied(jobs)
        for epic in epics.all_epics(self._project):
            if only is not None and epic.id != only.id:
                continue
            try:
                self._epic(epic, jobs, occupied, out)
            except WfError as error:
                out.blocked.append(Blocked("", epic.id, error.message, needs_help=True))
        for plan_id in also:
            plan = plans.find(self._project, plan_id)
            self._plan(plan, jobs, occupied, out)

    def _epic(self, epic: Epic, jobs: dict[str, list[Placed]], occupied: set[str], out: Reconciled) -> None:
        status = epics.orchestration(epics.load_state(epic)).get("status")
        if status != epics.RUNNING:
            return
        linked = epics.linked_plans(self._project, epic)
        for plan in linked:
            try:
                self._plan(plan, jobs, occupied, out, epic_id=epic.id)
            except WfError as error:
                out.blocked.append(Blocked(plan.id, epic.id, error.message, needs_help=True))
        if linked and all(epics.phase_of(plan) == phases.COMPLETED for plan in linked):
            now = epic_status.status(self._project, epic)
            if now.orchestration.get("status") == epics.COMPLETED:
                out.completed_epics.append(epic.id)
                self._events.emit("epic.completed", epic_id=epic.id)

    def _plan(
        self,
        plan: Plan,
        jobs: dict[str, list[Placed]],
        occupied: set[str],
        out: Reconciled,
        epic_id: str | None = None,
    ) -> None:
        now = snapshot.take(plan)
        epic_id = now.epic_id or epic_id
        mine = jobs.get(plan.id, [])
        live = next((p for p in mine if p.status in LIVE), None)
        command = next_command(now)
        if live is not None:
            return
        dead = next((p.token.job_id for p in mine if _is_due(p.token.job_id, command, now)), None)
        if dead is not None:
            told = f"{dead} is dead; `wf spool show {dead}` says why, `wf retry {dead}` runs it again"
            out.blocked.append(Blocked(plan.id, epic_id, told, needs_help=True))
            return
        if command is None:
            why, needs_help = _idle(now)
            if why:
                out.blocked.append(Blocked(plan.id, epic_id, why, needs_help))
            return
        request = self._request(now, command, now.iteration, epic_id=epic_id)
        others = self._before(plan, jobs, occupied)
        if len(others) >= self._settings.max_parallel_plans:
            out.blocked.append(Blocked(plan.id, epic_id, f"waits for plan {', '.join(others)} (max_parallel_plans)"))
            return
        if command == "fix" and now.iteration >= self._settings.max_iterations:
            self._block(now, epic_id)
            out.blocked.append(
                Blocked(plan.id, epic_id, f"blocked after {now.iteration} rounds of fixing (max_iterations)", True)
            )
            occupied.discard(plan.id)
            return
        enqueued = self._queue.enqueue(request)
        if not enqueued.deduped:
            occupied.add(plan.id)
            out.published.append(enqueued.job_id)
            return
        found = self._queue.find(enqueued.job_id)
        if found is not None and found.status in LIVE:
            occupied.add(plan.id)
            out.deduped.append(enqueued.job_id)
            return
        state = found.status if found is not None else "missing"
        out.blocked.append(
            Blocked(
                plan.id,
                epic_id,
                f"{enqueued.job_id} is {state} and its plan still waits for it; "
                f"`wf retry --force {enqueued.job_id}` runs it again",
                needs_help=True,
            )
        )

    def _request(
        self, now: Snapshot, command: str, iteration: int, *, epic_id: str | None = None, source: str = "dispatcher"
    ) -> JobRequest:
        role = role_for(command)
        target = Target(
            plan_id=now.plan.id,
            iteration=iteration,
            command=command,
            role=role,
            epic_id=now.epic_id or epic_id,
        )
        return JobRequest(
            role=role,
            runtime=self._settings.pool(role).runtime,
            target=target,
            max_attempts=self._settings.max_attempts(role),
            source=source,
        )

    def _occupied(self, jobs: dict[str, list[Placed]]) -> set[str]:
        """Plans that are open: from their first job until completed, blocked or dead, across epics."""
        occupied = set()
        for plan in plans.all_plans(self._project):
            mine = jobs.get(plan.id, [])
            live = any(p.status in LIVE for p in mine)
            if live or (epics.phase_of(plan) in _OPEN_PHASES and self._driven(plan) and not _died(plan, mine)):
                occupied.add(plan.id)
        return occupied

    def _before(self, plan: Plan, jobs: dict[str, list[Placed]], occupied: set[str]) -> list[str]:
        """The open plans that ``plan`` has to wait for.

        A new plan waits for all of them. Of several that are open already (a repository that changes over to
        this mode, a smaller max_parallel_plans) each waits for those with a live job and for those before it
        that have a next step: so one of them always goes on.
        """
        if plan.id not in occupied:
            return sorted(occupied)
        order = [other.id for other in plans.all_plans(self._project)]
        return [
            other
            for other in order
            if other in occupied
            and other != plan.id
            and (
                any(p.status in LIVE for p in jobs.get(other, []))
                or (order.index(other) < order.index(plan.id) and self._has_next(other))
            )
        ]

    def _has_next(self, plan_id: str) -> bool:
        return next_command(snapshot.take(plans.find(self._project, plan_id))) is not None

    def _driven(self, plan: Plan) -> bool:
        """Whether jobs work on this plan: a person's own plan in coding does not keep an epic waiting."""
        try:
            state = plans.read_state(plan)
            if state is None or state.epic_id is None:
                return False
            epic = epics.find(self._project, state.epic_id)
            return epics.orchestration(epics.load_state(epic)).get("status") == epics.RUNNING
        except WfError:
            return False

    def _block(self, now: Snapshot, epic_id: str | None) -> None:
        with self._project.changing(now.plan.id):
            state = plans.need_state(now.plan)
            if (state.phase, state.iteration) != (now.phase, now.iteration):
                return
            plans.write_state(now.plan, state, phase=phases.BLOCKED)
        self._events.emit(
            "plan.phase", plan_id=now.plan.id, epic_id=epic_id, from_=now.phase, to=phases.BLOCKED,
            reason=f"still rejected after {now.iteration} rounds of fixing",
        )  # fmt: skip

    def _reroute(self, placed: list[Placed]) -> None:
        """Queued jobs follow the routing: a token is renamed to its role's pool of today."""
        for p in placed:
            if p.status is Status.QUEUED and target_of(p.token.job_id) is not None:
                pool = self._settings.pool(p.token.pool.role)
                if pool != p.token.pool:
                    self._queue.reroute(p.token, pool)


def _is_due(job_id: str, command: str | None, now: Snapshot) -> bool:
    """Whether a dead job is the step that its plan waits for: the next one, or the one it was left inside."""
    target = target_of(job_id)
    if target is None:
        return False
    if command is not None:
        return (target.command, target.iteration) == (command, now.iteration)
    inside, raised = _INSIDE.get(now.phase, ("", 0))
    return (target.command, target.iteration + raised) == (inside, now.iteration)


def _died(plan: Plan, mine: list[Placed]) -> bool:
    """Whether the plan's present step is a dead letter: it waits for a person, and others may use the checkout."""
    state = plans.read_state(plan)
    if state is None:
        return False
    for placed in mine:
        target = target_of(placed.token.job_id)
        if placed.status is Status.FAILED and target is not None:
            # Inside a fix the plan's iteration is one above that of the job.
            inside = state.phase in (phases.FIXING, phases.AWAITING_REVIEW) and target.command == "fix"
            if target.iteration == state.iteration - inside:
                return True
    return False


def _by_plan(placed: list[Placed]) -> dict[str, list[Placed]]:
    out: dict[str, list[Placed]] = {}
    for p in placed:
        target = target_of(p.token.job_id)
        if target is not None:
            out.setdefault(target.plan_id, []).append(p)
    return out


def _idle(now: Snapshot) -> tuple[str | None, bool]:
    """Why a plan has no next step by itself, where that is worth saying; whether it needs a person."""
    match now.phase:
        case phases.COMPLETED:
            return None, False
        case phases.BLOCKED:
            return f"is blocked; `wf fix {now.plan.id}` takes it up again", True
        case phases.CODING:
            return f"was left in coding; finish it, or `wf code {now.plan.id}` gives it to a worker", True
        case phases.FIXING:
            return f"was left in fixing; finish it, or `wf fix {now.plan.id}` gives it to a worker", True
        case phases.REVIEWING:
            return (
                f"was left in reviewing with nothing rejected; `wf review {now.plan.id}` gives it to a worker",
                True,
            )
        case _:
            return f"is in the unknown phase {now.phase}", True
