"""A job's spec (its JSON content, which never changes) and an attempt's outcome (its end).

Schemas: ``schemas/spec.schema.json``, ``schemas/outcome.schema.json``. Unknown keys are ignored on
reading, so that a newer wf can add some.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from wf_cli import clock
from wf_cli.contract import identity
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.token import Pool, Token, validate
from wf_cli.errors import ContractError

SCHEMA_VERSION = 1
#: The reference's own job records were version 1; this is the spool's.
CONTRACT_VERSION = 2
#: A spec or outcome larger than this is refused: names and small facts belong in it, not files.
RECORD_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Spec:
    """What never changes about a job."""

    job_id: str
    dedupe_key: str
    nonce: str
    created_ms: int
    role: str
    runtime: str
    target: Target | None = None
    payload: Any = None
    priority: int = 5
    max_attempts: int = 3
    source: str = "cli"

    def to_json(self) -> dict[str, Any]:
        target: dict[str, Any] = {"executor_role": self.role, "executor_runtime": self.runtime}
        if self.target is not None:
            target |= {
                "plan_id": self.target.plan_id,
                "plan_iteration": self.target.iteration,
                "workflow_command": self.target.command,
            }
            if self.target.epic_id:
                target["epic_id"] = self.target.epic_id
            if self.target.repo_id:
                target["repo_id"] = self.target.repo_id
        return {
            "schema_version": SCHEMA_VERSION,
            "contract_version": CONTRACT_VERSION,
            "job_id": self.job_id,
            "dedupe_key": self.dedupe_key,
            "nonce": self.nonce,
            "created_at": clock.iso(self.created_ms),
            "target": target,
            "payload": self.payload,
            "priority": self.priority,
            "max_attempts": self.max_attempts,
            "source": self.source,
        }

    def encode(self) -> bytes:
        """The file's bytes."""
        return (json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Spec:
        """The record of a value that passed the schema; ContractError when its parts contradict each other."""
        target = value["target"]
        job_id, key = value["job_id"], value["dedupe_key"]
        if identity.key_of(job_id) != key:
            raise ContractError(f"job id {job_id} does not belong to key {key!r}", code="invalid_spec")
        created = clock.parse_iso_ms(value["created_at"])
        step = identity.parse_plan_key(key)
        declared = {k: target.get(k) for k in ("plan_id", "plan_iteration", "workflow_command", "epic_id", "repo_id")}
        expected: dict[str, Any] = dict.fromkeys(declared)
        if step is not None:
            expected = {
                "plan_id": step.plan_id,
                "plan_iteration": step.iteration,
                "workflow_command": step.command,
                "epic_id": step.epic_id,
                "repo_id": step.repo_id,
            }
            if target["executor_role"] != step.role:
                raise ContractError(f"{job_id} names the role {target['executor_role']}", code="invalid_spec")
        if declared != expected:
            raise ContractError(f"the target of {job_id} contradicts its key {key!r}", code="invalid_spec")
        return cls(
            job_id=job_id,
            dedupe_key=key,
            nonce=value["nonce"],
            created_ms=created if created is not None else 0,
            role=target["executor_role"],
            runtime=target["executor_runtime"],
            target=step,
            payload=value.get("payload"),
            priority=int(value["priority"]),
            max_attempts=int(value["max_attempts"]),
            source=value.get("source", "unknown"),
        )

    def token(self, time_ms: int, delay_s: int = 0) -> Token:
        """The token a new job starts with."""
        return validate(
            Token(
                priority=self.priority,
                time_ms=time_ms,
                job_id=self.job_id,
                pool=Pool(self.role, self.runtime),
                attempt=0,
                burned=0,
                budget=self.max_attempts,
                delay_s=delay_s,
            )
        )


class End(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    #: Given back by its owner: drained, parked, or this host cannot do it.
    RELEASED = "released"
    #: Its session died, or its lease expired.
    LOST = "lost"
    #: By an operator, or because the plan moved on.
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Disposition:
    """Where the job goes after an attempt."""

    to: str  # queued, held, done, dead
    time_ms: int
    delay_s: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended, and where the job goes next. At most one per attempt, ever (invariant 2)."""

    job_id: str
    attempt: int
    #: Whose attempt it was.
    owner: str
    #: Who published this: the owner, a reaper, an operator.
    by: str
    nonce: str
    end: End
    burned: int
    disposition: Disposition
    at_ms: int
    #: Attempts lost in a row, this one included; the first is ready again at once.
    losses: int = 0
    #: Attempts parked or given back for host faults since the last retry; ten times the budget is the end.
    parked: int = 0
    failure: Failure | None = None
    reason: str | None = None
    result: dict[str, Any] = field(default_factory=dict)
    started_ms: int | None = None
    session_id: str | None = None
    usage: dict[str, Any] | None = None
    #: The checkout before the job's first attempt: later ones prove a change against it, whoever made it.
    baseline: str | None = None
    #: The pool's runtime at that time: a session of one runtime is none of another's.
    runtime: str | None = None

    @property
    def cost_usd(self) -> float | None:
        """What the attempt cost; None is unknown. What is no amount of money tells nothing: files are not trusted."""
        cost = (self.usage or {}).get("cost_usd")
        return cost if isinstance(cost, int | float) and 0 <= cost < 1e9 else None

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "job_id": self.job_id,
            "attempt": self.attempt,
            "owner": self.owner,
            "by": self.by,
            "nonce": self.nonce,
            "status": str(self.end),
            "burned": self.burned,
            "disposition": {
                "to": self.disposition.to,
                "time_ms": self.disposition.time_ms,
                "delay_s": self.disposition.delay_s,
            },
            "at": clock.iso(self.at_ms),
            "losses": self.losses,
            "parked": self.parked,
            "result": self.result,
        }
        if self.failure is not None:
            out["error"] = self.failure.to_json()
        if self.reason:
            out["reason"] = self.reason
        if self.started_ms is not None:
            out["started_at"] = clock.iso(self.started_ms)
        if self.session_id:
            out["session_id"] = self.session_id
        if self.usage is not None:
            out["usage"] = self.usage
        if self.baseline is not None:
            out["baseline"] = self.baseline
        if self.runtime is not None:
            out["runtime"] = self.runtime
        return out

    def encode(self) -> bytes:
        """The file's bytes."""
        return (json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace")

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Outcome:
        """The record of a value that passed the schema (to which 1.0 is an integer: a name needs a 1)."""
        where = value["disposition"]
        return cls(
            job_id=value["job_id"],
            attempt=int(value["attempt"]),
            owner=value["owner"],
            by=value["by"],
            nonce=value["nonce"],
            end=End(value["status"]),
            burned=int(value["burned"]),
            disposition=Disposition(where["to"], int(where["time_ms"]), int(where.get("delay_s", 0))),
            at_ms=clock.parse_iso_ms(value["at"]) or 0,
            losses=int(value.get("losses", 0)),
            parked=int(value.get("parked", 0)),
            failure=Failure.from_json(value["error"]) if "error" in value else None,
            reason=value.get("reason"),
            result=value.get("result", {}),
            started_ms=clock.parse_iso_ms(value["started_at"]) if "started_at" in value else None,
            session_id=value.get("session_id"),
            usage=value.get("usage"),
            baseline=value.get("baseline"),
            runtime=value.get("runtime"),
        )


def destination(token: Token, outcome: Outcome) -> tuple[str, Token]:
    """Where ``token`` goes by ``outcome``: directory and new token. Pure, so that anyone can finish the step."""
    where = outcome.disposition
    if where.to in ("queued", "held"):
        return where.to, token.queued_at(where.time_ms, where.delay_s, burned=outcome.burned)
    if where.to == "dead":
        moved = token.finished("failed", burned=outcome.burned)
        return "dead", replace(moved, time_ms=where.time_ms)
    status = "succeeded" if outcome.end is End.SUCCEEDED else "cancelled"
    moved = token.finished(status, burned=outcome.burned)
    return "done", replace(moved, time_ms=where.time_ms)
