"""The commands that move a plan from phase to phase, made from the step table (`wf_cli.contract.step`).

An unknown phase is legal on disk, and no phase command starts from it.
"""

from __future__ import annotations

from wf_cli.contract.step import (
    AWAITING_REVIEW,
    BLOCKED,
    CODING,
    COMPLETED,
    FIXING,
    PHASES,
    PLANNING,
    REVIEWING,
    STEPS,
    GateName,
    Step,
)
from wf_cli.frozen import frozen

__all__ = [
    "AWAITING_REVIEW",
    "BLOCKED",
    "CODE",
    "CODING",
    "COMPLETED",
    "DONE",
    "FINISH_CODE",
    "FIX",
    "FIXING",
    "PHASES",
    "PHASE_COMMANDS",
    "PLANNING",
    "REVIEW",
    "REVIEWING",
    "UNKNOWN",
    "PhaseCommand",
    "allowed_next",
    "of_step",
]

#: Shown for a plan without a readable phase.
UNKNOWN = "unknown"


@frozen
class PhaseCommand:
    """The phases from which a command starts, the phase to which it leads, and the gate that it has to pass first."""

    name: str
    sources: tuple[str, ...]
    target: str
    gate: GateName | None = None
    raises_iteration: bool = False


def of_step(step: Step) -> PhaseCommand | None:
    """The phase change of a step; None for a step that leaves the phase alone."""
    if not step.before or step.inside is None:
        return None
    return PhaseCommand(step.command, step.before, step.inside, step.gate, raises_iteration=step.raises > 0)


#: By name, in the order in which `allowed_next` lists them.
PHASE_COMMANDS = {command.name: command for step in STEPS.values() if (command := of_step(step)) is not None}

CODE = PHASE_COMMANDS["code"]
FINISH_CODE = PHASE_COMMANDS["finish-code"]
REVIEW = PHASE_COMMANDS["review"]
FIX = PHASE_COMMANDS["fix"]
DONE = PHASE_COMMANDS["done"]


def allowed_next(phase: str) -> list[str]:
    """The names of the phase commands that a plan in ``phase`` may take; none for an unknown phase."""
    return [command.name for command in PHASE_COMMANDS.values() if phase in command.sources]
