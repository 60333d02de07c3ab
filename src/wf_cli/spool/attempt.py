"""An attempt: it begins with one rename (`take`) and ends with one link (`publish_outcome`).

Between them the token lies in ``claimed/`` and, once an agent may exist, in ``running/``. No process moves it out of
these without an outcome.
"""

from __future__ import annotations

from dataclasses import replace

from wf_cli import fsio
from wf_cli.contract.job import Outcome, destination
from wf_cli.contract.token import Token, late_name, outcome_name
from wf_cli.errors import ContractError
from wf_cli.frozen import frozen
from wf_cli.seams import step
from wf_cli.spool import quarantine, records
from wf_cli.spool.layout import Spool


def take(spool: Spool, token: Token, owner: str) -> Token | None:
    """Claim a queued token; the claimed one, or None when another session (or an operator) was faster.

    Only this session can make the target name, so a listing of ``claimed/`` tells whether the rename was done, even
    where the answer of rename lies. Raises OSError when neither is known; the caller must not start anything then.

    The claim is durable with its start (`begin`). A power cut before that takes it back, or leaves a claim whose
    session is gone. Nothing was done for it then.
    """
    claimed = token.claimed_by(owner)
    step("claim.chosen")
    if not fsio.move(spool.at("queued", token.name), spool.at("claimed", claimed.name)):
        return None
    step("claim.renamed")
    return claimed


def give_back(spool: Spool, token: Token, time_ms: int, delay_s: int) -> bool:
    """Put a claimed twin (`wf_cli.spool.started`) back into ``queued/``, not ready before ``delay_s``.

    The one move out of ``claimed/`` without an outcome. The attempt goes on under its other token, and a later
    claim of this one finds that attempt's outcome and follows it. False when the token was not there any more. The
    caller holds the fence.
    """
    waiting = replace(token.queued_at(time_ms, delay_s), attempt=token.attempt - 1)
    if not fsio.move(spool.at("claimed", token.name), spool.at("queued", waiting.name)):
        return False
    step("twin.renamed")
    spool.sync("queued", "claimed")
    return True


def begin(spool: Spool, token: Token) -> bool:
    """Move a claimed token to ``running/``, durably together with its claim; False when it is not ours any more.

    The caller holds the fence, has found no outcome of this attempt, and spawns an agent only after this. ``queued/``
    is synced last, because of a token in two places the later one is kept, and one in none would have to be guessed.
    """
    step("start.checked")
    if not fsio.move(spool.at("claimed", token.name), spool.at("running", token.name)):
        return False
    step("start.renamed")
    spool.sync("running", "queued")
    step("start.synced")
    return True


@frozen
class Published:
    """The outcome that stands for an attempt, and whether it is the one that was just offered."""

    outcome: Outcome
    accepted: bool


def publish_outcome(spool: Spool, outcome: Outcome) -> Published:
    """Offer ``outcome``; exactly one is ever accepted for an attempt. A refused one is kept nowhere (`keep_late`).

    Parts of it that no reader would take are left out (`records.readable`).
    """
    outcome, data = records.readable(outcome)
    path = spool.at("outcomes", outcome_name(outcome.job_id, outcome.attempt))
    with spool.part(data) as part:
        step("end.part")
        accepted = fsio.publish(part, path)
    step("end.published")
    spool.sync("outcomes")
    step("end.synced")
    if accepted:
        return Published(outcome, True)
    standing = standing_outcome(spool, outcome.job_id, outcome.attempt)
    if standing is None:  # The standing one was damaged and has been put away, so ours can stand now.
        return publish_outcome(spool, outcome)
    return Published(standing, False)


def standing_outcome(spool: Spool, job_id: str, attempt: int, *, glance: bool = False) -> Outcome | None:
    """The outcome of an attempt; None when it has none, as far as `records.read` tells by a ``glance``.

    A damaged file (foreign hands make one) is quarantined.

    Raises Temporary when the quarantine needs the fence and the fence stays busy.
    """
    try:
        return records.read_outcome(spool, job_id, attempt, glance=glance)
    except ContractError:
        pass
    # The file is looked at again under the fence. Another process may have put the damaged one away and published a
    # good one since, and that one must stand (invariant 2).
    with spool.fence(job_id):
        try:
            return records.read_outcome(spool, job_id, attempt)
        except ContractError:
            step("outcome.damaged")
            quarantine.take(spool, spool.outcome_path(job_id, attempt))
            return None


def keep_late(spool: Spool, outcome: Outcome, owner: str) -> None:
    """Keep what a superseded attempt produced, for `wf late` (invariant 5)."""
    outcome, data = records.readable(outcome)
    path = spool.path("outcomes", late_name(outcome.job_id, outcome.attempt, owner))
    with spool.part(data) as part:
        step("late.part")
        fsio.publish(part, path)
    step("late.published")
    spool.sync("outcomes")


def roll_forward(spool: Spool, token: Token, outcome: Outcome) -> bool:
    """Put ``token`` where its outcome says; False when somebody did it before. The caller holds the fence.

    Both directories are tried, because the token may have been started since it was listed. A twin in ``claimed/``
    (`started`) goes to a name that its other token may have taken already, and becomes one with it.

    The move is not synced. The outcome is durable, so whoever finds the token back after a power cut moves it again.
    """
    folder, target = destination(token, outcome)
    moved = False
    for source in ("running", "claimed"):
        how = fsio.try_move(spool.at(source, token.name), spool.at(folder, target.name))
        if how is fsio.Moved.GONE:
            continue
        step("end.renamed")
        moved = True
        # The target may have been there before, and then the token that was meant still lies in claimed/.
        if how is fsio.Moved.DONE or not fsio.exists(spool.path("claimed", token.name)):
            break
    return moved
