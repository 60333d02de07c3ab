"""Adopt: one attempt of a job whose queue is the spool of another machine (docs/explanation/synced.md).

The home of a synced folder numbers a job's attempts over all machines, and grants one to a node. The node's own spool
gets a token of the attempt before, so an ordinary claim makes it the granted one, and all that follows is as on every
spool. Each end is final there (`Version.adopts`), so a number that the home has not granted is never begun.

A token is made where no trace of this attempt, or of a later one, lies in the spool. The look and the change are one
step under the job's fence. The name of the token follows from spec and number alone, so an adoption that was left
half done and is tried again makes the same token.
"""

from __future__ import annotations

from dataclasses import replace

from wf_cli import fsio
from wf_cli.contract.job import Spec
from wf_cli.contract.lifecycle import LIVE_DIRECTORIES
from wf_cli.contract.token import NUMBER_LIMIT, TIME_DIGITS, Placed, Pool, Token, validate
from wf_cli.errors import ContractError, Refused
from wf_cli.seams import step
from wf_cli.spool import enqueue, operate, packing, records, remains, scan
from wf_cli.spool.layout import Spool


def assert_home(spool: Spool, what: str) -> None:
    """Raises Refused NOT_HOME, which says that ``what``, in a spool whose jobs come from the home."""
    if spool.version.adopts:
        raise Refused(
            f"{what} in {spool.root}: its jobs come from the home of the synced folder, one attempt at a time",
            hint="do this on the home",
            code="NOT_HOME",
        )


def admit(spool: Spool, spec: Spec, number: int, pool: Pool | None = None) -> Token | None:
    """Queue the attempt ``number`` of ``spec``; its token, or None when the spool has a trace that forbids it.

    Raises as `SpoolQueue.adopt` says.
    """
    if not spool.version.adopts:
        raise Refused(
            f"{spool.root} is a queue of its own and adopts no attempts",
            hint="attempts are granted to nodes of a synced folder that are not the home",
            code="NOT_A_NODE",
        )
    token = _token(spec, number, pool)
    with spool.fence(spec.job_id):
        step("adopt.fenced")
        placed = _find(spool, spec.job_id)
        if placed is not None and placed.folder in LIVE_DIRECTORIES:
            return None
        # The spec comes before the numbers, because a job that was purged at home and enqueued again counts its
        # attempts anew. An attempt of the earlier job is no trace of one of this job.
        known = records.read_spec(spool, spec.job_id)
        if known is not None and known != spec:
            raise Refused(
                f"the key {spec.dedupe_key!r} belongs to an earlier job here, whose spec is another one",
                hint="`wf spool purge` removes what has ended",
                code="KEY_COLLISION",
            )
        if placed is not None and placed.token.attempt >= number:
            return None
        if remains.last_attempt(spool, spec.job_id) >= number:
            return None
        if known is None:
            return token if enqueue.admit(spool, [enqueue.Entry(spec, token)])[0] else None
        if placed is None:
            return _made_again(spool, spec, token)
        if placed.folder == "archive":
            packing.lay_out(spool, spec.job_id)
        again = replace(token, burned=placed.token.burned, budget=min(placed.token.burned + 1, NUMBER_LIMIT - 1))
        return again if operate.requeue_as(spool, placed, validate(again)) else None


def _token(spec: Spec, number: int, pool: Pool | None) -> Token:
    """The queued token that a claim makes attempt ``number``. Its budget has room for this one attempt."""
    if not 1 <= number < NUMBER_LIMIT:
        raise ContractError(f"{number} is no number of an attempt (1 to {NUMBER_LIMIT - 1})", code="invalid_spec")
    if pool is not None and pool.role != spec.role:
        raise ContractError(f"{spec.job_id} is of the role {spec.role}, not {pool.role}", code="invalid_spec")
    first = spec.token(min(max(spec.created_ms, 0), 10**TIME_DIGITS - 1))
    return validate(replace(first, attempt=number - 1, budget=1, pool=pool or first.pool))


def _find(spool: Spool, job_id: str) -> Placed | None:
    placed = scan.find(spool, job_id)
    if placed is None:
        # An adoption that died after it was staged is carried on first, so that it is seen as what it is: a live job.
        enqueue.sweep(spool)
        placed = scan.find(spool, job_id)
    return placed


def _made_again(spool: Spool, spec: Spec, token: Token) -> Token:
    """The token of a key that is reserved and has none: damage, or a finished token that somebody removed."""
    with spool.part(spec.encode()) as part:
        step("adopt.part")
        fsio.publish(part, spool.path("queued", token.name))
    step("adopt.made")
    spool.sync("queued")
    return token


def collect(spool: Spool, job_id: str) -> bool:
    """Remove all that is kept of a job that has ended here, its key too; False when it has not ended, or is gone.

    The caller knows that the home is done with the attempt, and that no agent of it lives. From then on the spool has
    no trace of the job. Dying in between leaves an ended job with fewer files, and running it again removes the rest.
    Raises Refused in a spool that adopts nothing, Temporary when the fence stays busy, OSError when the disk fails.
    """
    if not spool.version.adopts:
        raise Refused(
            f"{spool.root} is a queue of its own, whose jobs are purged by its operators", code="NOT_A_NODE"
        )
    with spool.fence(job_id):
        placed = _find(spool, job_id)
        if placed is None or placed.folder in LIVE_DIRECTORIES:
            return False
        if placed.folder == "archive":
            packing.lay_out(spool, job_id)
        # Outcomes last but the spec and the token: while there is an outcome the attempt is never taken again.
        for folder, name in sorted(
            remains.of_job(remains.listing(spool), job_id), key=lambda one: one[0] == "outcomes"
        ):
            fsio.unlink_quietly(spool.path(folder, name))
            step("collect.removed")
        fsio.unlink_quietly(spool.spec_path(job_id))
        step("collect.unreserved")
        fsio.unlink_quietly(spool.path(placed.folder, placed.token.name))
    return True
