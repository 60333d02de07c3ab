"""Jobs that a person has to look after: held ones, and those whose files are not as they should be."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Placed, Token
from wf_cli.errors import ContractError, WfError
from wf_cli.spool import scan
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
    """Live jobs that are queued as well as held or at work."""
    spool = sight.viewer.spool
    others = [Placed(folder, t) for folder in ("held", "claimed", "running") for t in scan.listing(spool, folder)]
    if not others:
        return  # Few jobs are held or at work, and many may be queued.
    queued = {parts[2] for name in spool.names("queued") if len(parts := name.split(".")) > 3}
    for placed in others:
        if placed.token.job_id in queued:
            yield from two_tokens(spool, placed)


def two_tokens(spool: Spool, placed: Placed) -> Iterator[Condition]:
    """The condition that a job has no waiting token beside the one that was seen.

    A job that moves between two listings is seen twice, too, so the first token has to be still there afterwards.
    """
    job_id = placed.token.job_id
    others = [f for f in ("queued", "held") if f != placed.folder and scan.listing(spool, f, job_id)]
    if others and placed.token in scan.listing(spool, placed.folder, job_id):
        places = " and ".join(f"{folder}/" for folder in (placed.folder, *others))
        text = f"{job_id} has two tokens, in {places}"
        yield Condition("one_token", False, text, _VERIFY, Scope(job_id=job_id), grave=True)


def spec(spool: Spool, token: Token) -> Iterator[Condition]:
    """The condition that the spec of a job can be read. A worker puts the job away otherwise."""
    from wf_cli.spool import records

    try:
        if records.read_spec(spool, token.job_id) is not None:
            return
        why = f"{spool.spec_path(token.job_id)} is missing"
    except (ContractError, ValueError) as error:
        why = error.message if isinstance(error, WfError) else str(error)
    except OSError as error:
        why = f"{spool.spec_path(token.job_id)}: {error.strerror or error}"
    yield Condition("spec", False, f"its spec cannot be read: {why}", _VERIFY, Scope(job_id=token.job_id), grave=True)
