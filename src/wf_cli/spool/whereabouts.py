"""Where a job's token is, by the names that it can have: a few lookups, whatever the number of jobs.

A token's name follows from its spec until the first attempt, and from the outcome of its last attempt afterwards
(`contract.job.destination`). An operator may have moved it since, and a session may have claimed it. Then it has a
name that nobody can work out, and `of` does not find it.

Only for ``local`` spools. Elsewhere a lookup of a name that was absent may be answered from a cache for a while.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from wf_cli import fsio
from wf_cli.contract.job import Outcome, Spec, destination
from wf_cli.contract.token import NUMBER_LIMIT, Placed, is_word, parse
from wf_cli.errors import ContractError
from wf_cli.spool import records
from wf_cli.spool.layout import Spool


def of(spool: Spool, job_id: str) -> Placed | None:
    """The job's token; None when it is not where its records say, or they cannot be read."""
    if not is_word(job_id):
        return None
    try:
        spec = records.read_spec(spool, job_id, glance=True)
        if spec is None:
            return None
        outcome = _last_outcome(spool, job_id)
        for placed in _expected(spec, outcome):
            name = placed.token.name
            # What is returned must be what a listing would give.
            if parse(placed.folder, name) == placed.token and fsio.exists(spool.path(placed.folder, name)):
                return placed
    except (ContractError, OSError):
        pass  # The listings tell.
    return None


def _last_outcome(spool: Spool, job_id: str) -> Outcome | None:
    """The outcome of the highest attempt. Attempts are numbered without gaps, so the search doubles and halves.

    Behind a gap that damage has left it finds another one, and no token lies where that one says.
    """
    low, high = 0, 1
    while high < NUMBER_LIMIT and fsio.exists(spool.outcome_path(job_id, high)):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if fsio.exists(spool.outcome_path(job_id, middle)):
            low = middle
        else:
            high = middle
    return records.read_outcome(spool, job_id, low, glance=True) if low else None


def _expected(spec: Spec, outcome: Outcome | None) -> Iterator[Placed]:
    first = spec.token(spec.created_ms)
    if outcome is None:
        for folder in ("queued", "held"):
            yield Placed(folder, first)
        return
    lost = replace(first, attempt=outcome.attempt, owner=outcome.owner)
    if outcome.runtime is not None:
        lost = replace(lost, pool=replace(lost.pool, runtime=outcome.runtime))
    folder, token = destination(lost, outcome)
    yield Placed(folder, token)
    if folder in ("done", "dead"):
        yield Placed("archive", token)
