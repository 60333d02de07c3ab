"""Jobs that a person has to look after: held ones, and those whose files are not as they should be."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Token
from wf_cli.errors import ContractError, WfError
from wf_cli.spool import records, scan
from wf_cli.spool.layout import Spool
from wf_cli.views.conditions.condition import Condition, Scope
from wf_cli.views.conditions.sight import Sight
from wf_cli.views.viewer import LastEnd

_VERIFY = "wf spool verify --fix"


def held(sight: Sight) -> Iterator[Condition]:
    """Held jobs, each with why wf holds it, unless a person does."""
    for placed in sight.placed:
        if placed.status is Status.HELD:
            end = sight.viewer.last_end(placed.token)
            why = f": {end.text}" if end is not None and end.to == "held" else " by a person"
            job_id = placed.token.job_id
            command = release(job_id, end)
            yield Condition("not_held", False, f"{job_id} is held{why}", command, Scope(job_id=job_id))


def release(job_id: str, end: LastEnd | None) -> str:
    """The command that lets a held job go on. One that wf holds would be held again while its budget is as it is."""
    command = f"wf release {job_id}"
    if end is None or end.to != "held":
        return command
    if end.code == "unknown_cost":
        return f"wf config set budget.unknown_cost allow && {command}"
    limit = re.search(r"budget\.(per_(?:job|epic)_usd)", end.message or "")
    return f"wf config set budget.{limit[1]} USD && {command}" if limit is not None else command


def retry(token: Token, end: LastEnd | None) -> str:
    """The command that runs a dead job again, after what has to be changed so that it does not fail again."""
    command = f"wf retry {token.job_id}"
    if end is not None and end.code == "model_not_found":
        return f"wf config set routing.{token.pool.role}.model MODEL && {command}"
    return command


def doubled(sight: Sight) -> Iterator[Condition]:
    """Live jobs that are queued as well as somewhere else.

    A job that moves between two listings looks the same for a moment, so it has to be seen so twice.
    """
    spool = sight.viewer.spool
    first = _queued_elsewhere(spool)
    again = _queued_elsewhere(spool) if first else frozenset()
    for job_id in sorted({token.job_id for token in first & again}):
        yield from two_tokens(spool, job_id)


def _queued_elsewhere(spool: Spool) -> frozenset[Token]:
    """The tokens outside ``queued/`` of live jobs that have one there, too. Few jobs are held or at work."""
    others = [token for folder in ("held", "claimed", "running") for token in scan.listing(spool, folder)]
    if not others:
        return frozenset()
    queued = {name.split(".")[2] for name in spool.names("queued") if name.count(".") > 2}
    return frozenset(token for token in others if token.job_id in queued)


def two_tokens(spool: Spool, job_id: str) -> Iterator[Condition]:
    """The condition that a job has one token."""
    places = [
        f"{folder}/" for folder in ("queued", "held", "done", "dead") for _ in scan.listing(spool, folder, job_id)
    ]
    if len(places) > 1:
        text = f"{job_id} has two tokens ({', '.join(places)})"
        yield Condition("one_token", False, text, _VERIFY, Scope(job_id=job_id), grave=True)


def spec(spool: Spool, token: Token) -> Iterator[Condition]:
    """The condition that the spec of a job can be read. A worker puts the job away otherwise."""
    try:
        if records.read_spec(spool, token.job_id) is not None:
            return
        why = f"{spool.spec_path(token.job_id)} is missing"
    except (ContractError, ValueError) as error:
        why = error.message if isinstance(error, WfError) else str(error)
    except OSError as error:
        why = f"{spool.spec_path(token.job_id)}: {error.strerror or error}"
    yield Condition("spec", False, f"its spec cannot be read: {why}", _VERIFY, Scope(job_id=token.job_id), grave=True)
