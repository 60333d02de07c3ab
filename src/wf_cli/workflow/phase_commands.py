"""``code``, ``finish-code``, ``review``, ``fix``, ``done``: the phase changes, each under the plan's lock."""

from __future__ import annotations

from wf_cli import fsio
from wf_cli.errors import Refused
from wf_cli.frozen import frozen
from wf_cli.workflow import files, gates, phases, plans, review, todo
from wf_cli.workflow.phases import PhaseCommand
from wf_cli.workflow.plans import Plan, PlanState
from wf_cli.workflow.project import Project


class GateFailed(Refused):
    """The gate of a command did not pass. ``errors`` holds all reasons."""

    code = "GATE_FAILED"

    def __init__(self, plan: Plan, command: PhaseCommand, gate: gates.Gate):
        details = "".join(f"\n  - {error}" for error in gate.errors)
        super().__init__(
            f"plan {plan.id} does not pass the {command.gate} gate of {command.name}:{details}",
            hint=f"repair these points, check with: wf verify {plan.id} --target={command.gate}",
            plan_id=plan.id,
            gate=command.gate,
            errors=list(gate.errors),
        )
        self.errors = gate.errors


class WrongPhase(Refused):
    """The plan is in a phase from which this command does not start."""

    code = "WRONG_PHASE"

    def __init__(self, plan: Plan, command: str, phase: str, expected: tuple[str, ...]):
        allowed = phases.allowed_next(phase)
        super().__init__(
            f"plan {plan.id} is in phase {phase}; {command} needs {' or '.join(expected)}",
            hint=f"possible now: {', '.join(f'wf {name} {plan.id}' for name in allowed) or 'nothing'}",
            plan_id=plan.id,
            phase=phase,
        )


@frozen
class PhaseChange:
    """A phase change that was made, with ``warnings`` for a person."""

    plan: Plan
    command: str
    before: str
    phase: str
    iteration: int
    epic_id: str | None
    warnings: tuple[str, ...] = ()


def run(project: Project, plan: Plan, command: PhaseCommand, *, strict_profile: str | None = None) -> PhaseChange:
    """Take ``plan`` through ``command``: check phase and gate, write the new phase, all inside the plan's lock.

    Raises GateFailed or WrongPhase before any file is written. With ``strict_profile``, ``review`` also writes the
    strict metadata into review.md.
    """
    with project.changing(plan.id):
        warnings: list[str] = []
        if command.gate == "review":
            _require(plan, command, gates.review_gate(plan))
        elif command.gate == "done":
            _require(plan, command, gates.done_gate(plan, project.clock))
            warnings = _left_open(plan)
        state = allowed(plan, command)
        iteration = state.iteration + (1 if command.raises_iteration else 0)
        changes: dict[str, object] = {"phase": command.target}
        if command.raises_iteration:
            changes["iteration"] = iteration
        if command == phases.CODE and plan.strict_list:
            items = todo.parse(files.read_text(plan.todo_md) or "", skip_quoted=True)
            changes[plans.ITEMS] = [item.id for item in items if item.id is not None]
        if command == phases.REVIEW:
            _prepare_review(plan, strict_profile)
        plans.write_state(plan, state, **changes)
    return PhaseChange(plan, command.name, state.phase, command.target, iteration, state.epic_id, tuple(warnings))


def allowed(plan: Plan, command: PhaseCommand) -> PlanState:
    """The state of a plan whose phase allows ``command``; raises WrongPhase or StateError."""
    state = plans.need_state(plan)
    if state.phase not in command.sources:
        raise WrongPhase(plan, command.name, state.phase, command.sources)
    return state


def _require(plan: Plan, command: PhaseCommand, gate: gates.Gate) -> None:
    if not gate.ok:
        raise GateFailed(plan, command, gate)


def _prepare_review(plan: Plan, strict_profile: str | None) -> None:
    text = files.read_text(plan.review_md)
    if strict_profile is not None:
        fsio.write_through(plan.review_md, review.with_strict_metadata(text or "", strict_profile))
    elif text is None:
        fsio.write_through(plan.review_md, "")


def _left_open(plan: Plan) -> list[str]:
    """A warning about items that are not ticked, because the done gate ignores them.

    That the gate does so is kept from wf-cli 0.3.x (docs/explanation/compatibility.md, quirk 8).
    """
    items = todo.parse(files.read_text(plan.todo_md) or "", skip_quoted=plan.strict_list)
    unticked = [item.id or item.text for item in items if not item.checked]
    return [f"completed with todo items that are not ticked: {', '.join(unticked)}"] if unticked else []
