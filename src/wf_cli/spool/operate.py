"""What operators do to jobs that no agent works on: single renames of the token."""

from __future__ import annotations

from dataclasses import replace

from wf_cli import fsio, ids
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import Disposition, End, Outcome
from wf_cli.contract.token import NUMBER_LIMIT, Placed, Pool, Token, validate
from wf_cli.seams import step
from wf_cli.spool.attempt import publish_outcome
from wf_cli.spool.findings import OnProgress, unheard
from wf_cli.spool.layout import Spool
from wf_cli.spool.scan import listing
from wf_cli.spool.troubles import EachItem, OnTrouble, ignored


def _rename(
    spool: Spool, source: str, token: Token, target: str, moved: Token, name: str, *, settled: bool = False
) -> bool:
    if not settled:
        _settle(spool)
    step(f"{name}.found")
    try:
        done = fsio.move(spool.path(source, token.name), spool.path(target, moved.name))
    except FileNotFoundError:
        spool.assert_folder(target)
        raise
    if not done:
        return False
    step(f"{name}.renamed")
    spool.sync(*dict.fromkeys((target, source)))
    step(f"{name}.synced")
    return True


def _settle(spool: Spool) -> None:
    """Make the moves durable that ended attempts until now.

    The end of an attempt moves its token without a sync (`attempt.roll_forward`). If a power cut took back that move
    only, the outcome would take back what an operator did to the job since.
    """
    spool.sync("running", "claimed")


def hold(spool: Spool, token: Token) -> bool:
    """queued to held; False when it was claimed or moved meanwhile."""
    return _rename(spool, "queued", token, "held", token, "hold")


def unhold(spool: Spool, token: Token) -> bool:
    """held to queued."""
    return _rename(spool, "held", token, "queued", token, "unhold")


def cancel_waiting(spool: Spool, placed: Placed, now_ms: int) -> bool:
    """queued or held to done, as cancelled. No attempt exists, so no outcome is needed."""
    moved = replace(placed.token.finished("cancelled"), time_ms=now_ms)
    return _rename(spool, placed.folder, placed.token, "done", moved, "cancel")


def requeue(spool: Spool, placed: Placed, now_ms: int, delay_s: int = 0) -> bool:
    """dead or done to queued: burned 0 again, attempt numbers go on."""
    moved = validate(placed.token.queued_at(now_ms + delay_s * 1000, delay_s, burned=0))
    return _rename(spool, placed.folder, placed.token, "queued", moved, "retry")


def requeue_as(spool: Spool, placed: Placed, token: Token) -> bool:
    """dead, done or archive to queued as ``token``, the next attempt that the home granted. The caller holds the
    fence; False when the token moved meanwhile."""
    return _rename(spool, placed.folder, placed.token, "queued", token, "adopt")


def reroute(spool: Spool, token: Token, pool: Pool) -> bool:
    """Give a queued token to another pool. The runtime is no part of a job's identity, so no step can run twice."""
    return _rename(spool, "queued", token, "queued", validate(replace(token, pool=pool)), "reroute")


def hurry(spool: Spool, token: Token, now_ms: int) -> bool:
    """Make a queued token ready that waits for its time; False when it was claimed or moved meanwhile."""
    moved = validate(replace(token, time_ms=now_ms, delay_s=0))
    return _rename(spool, "queued", token, "queued", moved, "hurry")


def used_up(token: Token) -> Failure | None:
    """Why no further attempt of a waiting token may begin: its number would have no name. Foreign hands make such a
    token, because no job lives for a million attempts."""
    if token.attempt + 1 < NUMBER_LIMIT:
        return None
    return Failure("invalid_spec", f"its attempt numbers are used up ({token.attempt}): enqueue it under another key")


def bury(spool: Spool, placed: Placed, failure: Failure, now_ms: int, by: str) -> bool:
    """queued or held to dead, for a token that cannot be run again; False when it was claimed or moved meanwhile.

    The reason is the outcome of the token's last attempt, unless that has one already. Raises Temporary when the
    job's fence stays busy.
    """
    token = placed.token
    with spool.fence(token.job_id):
        if token.attempt:
            where = Disposition("dead", now_ms)
            publish_outcome(
                spool,
                Outcome(
                    token.job_id, token.attempt, by, by, ids.nonce(), End.FAILED, token.burned, where, now_ms,
                    failure=failure, runtime=token.pool.runtime,
                ),
            )  # fmt: skip
        moved = replace(token.finished("failed"), time_ms=now_ms)
        return _rename(spool, placed.folder, token, "dead", moved, "bury")


def seize(spool: Spool, placed: Placed, owner: str) -> Token | None:
    """Begin an attempt for an operator, from queued, held or dead; the claimed token, None when it moved meanwhile.

    The caller holds the fence and ends the attempt under it. Dying in between leaves an attempt without a lease,
    which any reaper ends as lost.
    """
    claimed = validate(placed.token.claimed_by(owner))
    return claimed if _rename(spool, placed.folder, placed.token, "claimed", claimed, "seize") else None


def put_away(spool: Spool, placed: Placed, *, settled: bool = False) -> bool:
    """A finished token to archive/; its key stays taken, so it never runs by itself. False when it moved."""
    return _rename(spool, placed.folder, placed.token, "archive", placed.token, "gc", settled=settled)


def archive(
    spool: Spool,
    *,
    before_ms: int,
    keep_failed: bool,
    on_trouble: OnTrouble = ignored,
    on_progress: OnProgress = unheard,
) -> list[Token]:
    """Put the finished tokens of before ``before_ms`` away; those that were. One that somebody else moves meanwhile
    is left out. Raises the first OSError once all were tried."""
    away = []
    each = EachItem(on_trouble)
    _settle(spool)
    folders = ("done",) if keep_failed else ("done", "dead")
    old = [Placed(folder, t) for folder in folders for t in listing(spool, folder) if t.time_ms < before_ms]
    for done, placed in enumerate(old):
        on_progress(done, len(old))
        with each.stepping(spool.path(placed.folder, placed.token.name)):
            if put_away(spool, placed, settled=True):
                away.append(placed.token)
    each.finish()
    return away
