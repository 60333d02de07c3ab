"""What operators do to jobs that no agent works on: single renames of the token."""

from __future__ import annotations

from dataclasses import replace

from wf_cli import fsio
from wf_cli.contract.token import Placed, Pool, Token, validate
from wf_cli.seams import step
from wf_cli.spool.layout import Spool
from wf_cli.spool.scan import listing


def _rename(spool: Spool, source: str, token: Token, target: str, moved: Token, name: str) -> bool:
    step(f"{name}.found")
    if not fsio.move(spool.path(source, token.name), spool.path(target, moved.name)):
        return False
    step(f"{name}.renamed")
    spool.sync(target, source) if target != source else spool.sync(target)
    step(f"{name}.synced")
    return True


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


def reroute(spool: Spool, token: Token, pool: Pool) -> bool:
    """Give a queued token to another pool. The runtime is no part of a job's identity, so no step can run twice."""
    return _rename(spool, "queued", token, "queued", validate(replace(token, pool=pool)), "reroute")


def hurry(spool: Spool, token: Token, now_ms: int) -> bool:
    """Make a queued token ready that waits for its time; False when it was claimed or moved meanwhile."""
    moved = validate(replace(token, time_ms=now_ms, delay_s=0))
    return _rename(spool, "queued", token, "queued", moved, "hurry")


def bury(spool: Spool, placed: Placed, now_ms: int) -> bool:
    """queued or held to dead, for a token that cannot be run."""
    moved = replace(placed.token.finished("failed"), time_ms=now_ms)
    return _rename(spool, placed.folder, placed.token, "dead", moved, "bury")


def seize(spool: Spool, placed: Placed, owner: str) -> Token | None:
    """Begin an attempt for an operator, from queued, held or dead; the claimed token, None when it moved meanwhile.

    The caller holds the fence and ends the attempt under it. Dying in between leaves an attempt without a lease,
    which any reaper ends as lost.
    """
    claimed = validate(placed.token.claimed_by(owner))
    return claimed if _rename(spool, placed.folder, placed.token, "claimed", claimed, "seize") else None


def put_away(spool: Spool, placed: Placed) -> bool:
    """A finished token to archive/; its key stays taken, so it never runs by itself. False when it moved."""
    return _rename(spool, placed.folder, placed.token, "archive", placed.token, "gc")


def archive(spool: Spool, *, before_ms: int, keep_failed: bool) -> list[Token]:
    """Put the finished tokens of before ``before_ms`` away."""
    return [
        token
        for folder in (("done",) if keep_failed else ("done", "dead"))
        for token in listing(spool, folder)
        if token.time_ms < before_ms and put_away(spool, Placed(folder, token))
    ]
