"""Plan steps for the worker: what a job does to its plan, what its agent is told, and when it counts as done.

The row of the job's command in `wf_cli.contract.step` answers each of these questions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import replace

from wf_cli import sharing, system_errors
from wf_cli.attempt.steps import Opening
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.step import STEPS, Approval, Step, named
from wf_cli.contract.token import Token, mark
from wf_cli.errors import Absent, Temporary, WfError
from wf_cli.fencing import by_token
from wf_cli.planjobs import absence, behind, opening, prompts, purpose
from wf_cli.spool.layout import Spool
from wf_cli.workflow import changes, leftovers, phase_commands, phases, plans, snapshot, strict
from wf_cli.workflow.plans import NumberShared, Plan, PlanNotFound
from wf_cli.workflow.project import Project
from wf_cli.workflow.snapshot import Snapshot

#: The row for a command that is no step. It asks for no phase change, no strict checks and no proof of a change.
_NO_STEP = Step("", STEPS["verify"].role)
#: Seconds for which `hindrance` trusts one listing of plans/. The opening of a job makes its own.
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
        approve: Container[Approval] = (),
    ):
        """``approve`` is what a person has to approve before a step begins. ``tool_files`` gives, by role, the
        patterns of files that tools leave behind and that are not work."""
        self._project = project
        self._spool = spool
        self._events = events
        self._strict_profile = strict_profile
        self._epic_paused = epic_paused
        #: By number, the plan that a job was opened on. One job of a plan works at a time, so the number suffices.
        self._opened: dict[str, Plan] = {}
        #: By number, why `idle` could not tell.
        self._doubts: dict[str, str] = {}
        self._sharing: dict[str, tuple[Plan, ...]] = {}
        self._sharing_until = 0.0
        self._tool_files = tool_files
        self._approve = approve

    def hindrance(self, target: Target) -> str | None:
        """See `wf_cli.attempt.steps.Steps`. Raises Absent while the plan is not in the checkout, or behind there, and
        StateError while its state cannot be read."""
        if target.epic_id is not None and self._epic_paused(target.epic_id):
            return f"epic {target.epic_id} is paused"
        now = self._project.clock.monotonic()
        if now >= self._sharing_until:
            self._sharing = plans.duplicates(plans.all_plans(self._project))
            self._sharing_until = now + _SHARING_FOR
        sharing = self._sharing.get(target.plan)
        if sharing is not None:
            return plans.NumberShared(target.plan, sharing).message
        plan = self._need(target)
        behind.refuse(target, plan)
        if _step(target).approval not in self._approve:
            return None
        return self._unapproved(target, self._look(plan))

    def _unapproved(self, target: Target, now: Snapshot) -> str | None:
        """Why a step may not begin whose plan is not approved as it is now; None when it may."""
        step = _step(target)
        if step.approval is None or step.approval not in self._approve or now.phase not in step.begins_in:
            return None
        of = now.unapproved(step.approval)
        if of is None:
            return None
        return f"plan {target.plan} waits for approval of {named(step.approval, of)}: wf approve {target.plan}"

    # -- before the agent

    @contextlib.contextmanager
    def opening(self, target: Target) -> Iterator[tuple[Opening, str]]:
        """See `wf_cli.attempt.steps.Steps`. Raises Temporary while another plan has the number of the job's plan, and
        what `hindrance` raises."""
        self._opened.pop(target.plan, None)
        try:
            plan = self._need(target)
        except NumberShared as refused:
            raise Temporary(refused.message, hint=refused.hint, code=refused.code) from refused
        with self._project.changing(plan.id):
            behind.refuse(target, plan)
            now = self._look(plan)
            self._need(target)  # It may have gone while its files were read, and missing files read as empty.
            verdict, why = opening.decide(target, now)
            if verdict is Opening.GO:
                unapproved = self._unapproved(target, now)
                if unapproved is not None:  # Somebody has edited or rejected the text since the job was claimed.
                    raise Temporary(unapproved, code="NOT_APPROVED")
                self._open(target, now)
            yield verdict, why

    def _open(self, target: Target, now: Snapshot) -> None:
        """Make the phase change, unless an earlier attempt has made it. The caller holds fence and plan lock."""
        step = _step(target)
        command = phases.of_step(step)
        if command is None or now.phase == step.inside:
            return
        # The token still lies in claimed/, which gives no permit to change plans. The fence, which the caller holds,
        # protects this change instead.
        change = phase_commands.run(
            self._project, now.plan, command, strict_profile=self._strict_profile if step.strict else None
        )
        self._events.emit(
            "plan.phase", plan_id=now.plan.id, epic_id=target.epic_id, from_=change.before, to=change.phase
        )

    def prepare(self, target: Target) -> None:
        if not _step(target).strict or self._strict_profile is None:
            return
        plan = self._need(target)
        strict.store(self._project, plan, strict.run_checks(self._project, plan, self._strict_profile))

    def prompt(self, target: Target, attempt: int, last: Failure | None, *, resumed: bool = False) -> str:
        plan = self._need(target)
        return prompts.render(
            target.command,
            plan_id=target.plan,
            plan_dir=plan.relative,
            epic_id=target.epic_id,
            iteration=target.iteration,
            attempt=attempt,
            errors=(*prompts.told(last), *self._rejection(target, plan)),
            about=self._about(target, plan),
            resumed=resumed,
        )

    def _rejection(self, target: Target, plan: Plan) -> tuple[str, ...]:
        """What a person said who has rejected the text that the planner is to write anew."""
        if target.command != "plan":
            return ()
        now = self._look(plan)
        if not now.said.is_rejected(now.text):
            return ()
        return (f"A person has rejected plan.md and todo.md as they are. Write them anew. {now.said.reason}",)

    def _about(self, target: Target, plan: Plan) -> str:
        return purpose.for_planner(self._project, plan) if target.command == "plan" else purpose.title(plan)

    def baseline(self, target: Target) -> str | None:
        plan = self._plan(target)
        if plan is None or not _step(target).must_change:
            return None
        return changes.baseline(self._project.root, [plan.relative], self._tool_files(target.role))

    # -- after the agent

    def idle(self, target: Target, baseline: str | None) -> Failure | None:
        self._doubts.pop(target.plan, None)
        if not _step(target).must_change:
            return None
        if baseline is None:
            self._doubts[target.plan] = "how the checkout was before this job's first agent is not known"
            return None
        try:
            plan = self._plan(target)
        except NumberShared:
            return None  # The number means several plans. The permit for the next change of the plan reports that.
        if plan is None:
            return None
        tool_files = self._tool_files(target.role)
        changed = changes.changed(self._project.root, [plan.relative], baseline, tool_files)
        if changed is None:
            self._doubts[target.plan] = "git did not tell, or there are too many files without git"
        if changed is not False:
            return None
        told = (
            f"nothing outside {plan.relative}/ has changed since this job began "
            "(caches, logs and what else tools leave behind are not counted)"
        )
        return Failure("no_change", f"no change outside {plan.relative}/", errors=(told,))

    def doubt(self, target: Target) -> str | None:
        return self._doubts.get(target.plan)

    def check(self, target: Target, token: Token, idle: Failure | None = None) -> Failure | None:
        """See `wf_cli.attempt.steps.Steps`. Raises Absent for a plan that is not in the checkout."""
        failure = self._check(target, token, idle)
        if failure is not None and self._plan(target) is None:
            raise absence.absent(
                target.plan
            )  # It has gone while its files were read, and missing ones read as empty.
        return failure

    def _check(self, target: Target, token: Token, idle: Failure | None) -> Failure | None:
        try:
            plan = self._need(target)
            sharing.pass_on_tree(plan.path)  # The agent of the next step may be another user's.
            now = self._look(plan)
            unmet = opening.unmet(target, now)
            if unmet is not None and _step(target).must_change:
                if idle is not None:
                    return replace(idle, errors=idle.errors + unmet.errors)
                if not now.gate_errors("review"):
                    # The agent forgot only finish-code, because everything that it demands is there.
                    unmet = self._finish_code(plan, target, token)
        except Absent:
            raise
        except WfError as error:
            if system_errors.may_pass(error, was_allowed=True):
                raise  # What the job was opened on was not seen, so nothing is known of the work.
            return Failure("checks_unmet", error.message, errors=(error.message,))
        return unmet

    def _finish_code(self, plan: Plan, target: Target, token: Token) -> Failure | None:
        project = Project(
            self._project.root,
            self._project.clock,
            by_token(self._spool, mark(token)),
            distributed=self._project.distributed,
        )
        phase_commands.run(project, plan, phases.FINISH_CODE)
        return opening.unmet(target, self._look(plan))

    # -- the plan of a job

    def _need(self, target: Target) -> Plan:
        """`_plan`, or Absent raised."""
        plan = self._plan(target)
        if plan is None:
            raise absence.absent(target.plan)
        return plan

    def _plan(self, target: Target) -> Plan | None:
        """The plan that a job was opened on, as long as it is there; else the plan with its number, or None.

        Raises NumberShared when the number has to be looked up and means several plans.
        """
        plan = self._opened.get(target.plan)
        if plan is not None and absence.is_there(plan):
            return plan
        self._opened.pop(target.plan, None)
        try:
            plan = plans.with_number(self._project, target.plan)
        except PlanNotFound:
            return None
        if not absence.is_there(plan):
            return None
        self._opened[target.plan] = plan
        return plan

    def _look(self, plan: Plan) -> Snapshot:
        return snapshot.take(plan, self._project.clock)


def _step(target: Target) -> Step:
    return STEPS.get(target.command, _NO_STEP)
