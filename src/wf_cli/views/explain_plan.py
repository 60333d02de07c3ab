"""Why a plan or an epic is where it is, and what would move it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from wf_cli.contract.identity import job_id_for, target_of
from wf_cli.contract.lifecycle import LIVE
from wf_cli.contract.token import Placed
from wf_cli.errors import Absent, WfError
from wf_cli.frozen import frozen
from wf_cli.planjobs import absence, behind, split
from wf_cli.planjobs.outlook import outlook
from wf_cli.planjobs.round import Blocked, DispatchSettings
from wf_cli.spool import scan
from wf_cli.views.conditions.condition import Condition, Scope
from wf_cli.views.conditions.plans import of_entry, paused
from wf_cli.views.conditions.sight import Sight
from wf_cli.views.explain import explanation
from wf_cli.workflow import epics, isolation, phases, plans
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

#: Makes the sight of one job.
SightOf = Callable[[Placed], Sight]


@frozen
class SubjectExplanation:
    """The state of a plan or an epic (``kind``), its reason in one line, and the command that would move it."""

    kind: str
    number: str
    status: str
    summary: str
    conditions: tuple[Condition, ...]
    next: str | None

    @property
    def name(self) -> str:
        return f"{self.kind} {self.number}"

    def to_json(self) -> dict[str, Any]:
        return {
            f"{self.kind}_id": self.number,
            "status": self.status,
            "summary": self.summary,
            "conditions": [condition.to_json() for condition in self.conditions],
            "next": self.next,
        }


class Explainer:
    """Explains plans and epics. The live jobs are listed once, and only those of the plan or epic are looked at."""

    def __init__(
        self,
        project: Project,
        sight: Sight,
        settings: DispatchSettings,
        *,
        epic_paused: Callable[[str], bool],
        sight_of: SightOf,
    ):
        self._project = project
        self._sight = sight
        self._settings = settings
        self._epic_paused = epic_paused
        self._sight_of = sight_of

    def plan(self, number: str) -> SubjectExplanation:
        """The plan with ``number``, which may be away from the checkout while it has a job. Raises PlanNotFound."""
        mine = self._live(lambda target: target.plan_id == number)
        known = [plan for plan in plans.all_plans(self._project) if plan.id == number]
        if not known and not mine:
            raise plans.PlanNotFound(number, sorted({p.id for p in plans.all_plans(self._project)}, key=int))
        phase = epics.phase_of(known[0]) if known and absence.is_there(known[0]) else "absent"
        if phase == phases.COMPLETED and not mine and len(known) == 1 and isolation.has_settled(known[0]):
            return SubjectExplanation("plan", number, phase, "it is completed", (), None)
        linked = next((e for e in self._epics() if self._links(e, known)), None)
        conditions = list(self._of_plan(number, mine, linked))
        idle = "its next job is not published yet; `wf dispatch` and every worker's round do that"
        return _subject("plan", number, phase, conditions, idle)

    def epic(self, reference: str) -> SubjectExplanation:
        """The epic that ``reference`` names. Raises EpicNotFound, StateError."""
        epic = epics.find(self._project, reference)
        status = _status(epic)
        conditions: list[Condition] = []
        stop = paused(self._project, epic)
        if stop is not None:
            conditions.append(stop)
        if status == epics.RUNNING:
            linked = [plan.id for plan in epics.linked_plans(self._project, epic)]
            found = outlook(self._project, self._sight.viewer.spool, self._settings, live=self._all_live(), only=epic)
            conditions += [self._entry(entry) for entry in found.blocked]
            conditions += self._of_jobs(self._live(lambda t: t.epic_id == epic.id or t.plan_id in linked))
        idle = "it is completed" if status == epics.COMPLETED else ""
        conditions += _not_started(epic, status)
        return _subject("epic", epic.id, status, conditions, idle or self._unfinished(epic))

    # -- parts

    def _of_plan(self, number: str, mine: list[Placed], linked: Epic | None) -> Iterator[Condition]:
        status = _status(linked) if linked is not None else ""
        if linked is not None:
            stop = paused(self._project, linked)
            yield from [stop] if stop is not None else _not_started(linked, status)
        runs = status == epics.RUNNING
        entries = outlook(
            self._project, self._sight.viewer.spool, self._settings, live=self._all_live(),
            only=linked, also=() if runs else [number],
        ).blocked  # fmt: skip
        of_it = [entry for entry in entries if entry.plan_id == number or not entry.plan_id]
        # Nobody publishes the next step of a plan that no epic drives, so what it would wait for does not matter.
        yield from (self._entry(entry) for entry in of_it if runs or entry.needs_help)
        if linked is None and not mine and not any(entry.needs_help for entry in of_it):
            text = f"no epic drives plan {number}: a person's command begins its next step"
            yield Condition("epic_runs", None, text, f"wf context {number}", Scope(plan_id=number))
        yield from self._of_jobs(mine)

    def _of_jobs(self, placed: list[Placed]) -> Iterator[Condition]:
        """The conditions of live jobs that do not hold, the first one of each with the job's own sentence."""
        seen: set[str] = set()
        for one in placed:
            found = explanation(one, self._sight_of(one), epic_paused=self._epic_paused, project=self._project)
            job = f"{found.job_id} is {found.status}: {found.summary}"
            yield Condition("job", None, job, f"wf explain {found.job_id}", Scope(job_id=found.job_id))
            for condition in found.conditions:
                if condition.holds is False and condition.text not in seen:
                    seen.add(condition.text)
                    yield condition

    def _entry(self, entry: Blocked) -> Condition:
        """What a reconcile says, with the command by which git brings an absent plan back, where one does."""
        condition = of_entry(entry, self._sight.placed)
        if not entry.needs_help or condition.command != f"wf explain P{entry.plan_id}":
            return condition
        live = self._live(lambda target: target.plan_id == entry.plan_id)
        target = target_of(live[0].token.job_id) if live else None
        error = behind.objection(self._project, target) if target is not None else None
        if target is not None and isinstance(error, Absent) and error.code == "PLAN_BEHIND":
            found = behind.trace(self._project, target)
        else:
            found = absence.trace(self._project, entry.plan_id, entry.epic_id)
        command = found.command or (f"wf cancel {live[0].token.job_id}" if live else None)
        text = f"{condition.text}; {found.text}"
        return Condition(condition.name, False, text, command, condition.scope, grave=True)

    def _live(self, wanted: Callable[[Any], bool]) -> list[Placed]:
        found = []
        for placed in self._all_live():
            target = target_of(placed.token.job_id)
            if target is not None and wanted(target):
                found.append(placed)
        return found

    def _all_live(self) -> list[Placed]:
        return scan.only_live(self._sight.placed)

    def _epics(self) -> list[Epic]:
        return epics.all_epics(self._project)

    def _links(self, epic: Epic, known: list[Plan]) -> bool:
        try:
            names = epics.linked_names(epics.load_state(epic))
        except (WfError, OSError):
            return False
        return any(plan.name in names for plan in known)

    def _unfinished(self, epic: Epic) -> str:
        job_id = job_id_for(split.target(epic).dedupe_key)
        found = scan.find(self._sight.viewer.spool, job_id)
        if found is not None and found.status in LIVE:
            return f"{job_id} declares its plans"
        return "its jobs are published; the next free workers take them"


def _status(epic: Epic) -> str:
    return str(epics.orchestration(epics.load_state(epic)).get("status") or epics.IDLE)


def _not_started(epic: Epic, status: str) -> list[Condition]:
    """The condition that an epic runs, for one that neither runs nor is completed. A paused one is told by itself."""
    if status in (epics.RUNNING, epics.PAUSED, epics.COMPLETED):
        return []
    text = f"epic {epic.id} was not started" if status == epics.IDLE else f"epic {epic.id} does not run any more"
    return [Condition("epic_runs", False, text, f"wf epic run {epic.id}", Scope(epic_id=epic.id))]


def _subject(kind: str, number: str, status: str, conditions: list[Condition], idle: str) -> SubjectExplanation:
    by_text = {condition.text: condition for condition in conditions}
    missing = [condition for condition in by_text.values() if condition.holds is False]
    missing.sort(key=lambda condition: condition.command is None)
    first = missing[0] if missing else next(iter(by_text.values()), None)
    summary = first.text if first is not None else idle
    command = first.command if first is not None else None
    return SubjectExplanation(kind, number, status, summary, tuple(by_text.values()), command)
