"""The plans, epics and jobs that one reconcile sees. It lists each folder once, and reads each file at most once.

Jobs are listed before plans are read. In the other order a job could end in between, and its plan would be seen in
the old phase without a job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from wf_cli.contract.identity import target_of
from wf_cli.contract.token import Placed
from wf_cli.errors import Absent, WfError
from wf_cli.planjobs import behind
from wf_cli.planjobs.due import Job
from wf_cli.spool.scan import Finished, by_plan
from wf_cli.workflow import epics, order, phases, plans, references, snapshot
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.order import Turn
from wf_cli.workflow.plans import Plan, PlanState
from wf_cli.workflow.project import Project
from wf_cli.workflow.snapshot import Snapshot

_T = TypeVar("_T")


class Look:
    """The plans, epics and jobs of a project. Each is read when it is first asked for, and kept."""

    def __init__(self, project: Project, live: Iterable[Placed], finished: Finished):
        """``live`` are the live jobs."""
        self._project = project
        self._live = by_plan(live)
        self._finished = finished
        self.plans = plans.all_plans(project)
        self._epic_entries = references.entries(project.epics_dir)
        self.epics = [epics.of_entry(project, entry) for entry in self._epic_entries]
        #: Numbers that several plans have, so that they identify none of them.
        self.sharing = plans.duplicates(self.plans)
        #: Numbers that several epics have.
        self.sharing_epics = references.shared(self.epics)
        self._states: dict[str, PlanState | WfError | None] = {}
        self._facts: dict[str, Snapshot | WfError] = {}
        self._epic_states: dict[str, dict[str, Any] | WfError] = {}
        self._turns: dict[str, dict[str, Turn] | WfError] = {}
        #: By number, why the live job of a plan that is not in the checkout, or behind there, waits.
        self.absent = dict(self._absences())

    def _absences(self) -> Iterator[tuple[str, Absent]]:
        for number, jobs in self._live.items():
            target = target_of(jobs[0].token.job_id) if jobs else None
            if target is None:
                continue
            error = behind.among(self.plans, target, self.state, lambda plan: self.facts(plan).has_plan)
            if isinstance(error, Absent):
                yield number, error

    def live(self, plan_id: str) -> list[Placed]:
        """The live jobs of a plan."""
        return self._live.get(plan_id, [])

    def dead(self, plan_id: str) -> list[Placed]:
        """The dead jobs of a plan."""
        return self._finished.of_plan("dead", plan_id)

    def jobs(self, plan_id: str) -> list[Job]:
        """The live jobs of a plan, or its dead ones when it has no live job. Dead jobs matter only then."""
        out = []
        for found in self.live(plan_id) or self.dead(plan_id):
            target = target_of(found.token.job_id)
            if target is not None:
                out.append(Job(found.token.job_id, target.command, target.iteration, found.status))
        return out

    def plan(self, plan_id: str) -> Plan:
        """The plan with a number; raises PlanNotFound, NumberShared."""
        if plan_id in self.sharing:
            raise plans.NumberShared(plan_id, self.sharing[plan_id])
        found = next((plan for plan in self.plans if plan.id == plan_id), None)
        if found is None:
            raise plans.PlanNotFound(plan_id, sorted({plan.id for plan in self.plans}, key=int))
        return found

    def state(self, plan: Plan) -> PlanState | None:
        """The content of a plan's ``state.json``; raises StateError."""
        if plan.name not in self._states:
            try:
                self._states[plan.name] = plans.read_state(plan)
            except WfError as error:
                self._states[plan.name] = error
        return _value(self._states[plan.name])

    def phase(self, plan: Plan) -> str:
        """The phase of a plan; ``unknown`` when it cannot be read."""
        try:
            state = self.state(plan)
        except WfError:
            return phases.UNKNOWN
        return state.phase if state is not None else phases.UNKNOWN

    def facts(self, plan: Plan) -> Snapshot:
        """The facts that decide about a plan's next step; raises StateError."""
        if plan.name not in self._facts:
            try:
                self._facts[plan.name] = snapshot.of_state(plan, self.state(plan), self._project.clock)
            except WfError as error:
                self._facts[plan.name] = error
        return _value(self._facts[plan.name])

    def epic_state(self, epic: Epic) -> dict[str, Any]:
        """The content of an epic's ``state.json``; raises StateError."""
        if epic.name not in self._epic_states:
            try:
                self._epic_states[epic.name] = epics.load_state(epic)
            except WfError as error:
                self._epic_states[epic.name] = error
        return _value(self._epic_states[epic.name])

    def turn(self, epic: Epic, plan: Plan) -> Turn:
        """After which plans of its epic a plan comes; raises StateError."""
        if epic.name not in self._turns:
            try:
                self._turns[epic.name] = order.turns(epic, self.epic_state(epic), skip_quoted=True)
            except WfError as error:
                self._turns[epic.name] = error
        return _value(self._turns[epic.name]).get(plan.name, Turn())

    def is_settled(self, plan: Plan) -> bool:
        """Whether plans that come after ``plan`` may begin. False for one that cannot be read."""
        try:
            return self.phase(plan) == phases.COMPLETED and not self.facts(plan).is_unmerged
        except WfError:
            return False

    def is_unmerged(self, plan: Plan) -> bool:
        """Whether ``plan`` is completed and on its way into its target, or cannot be read to tell."""
        return self.phase(plan) == phases.COMPLETED and not self.is_settled(plan)

    def is_running(self, epic: Epic) -> bool:
        """Whether jobs are published for an epic's plans; raises StateError."""
        return epics.orchestration(self.epic_state(epic)).get("status") == epics.RUNNING

    def linked(self, epic: Epic) -> list[Plan]:
        """The plans of an epic in order of linking, existing or not; raises StateError."""
        return [plans.named(self._project, name) for name in epics.linked_names(self.epic_state(epic))]

    def is_driven(self, plan: Plan) -> bool:
        """Whether jobs work on a plan. False for one that a person codes alone, which keeps no epic waiting."""
        try:
            state = self.state(plan)
            if state is None or state.epic_id is None:
                return False
            entry = references.resolve(self._epic_entries, state.epic_id)
            return entry is not None and self.is_running(epics.of_entry(self._project, entry))
        except WfError:
            return False


def _value(kept: _T | WfError) -> _T:
    if isinstance(kept, WfError):
        raise kept
    return kept
