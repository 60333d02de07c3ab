"""What the fields of registers hold: attempts, epochs, ids, digests. Each reader raises WrongShape for all else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from wf_cli import ids
from wf_cli.contract import shape
from wf_cli.contract.job import Outcome
from wf_cli.contract.token import NUMBER_LIMIT, Pool, parse_outcome
from wf_cli.synced.identity import LAST_VERSION

#: Characters of a text for people.
TEXT_LIMIT = 1000

NONCE = re.compile(r"[0-9a-f]{16}", re.ASCII)
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z", re.ASCII)
DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
EPOCH = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})", re.ASCII)
WORD = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)

Epoch = tuple[int, int]
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """An attempt of a job, as registers name it: ``<job>.a<n>``."""

    job_id: str
    number: int

    def __str__(self) -> str:
        return f"{self.job_id}.a{self.number}"

    @classmethod
    def parse(cls, text: str) -> Attempt:
        """Raises WrongShape for any other text."""
        parsed = parse_outcome(f"{text}.json")
        if parsed is None or parsed[2] is not None or not 1 <= parsed[1] < NUMBER_LIMIT:
            raise shape.WrongShape("", f"{text[:120]!a} names no attempt")
        attempt = cls(parsed[0], parsed[1])
        if str(attempt) != text:
            raise shape.WrongShape("", f"{text[:120]!a} names no attempt")
        return attempt


def epoch_text(epoch: Epoch) -> str:
    return f"{epoch[0]}.{epoch[1]}"


def parse_epoch(value: Any) -> Epoch:
    """Takes and hand-overs of ``<takes>.<cedes>``. Raises WrongShape."""
    match = EPOCH.fullmatch(shape.text(value, "epoch", longest=13))
    if match is None:
        raise shape.WrongShape("epoch", f"{value[:20]!a} is no epoch")
    return int(match[1]), int(match[2])


def by_attempt(value: Any, where: str, read: Callable[[Any, Attempt], _V]) -> dict[Attempt, _V]:
    out = {}
    for text, inner in shape.object_(value, where).items():
        try:
            attempt = Attempt.parse(text)
            out[attempt] = read(inner, attempt)
        except shape.WrongShape as error:
            raise shape.WrongShape(f"{where}.{text[:120]}", str(error)) from error
    return out


def versions(value: Any) -> dict[str, int]:
    return {
        node(name, "seen"): shape.whole(version, "seen", 0, LAST_VERSION)
        for name, version in shape.object_(value, "seen").items()
    }


def numbers(value: Any, where: str) -> dict[str, int]:
    return {
        shape.text(name, where, WORD, longest=46): shape.whole(number, where, 0, 10**9)
        for name, number in shape.object_(value, where).items()
    }


def pools(value: Any) -> tuple[Pool, ...]:
    if not isinstance(value, list):
        raise shape.WrongShape("pools", "is not a list")
    return tuple(pool(one, "pools") for one in value)


def pool(value: Any, where: str) -> Pool:
    role, at, runtime = shape.text(value, where, longest=100).partition("@")
    if not at:
        raise shape.WrongShape(where, f"{value[:100]!a} is no pool")
    return Pool(shape.text(role, where, WORD, longest=46), shape.text(runtime, where, WORD, longest=46))


def outcome_of(record: Mapping[str, Any], key: str, job_id: str) -> Outcome | None:
    if record.get(key) is None:
        return None
    outcome = Outcome.from_json(record[key])
    if outcome.job_id != job_id:
        raise shape.WrongShape(key, f"is of the job {outcome.job_id}")
    return outcome


def node(value: Any, where: str) -> str:
    if not ids.is_node_id(shape.text(value, where, longest=ids.NODE_ID_LIMIT)):
        raise shape.WrongShape(where, f"{value!a} is no id of a node")
    return str(value)


def nodes(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise shape.WrongShape(where, "is not a list")
    return tuple(node(one, where) for one in value)


def incarnation(value: Any, where: str) -> str:
    if not ids.is_incarnation(shape.text(value, where, longest=8)):
        raise shape.WrongShape(where, f"{value!a} is no incarnation")
    return str(value)


def digest(value: Any, where: str) -> str | None:
    return None if value is None else shape.text(value, where, DIGEST)


def flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise shape.WrongShape(where, "is neither true nor false")
    return value
