"""Plan steps for the worker: what a job does to its plan's phase, and when it counts as done.

The two tables of DESIGN section 7 (opener and check), decided from (command, the spec's iteration,
phase, iteration) and nothing else. The spec's iteration of a ``fix`` is that of the review it answers:
inside it the plan's is one higher.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from wf_cli.attempt.steps import Opening
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.token import Token, mark
from wf_cli.errors import WfError
from wf_cli.fencing import by_token
from wf_cli.runtimes import prompts
from wf_cli.spool.layout import Spool
from wf_cli.workflow import gates, phase_commands, phases, plans, snapshot, strict, worktree
from wf_cli.workflow.plans import Plan, PlanNotFound
from wf_cli.workflow.project import Project
from wf_cli.workflow.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class _Step:
    """One command: the phases before it and inside it, and how much it raises the iteration."""

    before: tuple[str, ...]
    inside: str
    opener: phases.PhaseCommand | None
    raises: int = 0


_STEPS = {
    "plan": _Step((), phases.PLANNING, None),
    "code": _Step((phases.PLANNING,), phases.CODING, phases.CODE),
    "review": _Step((phases.AWAITING_REVIEW,), phases.REVIEWING, phases.REVIEW),
    "fix": _Step((phases.REVIEWING, phases.BLOCKED), phases.FIXING, phases.FIX, raises=1),
}
#: Steps that are there to change something outside the plan's folder.
_CHANGING = ("code", "fix")


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
    ):
        self._project = project
        self._spool = spool
        self._events = events
        self._strict_profile = strict_profile
        self._epic_paused = epic_paused

    def hindrance(self, target: Target) -> str | None:
        if target.epic_id is not None and self._epic_paused(target.epic_id):
            return f"epic {target.epic_id} is paused"
        return None

    @contextlib.contextmanager
    def opening(self, target: Target) -> Iterator[tuple[Opening, str]]:
        plan = self._plan(target)
        if plan is None:
            yield Opening.SUPERSEDED, f"plan {target.plan_id} does not exist any more"
            return
        with self._project.changing(plan.id):
            now = snapshot.take(plan)
            opening, why = self._decide(target, now)
            if opening is Opening.GO:
                self._open(target, now)
            yield opening, why

    def _decide(self, target: Target, now: Snapshot) -> tuple[Opening, str]:
        step = _STEPS.get(target.command)
        if step is None:
            return Opening.SUPERSEDED, f"{target.command} is not a step that a worker runs"
        where = f"plan {target.plan_id} is in {now.phase}, iteration {now.iteration}"
        if self._unmet(target, now) is None:
            return Opening.DONE, f"{where}: the work is there already"
        before = now.phase in step.before and now.iteration == target.iteration
        inside = now.phase == step.inside and now.iteration == target.iteration + step.raises
        if before or inside:
            return Opening.GO, where
        return Opening.SUPERSEDED, where

    def _open(self, target: Target, now: Snapshot) -> None:
        """The phase change, if an earlier attempt has not made it. The caller holds fence and plan lock."""
        step = _STEPS[target.command]
        if step.opener is None or now.phase == step.inside:
            return
        strict_profile = self._strict_profile if target.command == "review" else None
        # The token lies in claimed/ still, so this change is made by the fence's holder, not by a permit.
        change = phase_commands.run(self._project, now.plan, step.opener, strict_profile=strict_profile)
        self._events.emit(
            "plan.phase", plan_id=now.plan.id, epic_id=target.epic_id, from_=change.before, to=change.phase
        )

    def prepare(self, target: Target) -> None:
        if target.command != "review" or self._strict_profile is None:
            return
        plan = self._plan(target)
        if plan is not None:
            strict.store(self._project, plan, strict.run_checks(self._project, plan, self._strict_profile))

    def prompt(self, target: Target, attempt: int, last: Failure | None, *, resumed: bool = False) -> str:
        plan = self._plan(target)
        return prompts.render(
            target.command,
            plan_id=target.plan_id,
            plan_dir=plan.relative if plan is not None else f"plans/{target.plan_id}-?",
            epic_id=target.epic_id,
            iteration=target.iteration,
            attempt=attempt,
            errors=_told(last),
            resumed=resumed,
        )

    def baseline(self, target: Target) -> str | None:
        plan = self._plan(target)
        if plan is None or target.command not in _CHANGING:
            return None
        return worktree.baseline(self._project.root, [plan.relative])

    def idle(self, target: Target, baseline: str | None) -> Failure | None:
        plan = self._plan(target) if baseline is not None and target.command in _CHANGING else None
        if plan is None or baseline is None:
            return None
        if worktree.changed(self._project.root, [plan.relative], baseline) is not False:
            return None
        told = f"nothing outside {plan.relative}/ has changed since this job began"
        return Failure("no_change", f"no change outside {plan.relative}/", errors=(told,))

    def check(self, target: Target, token: Token, idle: Failure | None = None) -> Failure | None:
        plan = self._plan(target)
        if plan is None:
            return Failure("checks_unmet", f"plan {target.plan_id} does not exist any more")
        try:
            unmet = self._unmet(target, snapshot.take(plan))
            if unmet is not None and target.command in _CHANGING:
                if idle is not None:
                    return replace(idle, errors=idle.errors + unmet.errors)
                if gates.review_gate(plan).ok:
                    # Only finish-code was forgotten: everything it demands is there.
                    unmet = self._finish_code(plan, target, token)
        except WfError as error:
            return Failure("checks_unmet", error.message, errors=(error.message,))
        return unmet

    def _finish_code(self, plan: Plan, target: Target, token: Token) -> Failure | None:
        project = Project(self._project.root, self._project.clock, by_token(self._spool, mark(token)))
        phase_commands.run(project, plan, phases.FINISH_CODE)
        return self._unmet(target, snapshot.take(plan))

    def _unmet(self, target: Target, now: Snapshot) -> Failure | None:
        """What keeps the job from counting as done."""
        plan = now.plan
        where = f"plan {plan.id} is in phase {now.phase}"
        match target.command:
            case "plan":
                if now.phase == phases.PLANNING and not now.is_filled:
                    return Failure("checks_unmet", f"plan {plan.id} is not filled in", errors=tuple(_blanks(now)))
                return None if now.phase == phases.PLANNING else Failure("checks_unmet", where)
            case "code" | "fix":
                raised = target.iteration + _STEPS[target.command].raises
                gate = gates.review_gate(plan)
                if now.phase == phases.AWAITING_REVIEW and now.iteration == raised and gate.ok:
                    return None
                return Failure("gate_failed", f"{where}, not awaiting_review", errors=gate.errors)
            case "review":
                decided = now.phase == phases.COMPLETED or (now.phase == phases.REVIEWING and now.rejected_ids)
                if decided and now.iteration == target.iteration:
                    return None
                errors = gates.done_gate(plan, self._project.clock).errors or (
                    f"every item is accepted: finish with `wf done {plan.id}`",
                )
                return Failure("checks_unmet", f"{where}: neither completed nor anything rejected", errors=errors)
        return Failure("checks_unmet", f"{target.command} is not a step that a worker runs")

    def _plan(self, target: Target) -> Plan | None:
        try:
            return plans.find(self._project, target.plan_id)
        except PlanNotFound:
            return None


def _blanks(now: Snapshot) -> Iterator[str]:
    if not now.has_plan:
        yield f"{now.plan.relative}/plan.md is empty"
    if not now.todo_ids:
        yield f"{now.plan.relative}/todo.md has no item with an id (`- [ ] [T1] text`)"
    if now.nameless_items:
        yield f"{now.plan.relative}/todo.md has {now.nameless_items} item(s) without an id (`- [ ] [T1] text`)"


def _told(last: Failure | None) -> tuple[str, ...]:
    """What the next agent is told about the attempt before."""
    if last is None:
        return ()
    return last.errors or (f"{last.code}: {last.message}",)
