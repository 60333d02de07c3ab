"""Plan steps for the worker: what a job does to its plan, what its agent is told, and when it counts as done.

Each question is answered by the row of the job's command in `wf_cli.contract.step`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from wf_cli.attempt.steps import Opening
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.step import STEPS, Step
from wf_cli.contract.token import Token, mark
from wf_cli.errors import Temporary, WfError
from wf_cli.fencing import by_token
from wf_cli.planjobs import opening, prompts, purpose
from wf_cli.spool.layout import Spool
from wf_cli.workflow import leftovers, phase_commands, phases, plans, snapshot, strict, worktree
from wf_cli.workflow.plans import NumberShared, Plan, PlanNotFound
from wf_cli.workflow.project import Project
from wf_cli.workflow.snapshot import Snapshot

#: A command that is no step: what no row asks for does not happen.
_NO_STEP = Step("", STEPS["verify"].role)
#: Seconds for which `hindrance` trusts one listing of plans/; the opening of a job looks for itself.
_SHARING_FOR = 1.0


class PlanSteps:
    """Implements `wf_cli.attempt.steps.Steps` on a project."""

    def __init__(
        self,
        project: Project,
        spool: Spool,
        events: EventSink,
        *,
        strict_profile: strict.Profile | None = None,
        epic_paused: Callable[[str], bool] = lambda _epic_id: False,
        tool_files: Callable[[str], Sequence[str]] = lambda _role: leftovers.BUILT_IN,
    ):
        """``tool_files``: by role, the patterns of files that tools leave behind and that are no work."""
        self._project = project
        self._spool = spool
        self._events = events
        self._strict_profile = strict_profile
        self._epic_paused = epic_paused
        #: The plan that a job was opened on, by number: one job of a plan works at a time.
        self._opened: dict[str, Plan] = {}
        self._sharing: dict[str, tuple[Plan, ...]] = {}
        self._sharing_until = 0.0
        self._tool_files = tool_files

    def hindrance(self, target: Target) -> str | None:
        if target.epic_id is not None and self._epic_paused(target.epic_id):
            return f"epic {target.epic_id} is paused"
        now = self._project.clock.monotonic()
        if now >= self._sharing_until:
            self._sharing = plans.duplicates(plans.all_plans(self._project))
            self._sharing_until = now + _SHARING_FOR
        sharing = self._sharing.get(target.plan)
        return plans.NumberShared(target.plan, sharing).message if sharing is not None else None

    # -- before the agent

    @contextlib.contextmanager
    def opening(self, target: Target) -> Iterator[tuple[Opening, str]]:
        """As the protocol says. Raises Temporary while another plan has the number of the job's plan."""
        self._opened.pop(target.plan, None)
        try:
            plan = self._plan(target)
        except NumberShared as refused:
            raise Temporary(refused.message, hint=refused.hint, code=refused.code) from refused
        if plan is None:
            yield Opening.SUPERSEDED, f"plan {target.plan} does not exist any more"
            return
        with self._project.changing(plan.id):
            now = self._look(plan)
            verdict, why = opening.decide(target, now)
            if verdict is Opening.GO:
                self._open(target, now)
            yield verdict, why

    def _open(self, target: Target, now: Snapshot) -> None:
        """The phase change, if an earlier attempt has not made it. The caller holds fence and plan lock."""
        step = _step(target)
        command = phases.of_step(step)
        if command is None or now.phase == step.inside:
            return
        # The token lies in claimed/ still, so this change is made by the fence's holder, not by a permit.
        change = phase_commands.run(
            self._project, now.plan, command, strict_profile=self._strict_profile if step.strict else None
        )
        self._events.emit(
            "plan.phase", plan_id=now.plan.id, epic_id=target.epic_id, from_=change.before, to=change.phase
        )

    def prepare(self, target: Target) -> None:
        if not _step(target).strict or self._strict_profile is None:
            return
        plan = self._plan(target)
        if plan is not None:
            strict.store(self._project, plan, strict.run_checks(self._project, plan, self._strict_profile))

    def prompt(self, target: Target, attempt: int, last: Failure | None, *, resumed: bool = False) -> str:
        plan = self._plan(target)
        return prompts.render(
            target.command,
            plan_id=target.plan,
            plan_dir=plan.relative if plan is not None else f"plans/{target.plan}-?",
            epic_id=target.epic_id,
            iteration=target.iteration,
            attempt=attempt,
            errors=prompts.told(last),
            about=self._about(target, plan),
            resumed=resumed,
        )

    def _about(self, target: Target, plan: Plan | None) -> str:
        if plan is None:
            return ""
        return purpose.for_planner(self._project, plan) if target.command == "plan" else purpose.title(plan)

    def baseline(self, target: Target) -> str | None:
        plan = self._plan(target)
        if plan is None or not _step(target).must_change:
            return None
        return worktree.baseline(self._project.root, [plan.relative], self._tool_files(target.role))

    # -- after the agent

    def idle(self, target: Target, baseline: str | None) -> Failure | None:
        if baseline is None or not _step(target).must_change:
            return None
        try:
            plan = self._plan(target)
        except NumberShared:
            return None  # which plan's work is meant cannot be told; the permit of whatever follows says so
        if plan is None:
            return None
        tool_files = self._tool_files(target.role)
        if worktree.changed(self._project.root, [plan.relative], baseline, tool_files) is not False:
            return None
        told = (
            f"nothing outside {plan.relative}/ has changed since this job began "
            "(caches, logs and what else tools leave behind are not counted)"
        )
        return Failure("no_change", f"no change outside {plan.relative}/", errors=(told,))

    def check(self, target: Target, token: Token, idle: Failure | None = None) -> Failure | None:
        try:
            plan = self._plan(target)
            if plan is None:
                return Failure("checks_unmet", f"plan {target.plan} does not exist any more")
            now = self._look(plan)
            unmet = opening.unmet(target, now)
            if unmet is not None and _step(target).must_change:
                if idle is not None:
                    return replace(idle, errors=idle.errors + unmet.errors)
                if not now.gate_errors("review"):
                    # Only finish-code was forgotten: everything it demands is there.
                    unmet = self._finish_code(plan, target, token)
        except WfError as error:
            return Failure("checks_unmet", error.message, errors=(error.message,))
        return unmet

    def _finish_code(self, plan: Plan, target: Target, token: Token) -> Failure | None:
        project = Project(self._project.root, self._project.clock, by_token(self._spool, mark(token)))
        phase_commands.run(project, plan, phases.FINISH_CODE)
        return opening.unmet(target, self._look(plan))

    # -- the plan of a job

    def _plan(self, target: Target) -> Plan | None:
        """The plan of a job: the one that it was opened on, as long as its folder is there; None without a plan.

        Raises NumberShared for a job that was not opened here, when its number means several plans.
        """
        plan = self._opened.get(target.plan)
        if plan is not None and plan.path.is_dir():
            return plan
        try:
            plan = plans.with_number(self._project, target.plan)
        except PlanNotFound:
            self._opened.pop(target.plan, None)
            return None
        self._opened[target.plan] = plan
        return plan

    def _look(self, plan: Plan) -> Snapshot:
        return snapshot.take(plan, self._project.clock)


def _step(target: Target) -> Step:
    return STEPS.get(target.command, _NO_STEP)
