"""A job's spec (its JSON content, which never changes) and an attempt's outcome (its end).

Schemas: ``schemas/spec.schema.json``, ``schemas/outcome.schema.json``. Unknown keys are ignored on
reading, so that a newer wf can add some.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import Any

from wf_cli import clock
from wf_cli.contract import identity, plain_json, shape
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.token import JOB_ID_LIMIT, NUMBER_LIMIT, OWNER_LIMIT, TIME_DIGITS, Pool, Token, validate
from wf_cli.errors import ContractError
from wf_cli.frozen import frozen

SCHEMA_VERSION = 1
#: Version 1 was that of the job records of wf-cli 0.3.x; 2 is the spool's.
CONTRACT_VERSION = 2
#: Bytes. A larger spec or outcome is refused, because records hold names and small facts, not files.
RECORD_LIMIT = 4 * 1024 * 1024

_SPEC_KEYS = (
    "schema_version", "contract_version", "job_id", "dedupe_key", "nonce", "created_at", "target", "priority",
    "max_attempts",
)  # fmt: skip
_OUTCOME_KEYS = (
    "schema_version", "job_id", "attempt", "owner", "by", "nonce", "status", "burned", "disposition", "at",
)  # fmt: skip
_TARGET_KEYS = ("plan_id", "plan_iteration", "workflow_command", "epic_id", "repo_id")
_WORD = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)
_KEY = re.compile(r"(?:key:|repo:|epic:|plan:).*", re.DOTALL)
_NONCE = re.compile(r"[0-9a-f]{16}", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z", re.ASCII)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_ALNUM = re.compile(r"[a-z0-9]+", re.ASCII)
#: Characters of a role or runtime, and of a plan's or epic's number.
_NAME_LIMIT, _DIGITS_LIMIT = 46, 32


def _declared_target(value: Any) -> dict[str, Any]:
    target = dict(shape.object_(value, "target", ("executor_role", "executor_runtime")))
    for key in ("executor_role", "executor_runtime"):
        shape.text(target[key], f"target.{key}", _WORD, longest=_NAME_LIMIT)
    if any(key in target for key in _TARGET_KEYS):
        of = "epic_id" if "plan_id" not in target else "plan_id"
        shape.object_(target, "target", (of, "plan_iteration", "workflow_command"))
        target["plan_iteration"] = shape.whole(target["plan_iteration"], "target.plan_iteration", 0, 10**9 - 1)
        shape.text(target["workflow_command"], "target.workflow_command", _WORD, longest=_NAME_LIMIT)
    for key in ("plan_id", "epic_id"):
        if key in target:
            shape.text(target[key], f"target.{key}", _DIGITS, longest=_DIGITS_LIMIT)
    if "repo_id" in target:
        shape.text(target["repo_id"], "target.repo_id", _ALNUM)
    return target


@frozen
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
            if self.target.plan_id is not None:
                target["plan_id"] = self.target.plan_id
            target |= {
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
        return (json.dumps(self.to_json(), ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")

    @classmethod
    def from_json(cls, value: Any) -> Spec:
        """The record of any JSON value.

        Raises WrongShape for what ``schemas/spec.schema.json`` refuses, ContractError when its parts contradict each
        other.
        """
        record = shape.object_(value, required=_SPEC_KEYS)
        shape.exactly(record["schema_version"], "schema_version", SCHEMA_VERSION)
        shape.exactly(record["contract_version"], "contract_version", CONTRACT_VERSION)
        job_id = shape.text(record["job_id"], "job_id", _WORD, longest=JOB_ID_LIMIT)
        key = shape.text(record["dedupe_key"], "dedupe_key", _KEY, longest=512)
        nonce = shape.text(record["nonce"], "nonce", _NONCE)
        created = shape.text(record["created_at"], "created_at", _TIME)
        declared = _declared_target(record["target"])
        priority = shape.whole(record["priority"], "priority", 0, 9)
        max_attempts = shape.whole(record["max_attempts"], "max_attempts", 1, NUMBER_LIMIT - 1)
        source = shape.text(record.get("source", "unknown"), "source")
        if identity.key_of(job_id) != key:
            raise ContractError(f"job id {job_id} does not belong to key {key!r}", code="invalid_spec")
        step = identity.parse_step_key(key)
        expected: dict[str, Any] = dict.fromkeys(_TARGET_KEYS)
        if step is not None:
            expected = {
                "plan_id": step.plan_id,
                "plan_iteration": step.iteration,
                "workflow_command": step.command,
                "epic_id": step.epic_id,
                "repo_id": step.repo_id,
            }
            if declared["executor_role"] != step.role:
                raise ContractError(f"{job_id} names the role {declared['executor_role']}", code="invalid_spec")
        if {name: declared.get(name) for name in _TARGET_KEYS} != expected:
            raise ContractError(f"the target of {job_id} contradicts its key {key!r}", code="invalid_spec")
        return cls(
            job_id=job_id,
            dedupe_key=key,
            nonce=nonce,
            created_ms=clock.parse_iso_ms(created) or 0,
            role=declared["executor_role"],
            runtime=declared["executor_runtime"],
            target=step,
            payload=record.get("payload"),
            priority=priority,
            max_attempts=max_attempts,
            source=source,
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
    #: Its owner gave it back: it drains, the job is parked, or the host cannot do it.
    RELEASED = "released"
    #: Its session died, or its lease expired.
    LOST = "lost"
    #: An operator ended it, or its plan moved on.
    CANCELLED = "cancelled"


@frozen
class Disposition:
    """Where the job goes after an attempt."""

    to: str  # queued, held, done, dead
    time_ms: int
    delay_s: int = 0


@frozen
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
    #: Attempts lost in a row, this one included. After the first loss the job is ready again at once.
    losses: int = 0
    #: Attempts that the provider refused since the last retry. `RetryPolicy.max_parked` of them make a dead letter.
    parked: int = 0
    #: Attempts given back for faults of the host since the last retry. Ten times the budget makes a dead letter.
    faults: int = 0
    failure: Failure | None = None
    reason: str | None = None
    result: dict[str, Any] = field(default_factory=dict)
    started_ms: int | None = None
    session_id: str | None = None
    usage: dict[str, Any] | None = None
    #: The checkout before the job's first attempt. Later attempts prove a change against it, whichever of them made
    #: it.
    baseline: str | None = None
    #: The pool's runtime at that time, because an agent's session can be resumed by the same runtime only.
    runtime: str | None = None

    @property
    def cost_usd(self) -> float | None:
        """What the attempt cost; None is unknown. An implausible amount is unknown: files are not trusted."""
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
            "faults": self.faults,
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
        """The file's bytes. What Unicode or JSON has not is replaced, because an end has to be written."""
        return (plain_json.dumps(self.to_json(), ensure_ascii=False) + "\n").encode("utf-8", "replace")

    @classmethod
    def from_json(cls, value: Any) -> Outcome:
        """The record of any JSON value. Raises WrongShape for what ``schemas/outcome.schema.json`` refuses."""
        record = shape.object_(value, required=_OUTCOME_KEYS)
        shape.exactly(record["schema_version"], "schema_version", SCHEMA_VERSION)
        return cls(
            job_id=shape.text(record["job_id"], "job_id", _WORD, longest=JOB_ID_LIMIT),
            attempt=shape.whole(record["attempt"], "attempt", 1, NUMBER_LIMIT - 1),
            owner=shape.text(record["owner"], "owner", _WORD, longest=OWNER_LIMIT),
            by=shape.text(record["by"], "by", _WORD, longest=OWNER_LIMIT),
            nonce=shape.text(record["nonce"], "nonce", _NONCE),
            end=End(shape.one_of(record["status"], "status", _ENDS)),
            burned=shape.whole(record["burned"], "burned", 0, NUMBER_LIMIT - 1),
            disposition=_disposition(record["disposition"]),
            at_ms=clock.parse_iso_ms(shape.text(record["at"], "at", _TIME)) or 0,
            losses=shape.whole(record.get("losses", 0), "losses", 0, NUMBER_LIMIT - 1),
            parked=shape.whole(record.get("parked", 0), "parked", 0, 10 * NUMBER_LIMIT - 1),
            faults=shape.whole(record.get("faults", 0), "faults", 0, 10 * NUMBER_LIMIT - 1),
            failure=_failure(record["error"]) if "error" in record else None,
            reason=shape.text(record["reason"], "reason") if "reason" in record else None,
            result=dict(shape.object_(record.get("result", {}), "result")),
            started_ms=_started(record),
            session_id=shape.text(record["session_id"], "session_id") if "session_id" in record else None,
            usage=_usage(record["usage"]) if "usage" in record else None,
            baseline=shape.text(record["baseline"], "baseline", longest=1024) if "baseline" in record else None,
            runtime=shape.text(record["runtime"], "runtime") if "runtime" in record else None,
        )


_ENDS = frozenset(str(end) for end in End)


def _disposition(value: Any) -> Disposition:
    where = shape.object_(value, "disposition", ("to", "time_ms"))
    return Disposition(
        shape.one_of(where["to"], "disposition.to", ("queued", "held", "done", "dead")),
        shape.whole(where["time_ms"], "disposition.time_ms", 0, 10**TIME_DIGITS - 1),
        shape.whole(where.get("delay_s", 0), "disposition.delay_s", 0, 10**9 - 1),
    )


def _failure(value: Any) -> Failure:
    error = shape.object_(value, "error", ("code", "message"))
    if not shape.text(error["code"], "error.code"):
        raise shape.WrongShape("error.code", "is empty")
    shape.text(error["message"], "error.message")
    if "class" in error:
        shape.text(error["class"], "error.class")
    if "errors" in error:
        if not isinstance(error["errors"], list):
            raise shape.WrongShape("error.errors", "is not a list")
        for i, line in enumerate(error["errors"]):
            shape.text(line, f"error.errors.{i}")
    if "retry_after_s" in error:
        shape.number(error["retry_after_s"], "error.retry_after_s")
    if "details" in error:
        shape.object_(error["details"], "error.details")
    return Failure.from_json(dict(error))


def _started(record: Mapping[str, Any]) -> int | None:
    if "started_at" not in record:
        return None
    return clock.parse_iso_ms(shape.text(record["started_at"], "started_at", _TIME))


def _usage(value: Any) -> dict[str, Any]:
    usage = shape.object_(value, "usage")
    for key in ("tokens_in", "tokens_out"):
        if usage.get(key) is not None:
            shape.number(usage[key], f"usage.{key}")
            shape.whole(usage[key], f"usage.{key}", 0, usage[key])
    if usage.get("cost_usd") is not None:
        shape.number(usage["cost_usd"], "usage.cost_usd")
    return dict(usage)


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
