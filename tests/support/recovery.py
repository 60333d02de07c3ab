"""What a recovery must bring a spool to, read from what lay there when the last process died."""

from __future__ import annotations

from support.spools import spool_queue, tokens_on_disk
from wf_cli.contract.job import Outcome, destination
from wf_cli.spool.layout import Spool


def outcomes_on_disk(spool: Spool) -> dict[str, Outcome]:
    """The outcomes that stand, by job: of the last attempt."""
    queue = spool_queue(spool)
    found: dict[str, Outcome] = {}
    for path in sorted(spool.folder("outcomes").iterdir()):
        job_id, attempt, *late = path.name.removesuffix(".json").split(".")
        if not late:
            outcome = queue.outcome(job_id, int(attempt[1:]))
            assert outcome is not None
            if job_id not in found or found[job_id].attempt < outcome.attempt:
                found[job_id] = outcome
    return found


Place = tuple[str, int, int]


def possible(spool: Spool) -> dict[str, set[Place]]:
    """Where a recovery may bring each token: folder, attempt and burned, for every token of the highest attempt.

    There is more than one only after a power cut that parted the halves of a rename.
    """
    outcomes = outcomes_on_disk(spool)
    out: dict[str, set[Place]] = {}
    for placed in sorted(tokens_on_disk(spool), key=lambda placed: placed.token.attempt):
        folder, token = placed.folder, placed.token
        if folder in ("claimed", "running"):
            outcome = outcomes.get(token.job_id)
            if outcome is not None and outcome.attempt == token.attempt:
                folder, token = destination(token, outcome)  # invariant 5: what was published stands
            else:  # lost
                again = "dead" if spool.version.adopts else "queued"  # the home decides what is next
                folder, token = again, token.queued_at(0, burned=token.burned + 1)
        places = {place for place in out.get(token.job_id, set()) if place[1] == token.attempt}
        out[token.job_id] = places | {(folder, token.attempt, token.burned)}
    return out


def expected(spool: Spool) -> dict[str, Place]:
    """The same after a crash, which parts no rename. Where damage was prepared, the later directory counts."""
    out: dict[str, Place] = {}
    order = ("queued", "held", "claimed", "running", "done", "dead", "archive")
    for job_id, places in possible(spool).items():
        out[job_id] = max(places, key=lambda place: order.index(place[0]))
    return out


def found(spool: Spool) -> dict[str, Place]:
    return {p.token.job_id: (p.folder, p.token.attempt, p.token.burned) for p in tokens_on_disk(spool)}
