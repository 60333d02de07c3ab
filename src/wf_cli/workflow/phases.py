"""The phases of a plan and the commands that move it: one table, from which everything else is derived.

``blocked`` is entered by no command: it is written by hand, or by the dispatcher when a plan used up its
review rounds. An unknown phase is legal on disk and simply allows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PLANNING = "planning"
CODING = "coding"
AWAITING_REVIEW = "awaiting_review"
REVIEWING = "reviewing"
FIXING = "fixing"
COMPLETED = "completed"
BLOCKED = "blocked"

#: Every phase a command can leave behind or start from, in the order of a plan's life.
PHASES = (PLANNING, CODING, AWAITING_REVIEW, REVIEWING, FIXING, COMPLETED, BLOCKED)

#: Shown for a plan without a readable phase.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class PhaseCommand:
    """What one command does to the phase, and the gate it has to pass first."""

    name: str
    sources: tuple[str, ...]
    target: str
    gate: Literal["review", "done"] | None = None
    raises_iteration: bool = False


CODE = PhaseCommand("code", (PLANNING,), CODING)
FINISH_CODE = PhaseCommand("finish-code", (CODING, FIXING), AWAITING_REVIEW, gate="review")
REVIEW = PhaseCommand("review", (AWAITING_REVIEW,), REVIEWING)
FIX = PhaseCommand("fix", (REVIEWING, BLOCKED), FIXING, raises_iteration=True)
DONE = PhaseCommand("done", (REVIEWING,), COMPLETED, gate="done")

#: By name, in the order in which `allowed_next` lists them.
PHASE_COMMANDS = {command.name: command for command in (CODE, FINISH_CODE, REVIEW, FIX, DONE)}


def allowed_next(phase: str) -> list[str]:
    """The phase commands that a plan in ``phase`` may take; none for a phase nobody knows."""
    return [command.name for command in PHASE_COMMANDS.values() if phase in command.sources]
