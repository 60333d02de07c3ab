"""How an attempt can fail, and what each kind costs, in one table (docs/explanation/attempts.md)."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Any

from wf_cli.frozen import frozen


class ErrorClass(StrEnum):
    """What a failure says about trying again."""

    #: Trying again may help. It burns an attempt, and the job backs off.
    TRANSIENT = "transient"
    #: The work is not good enough. It burns an attempt, and the errors go into the next prompt.
    QUALITY = "quality"
    #: The provider refuses for a while. It burns nothing, and the pool cools down.
    PARKED = "parked"
    #: This machine cannot do it just now. It burns nothing; the job is released with a delay, and the session pauses.
    HOST = "host"
    #: This host cannot read a file of the job. It burns nothing; the job is released with a delay, and others go on.
    UNREADABLE = "unreadable"
    #: The job's money is spent. It burns nothing, and the job is held until an operator releases it.
    BUDGET = "budget"
    #: The repository is in a state that only a person may change. It burns nothing, and the job is held until an
    #: operator releases it.
    OPERATOR = "operator"
    #: Trying again cannot help. The job becomes a dead letter at once.
    PERMANENT = "permanent"


#: Every error code, by class. Scripts may rely on the codes.
CODES: dict[str, ErrorClass] = {
    "crashed": ErrorClass.TRANSIENT,
    "timeout": ErrorClass.TRANSIENT,
    "stall": ErrorClass.TRANSIENT,
    "network": ErrorClass.TRANSIENT,
    "lost": ErrorClass.TRANSIENT,
    "never_started": ErrorClass.TRANSIENT,
    #: A command that prepares a new worktree has failed.
    "setup_failed": ErrorClass.TRANSIENT,
    "gate_failed": ErrorClass.QUALITY,
    "no_change": ErrorClass.QUALITY,
    "checks_unmet": ErrorClass.QUALITY,
    #: What is handed over lacks a commit that the plan was to be merged with, lost changes of it, or no longer has
    #: what was handed over before.
    "not_merged": ErrorClass.QUALITY,
    "dropped_side": ErrorClass.QUALITY,
    "history_rewritten": ErrorClass.QUALITY,
    "rate_limited": ErrorClass.PARKED,
    "usage_limit": ErrorClass.PARKED,
    "auth": ErrorClass.PARKED,
    "overloaded": ErrorClass.PARKED,
    #: The agent ended at once and has done nothing, and what it said is unknown.
    "refused": ErrorClass.PARKED,
    "disk_full": ErrorClass.HOST,
    "disk_error": ErrorClass.HOST,
    "spawn_failed": ErrorClass.HOST,
    "runtime_missing": ErrorClass.HOST,
    #: The agent's program has to be updated before its provider takes it again.
    "outdated": ErrorClass.HOST,
    "unreadable": ErrorClass.UNREADABLE,
    "over_budget": ErrorClass.BUDGET,
    "unknown_cost": ErrorClass.BUDGET,
    #: The target of plans is checked out somewhere, or fails its gates without the plan; a branch is not wf's.
    "target_checked_out": ErrorClass.OPERATOR,
    "target_red": ErrorClass.OPERATOR,
    "branch_foreign": ErrorClass.OPERATOR,
    "invalid_spec": ErrorClass.PERMANENT,
    "policy_denied": ErrorClass.PERMANENT,
    "model_not_found": ErrorClass.PERMANENT,
}


@frozen
class Failure:
    """Why an attempt failed. ``details`` is JSON; ``errors`` of a quality failure are shown to the next agent."""

    code: str
    message: str
    errors: tuple[str, ...] = ()
    #: Parked only: the seconds after which the provider said that it takes requests again; None when it said no time.
    retry_after_s: float | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def error_class(self) -> ErrorClass:
        """The class of the code; unknown codes count as transient."""
        return CODES.get(self.code, ErrorClass.TRANSIENT)

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"class": str(self.error_class), "code": self.code, "message": self.message}
        if self.errors:
            out["errors"] = list(self.errors)
        if self.retry_after_s is not None:
            out["retry_after_s"] = self.retry_after_s
        if self.details:
            out["details"] = self.details
        return out

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Failure:
        return cls(
            code=str(value.get("code", "crashed")),
            message=str(value.get("message", "")),
            errors=tuple(str(e) for e in value.get("errors", ())),
            retry_after_s=value.get("retry_after_s"),
            details=dict(value.get("details", {})),
        )
