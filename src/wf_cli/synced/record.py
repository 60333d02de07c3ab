"""The register: the one document that a node publishes, which says all that is open at the node now.

Schema: ``schemas/node.schema.json``. Unknown keys are ignored, so that a newer wf can add some. A register is read
whole or not at all, because half of what a node says may be the opposite of what it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from wf_cli import clock
from wf_cli.contract import plain_json, shape
from wf_cli.contract.job import Outcome, Spec
from wf_cli.contract.token import Pool
from wf_cli.errors import ContractError
from wf_cli.frozen import frozen
from wf_cli.synced import fields
from wf_cli.synced.fields import Attempt
from wf_cli.synced.identity import LAST_VERSION

FORMAT = 1
#: Bytes of a register.
LIMIT = 4 * 1024 * 1024
#: Rows of a home's board.
BOARD_LIMIT = 500

_KEYS = ("format", "spool", "node", "incarnation", "version", "epoch", "wf", "host", "at", "seen")


class WordEnd(StrEnum):
    """How a granted attempt ended on its node."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RELEASED = "released"
    LOST = "lost"
    CANCELLED = "cancelled"
    #: It was never begun there, and never will be.
    RETURNED = "returned"


_WORD_ENDS = frozenset(str(end) for end in WordEnd)


@frozen
class Word:
    """What a node says of a granted attempt that is over there."""

    #: Of the job's spec. A job that was purged and enqueued again has another one.
    nonce: str
    end: WordEnd
    #: The node's own record of the end; None when there is none, because the attempt was returned.
    outcome: Outcome | None = None
    #: The digest of the list of what it changed; None where the grant had no list (own jobs).
    changed: str | None = None

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"nonce": self.nonce, "end": str(self.end), "changed": self.changed}
        return out if self.outcome is None else out | {"outcome": self.outcome.to_json()}

    @classmethod
    def from_json(cls, value: Any, of: Attempt) -> Word:
        record = shape.object_(value, "", ("nonce", "end", "changed"))
        end = WordEnd(shape.one_of(record["end"], "end", _WORD_ENDS))
        outcome = fields.outcome_of(record, "outcome", of.job_id)
        if outcome is not None and outcome.attempt != of.number:
            raise shape.WrongShape("outcome", f"is of attempt {outcome.attempt}")
        if (outcome is None) is not (end is WordEnd.RETURNED):
            raise shape.WrongShape("outcome", "is missing" if outcome is None else "belongs to no returned attempt")
        return cls(
            shape.text(record["nonce"], "nonce", fields.NONCE),
            end,
            outcome,
            fields.digest(record["changed"], "changed"),
        )


@frozen
class Grant:
    """What the home gives to one boot of one node."""

    to: str
    incarnation: str
    #: The job as this attempt has it; its nonce tells it from an earlier job of the key.
    spec: Spec
    pool: Pool
    #: The home asks for the attempt back.
    recall: bool = False
    #: How the attempt before ended, wherever that was.
    previous: Outcome | None = None
    #: The digest of the list of the whole checkout; None without a barrier (own jobs).
    tree: str | None = None
    #: The digest of the list of the plan's folder alone.
    plan: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "to": self.to,
            "incarnation": self.incarnation,
            "recall": self.recall,
            "pool": str(self.pool),
            "spec": self.spec.to_json(),
            "previous": None if self.previous is None else self.previous.to_json(),
            "tree": self.tree,
            "plan": self.plan,
        }

    @classmethod
    def from_json(cls, value: Any, of: Attempt) -> Grant:
        record = shape.object_(value, "", ("to", "incarnation", "recall", "pool", "spec", "previous", "tree", "plan"))
        spec = Spec.from_json(record["spec"])
        if spec.job_id != of.job_id:
            raise shape.WrongShape("spec", f"is of the job {spec.job_id}")
        pool = fields.pool(record["pool"], "pool")
        if pool.role != spec.role:
            raise shape.WrongShape("pool", f"is of the role {pool.role}, not {spec.role}")
        previous = fields.outcome_of(record, "previous", of.job_id)
        if previous is not None and previous.attempt >= of.number:
            raise shape.WrongShape("previous", f"is of attempt {previous.attempt}")
        return cls(
            to=fields.node(record["to"], "to"),
            incarnation=fields.incarnation(record["incarnation"], "incarnation"),
            spec=spec,
            pool=pool,
            recall=fields.flag(record["recall"], "recall"),
            previous=previous,
            tree=fields.digest(record["tree"], "tree"),
            plan=fields.digest(record["plan"], "plan"),
        )


@frozen
class Home:
    """The part of a register that only the home has."""

    #: Whether it has begun its epoch: until then it grants nothing.
    begun: bool
    members: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    grants: Mapping[Attempt, Grant] = field(default_factory=dict)
    #: For people: one object for each job, at most `BOARD_LIMIT`.
    board: tuple[dict[str, Any], ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "begun": self.begun,
            "members": list(self.members),
            "forgotten": list(self.forgotten),
            "grants": {str(attempt): grant.to_json() for attempt, grant in self.grants.items()},
            "board": list(self.board),
            "counts": dict(self.counts),
        }

    @classmethod
    def from_json(cls, value: Any) -> Home:
        record = shape.object_(value, "home", ("begun", "members", "forgotten", "grants"))
        board = record.get("board", [])
        if not isinstance(board, list) or len(board) > BOARD_LIMIT:
            raise shape.WrongShape("home.board", f"is no list of at most {BOARD_LIMIT} rows")
        grants = fields.by_attempt(record["grants"], "home.grants", Grant.from_json)
        jobs = [attempt.job_id for attempt in grants]
        if len(set(jobs)) != len(jobs):
            raise shape.WrongShape("home.grants", "two attempts of one job are open")
        return cls(
            begun=fields.flag(record["begun"], "home.begun"),
            members=fields.nodes(record["members"], "home.members"),
            forgotten=fields.nodes(record["forgotten"], "home.forgotten"),
            grants=grants,
            board=tuple(dict(shape.object_(row, "home.board")) for row in board),
            counts=fields.numbers(record.get("counts", {}), "home.counts"),
        )


@frozen
class Register:
    """All that one node says, as one version. A newer one replaces it."""

    spool: str
    node: str
    incarnation: str
    version: int
    epoch: fields.Epoch
    wf: str
    host: str
    #: For people. No decision looks at it.
    at_ms: int
    #: By node the highest version that was read.
    seen: Mapping[str, int] = field(default_factory=dict)
    pools: tuple[Pool, ...] = ()
    #: By runtime how many jobs it would take now.
    slots: Mapping[str, int] = field(default_factory=dict)
    #: For people: status, since and activity by attempt.
    holds: Mapping[Attempt, dict[str, Any]] = field(default_factory=dict)
    words: Mapping[Attempt, Word] = field(default_factory=dict)
    #: The digest of the list of what attempts on this node have changed in this epoch.
    left: str | None = None
    home: Home | None = None

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {
            "format": FORMAT,
            "spool": self.spool,
            "node": self.node,
            "incarnation": self.incarnation,
            "version": self.version,
            "epoch": fields.epoch_text(self.epoch),
            "wf": self.wf,
            "host": self.host,
            "at": clock.iso(self.at_ms),
            "seen": dict(self.seen),
            "pools": [str(pool) for pool in self.pools],
            "slots": dict(self.slots),
            "holds": {str(attempt): facts for attempt, facts in self.holds.items()},
            "words": {str(attempt): word.to_json() for attempt, word in self.words.items()},
            "left": self.left,
        }
        return out if self.home is None else out | {"home": self.home.to_json()}

    def lists(self) -> set[str]:
        """The digests of all lists of files that it names."""
        named = {self.left, *(word.changed for word in self.words.values())}
        for grant in self.home.grants.values() if self.home is not None else ():
            named |= {grant.tree, grant.plan}
        return {digest for digest in named if digest is not None}

    def encode(self) -> bytes:
        """The file's bytes. Raises ContractError for more than `LIMIT`, and for what `decode` would not take."""
        data = (plain_json.dumps(self.to_json(), ensure_ascii=False, sort_keys=True) + "\n").encode(
            "utf-8", "replace"
        )
        if len(data) > LIMIT:
            raise ContractError(f"the register has {len(data)} bytes; at most {LIMIT} are read", code="too_large")
        decode(data)
        return data

    @classmethod
    def from_json(cls, value: Any) -> Register:
        """Raises ContractError for what is no register, and `LaterFormat` for one of a newer wf."""
        record = shape.object_(value, required=("format",))
        if type(record["format"]) is int and record["format"] > FORMAT:
            raise LaterFormat(record["format"])
        shape.exactly(record["format"], "format", FORMAT)
        shape.object_(value, required=_KEYS)
        return cls(
            spool=shape.text(record["spool"], "spool", fields.NONCE),
            node=fields.node(record["node"], "node"),
            incarnation=fields.incarnation(record["incarnation"], "incarnation"),
            version=shape.whole(record["version"], "version", 1, LAST_VERSION),
            epoch=fields.parse_epoch(record["epoch"]),
            wf=shape.text(record["wf"], "wf", longest=fields.TEXT_LIMIT),
            host=shape.text(record["host"], "host", longest=fields.TEXT_LIMIT),
            at_ms=clock.parse_iso_ms(shape.text(record["at"], "at", fields.TIME)) or 0,
            seen=fields.versions(record["seen"]),
            pools=fields.pools(record.get("pools", [])),
            slots=fields.numbers(record.get("slots", {}), "slots"),
            holds=fields.by_attempt(record.get("holds", {}), "holds", lambda one, _of: dict(shape.object_(one))),
            words=fields.by_attempt(record.get("words", {}), "words", Word.from_json),
            left=fields.digest(record.get("left"), "left"),
            home=Home.from_json(record["home"]) if "home" in record else None,
        )


class LaterFormat(ContractError):
    """A register that a newer wf has written."""

    code = "NODE_FORMAT"

    def __init__(self, found: int):
        super().__init__(f"it has the format {found:.12g}; this wf knows format {FORMAT}", hint="update wf here")


def decode(data: bytes) -> Register:
    """The register in ``data``. Raises ContractError for anything else, with the reason."""
    try:
        value = plain_json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise ContractError(f"it is no JSON: {error!s:.200}", code="no_register") from error
    try:
        return Register.from_json(value)
    except (OverflowError, RecursionError) as error:
        raise ContractError(f"it is no register: {error!s:.200}", code="no_register") from error
