"""Reads specs and outcomes from disk. Each is validated, because a shared folder is the outside (invariant 7)."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from wf_cli import fsio, schema
from wf_cli.anchored import StrPath
from wf_cli.contract import text
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import RECORD_LIMIT, Outcome, Spec
from wf_cli.contract.shape import WrongShape
from wf_cli.contract.token import NUMBER_LIMIT, Token, late_name, outcome_name
from wf_cli.errors import ContractError
from wf_cli.spool import packs
from wf_cli.spool.layout import Spool

__all__ = [
    "RECORD_LIMIT",
    "checked_outcome",
    "parse_spec",
    "read",
    "read_late",
    "read_outcome",
    "read_spec",
    "readable",
    "token_spec",
]


_Record = TypeVar("_Record", Spec, Outcome)


def _load(kind: str, data: bytes, path: StrPath, of: Callable[[Any], _Record]) -> _Record:
    """The record in ``data``; ContractError that names ``path``, and the key where the shape is wrong."""
    try:
        # Earlier versions stored Infinity and NaN in payloads. Their names stand for them, so that no later step
        # prints what is no JSON. An outcome keeps them, because its numbers are checked.
        if kind == "spec":
            value = json.loads(data, parse_constant=str)
        else:
            value = text.all_lines(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{path} is not JSON: {error}", code="invalid_spec", path=str(path)) from error
    try:
        return of(value)
    except WrongShape as error:
        why = _explained(kind, value, error)
        raise ContractError(f"{path}: {why}", code="invalid_spec", path=str(path)) from error


def _explained(kind: str, value: Any, error: WrongShape) -> str:
    """Why the published schema refuses ``value``; it is heavy, and asked only now."""
    try:
        found = schema.problems(kind, value)
    except RecursionError:
        found = []
    return ": ".join(found[0]) if found else error.message


def readable(outcome: Outcome) -> tuple[Outcome, bytes]:
    """``outcome`` as every reader takes it, and its bytes. What no reader would take is left out, and its result says
    why.

    A file that is refused on reading is put away as damaged, and the attempt would end once more, as lost.
    """
    data = outcome.encode()
    why = _refusal(data)
    for leaner in _LEANER if why is not None else ():
        outcome = leaner(outcome)
        outcome = replace(outcome, result={**outcome.result, "left_out": why})
        data = outcome.encode()
        if _refusal(data) is None:
            break
    return outcome, data


#: Each leaves more out: numbers and names that are out of bounds, then what may be too large.
_LEANER: tuple[Callable[[Outcome], Outcome], ...] = (
    lambda o: replace(
        o,
        usage=None,
        baseline=None,
        losses=min(o.losses, NUMBER_LIMIT - 1),
        parked=min(o.parked, NUMBER_LIMIT - 1),
        faults=min(o.faults, NUMBER_LIMIT - 1),
    ),
    lambda o: replace(o, result={}),
    lambda o: replace(
        o,
        session_id=None,
        reason=o.reason[:1000] if o.reason else None,
        failure=Failure(o.failure.code, o.failure.message[:1000]) if o.failure is not None else None,
    ),
)


def _refusal(data: bytes) -> str | None:
    if len(data) > RECORD_LIMIT:
        return f"it has more than {RECORD_LIMIT} bytes"
    try:
        Outcome.from_json(json.loads(data))
    except (ContractError, RecursionError) as error:
        return str(error)
    return None


def parse_spec(data: bytes, path: StrPath) -> Spec:
    """The spec in ``data``; ContractError naming ``path`` when it is none."""
    return _load("spec", data, path, Spec.from_json)


def read(spool: Spool, path: StrPath, *, glance: bool = False) -> bytes | None:
    """The bytes of a record; None when there is none. ValueError as `fsio.open_regular` says.

    Raises OSError when the disk does not tell. A file that is listed and not found counts as that (ESTALE), because
    one of the two looks is old. With ``glance`` nothing is listed, so None may be half a minute old on a network file
    system. That is for callers who go on to an exclusive link, which finds the file: folders of records grow for
    ever, and a listing takes the longer, the more jobs have ended.
    """
    try:
        return fsio.read_regular(path, RECORD_LIMIT)
    except FileNotFoundError:
        # A cached lookup may say no for half a minute on a network file system; the listing decides there.
        if glance or spool.version.topology == "local" or not fsio.listed(*os.path.split(path)):
            return None
    try:
        return fsio.read_regular(path, RECORD_LIMIT)
    except FileNotFoundError as error:
        raise OSError(errno.ESTALE, "listed, but not found; the mount's caches are old", str(path)) from error


def read_spec(spool: Spool, job_id: str, *, glance: bool = False) -> Spec | None:
    """The spec that reserves ``job_id``, in ``jobs/`` or in a pack; None when the id is free, as far as `read` tells
    by a ``glance``.

    ContractError when the file is damaged, SpoolError when a pack is."""
    path = spool.at("jobs", f"{job_id}.json")
    try:
        data = read(spool, path, glance=glance)
    except (ValueError, IsADirectoryError) as error:
        raise ContractError(f"{path}: {error}", code="invalid_spec", path=str(path)) from error
    if data is None:
        entry = spool.packed(job_id)
        if entry is None:
            return None
        data = entry.spec.encode()
    spec = parse_spec(data, path)
    if spec.job_id != job_id:
        raise ContractError(f"{path} holds the spec of {spec.job_id}", code="invalid_spec", path=str(path))
    return spec


def token_spec(spool: Spool, token: Token, folder: str) -> Spec:
    """The spec a token holds, checked against its name; ContractError with the reason otherwise.

    OSError when the disk does not tell (FileNotFoundError when the token moved): that says nothing about the job.
    """
    path = spool.path(folder, token.name)
    try:
        spec = parse_spec(fsio.read_regular(path, RECORD_LIMIT), path)
    except ValueError as error:
        raise ContractError(f"{path}: {error}", code="invalid_spec") from error
    if spec.job_id != token.job_id or spec.role != token.pool.role:
        raise ContractError(f"{path} holds the spec of {spec.job_id} for {spec.role}", code="invalid_spec")
    return spec


def read_outcome(spool: Spool, job_id: str, attempt: int, *, glance: bool = False) -> Outcome | None:
    """The outcome of an attempt, in ``outcomes/`` or in a pack; None when it has none, as far as `read` tells by a
    ``glance``.

    ContractError when the file is damaged, SpoolError when a pack is."""
    path = spool.at("outcomes", outcome_name(job_id, attempt))
    outcome = _read_outcome(spool, path, job_id, attempt, glance=glance)
    if outcome is not None:
        return outcome
    # An old token that somebody put back must not run again, so each start asks. A glance may be an old one, because
    # such a token comes long after its pack.
    entry = spool.packed(job_id, age_s=packs.AN_AGE if glance else packs.RECENT)
    content = entry.outcome(attempt) if entry is not None else None
    return checked_outcome(content.encode(), path, job_id, attempt) if content is not None else None


def read_late(spool: Spool, job_id: str, attempt: int, owner: str) -> Outcome | None:
    """What a superseded attempt of ``owner`` produced; None when nothing is kept; ContractError when damaged."""
    outcome = _read_outcome(spool, spool.path("outcomes", late_name(job_id, attempt, owner)), job_id, attempt)
    if outcome is not None and outcome.owner != owner:
        raise ContractError(f"the late result of {owner} says that it is of {outcome.owner}", code="invalid_outcome")
    return outcome


def _read_outcome(spool: Spool, path: StrPath, job_id: str, attempt: int, *, glance: bool = False) -> Outcome | None:
    try:
        data = read(spool, path, glance=glance)
    except (ValueError, IsADirectoryError) as error:
        raise ContractError(f"{path}: {error}", code="invalid_outcome", path=str(path)) from error
    return checked_outcome(data, path, job_id, attempt) if data is not None else None


def checked_outcome(data: bytes, path: StrPath, job_id: str, attempt: int) -> Outcome:
    """The outcome in ``data``, which has to be that of this attempt; ContractError naming ``path`` otherwise."""
    outcome = _load("outcome", data, path, Outcome.from_json)
    if (outcome.job_id, outcome.attempt) != (job_id, attempt):
        raise ContractError(
            f"{path} holds the outcome of {outcome.job_id} attempt {outcome.attempt}", code="invalid_outcome"
        )
    if max(outcome.attempt, outcome.burned) >= NUMBER_LIMIT:  # no token can carry it: the job would vanish
        raise ContractError(f"{path}: burned: {outcome.burned} is too much", code="invalid_outcome")
    return outcome
