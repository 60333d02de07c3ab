"""What attempts have cost, by their outcomes.

An attempt that had an agent and told no cost is *unknown*, which is never zero. Late results do not count: the
attempt that they belong to has an outcome of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from wf_cli.contract.job import End, Outcome
from wf_cli.contract.token import parse_outcome
from wf_cli.frozen import frozen
from wf_cli.queue.spool_queue import SpoolQueue


@frozen
class Spent:
    """Dollars of attempts that have ended."""

    usd: float = 0.0
    #: How many attempts told what they cost.
    known: int = 0
    #: The attempts that told nothing, as ``<job id>.a<n>``.
    unknown: tuple[str, ...] = ()


def add_up(queue: SpoolQueue, wanted: Callable[[str], bool]) -> Spent:
    """What the ended attempts have cost of the jobs whose id is ``wanted``.

    Lists ``outcomes/`` and reads the outcomes of the wanted jobs; one that cannot be read is unknown.
    """
    usd, known, unknown = 0.0, 0, []
    for name in sorted(queue.spool.names("outcomes")):
        parsed = parse_outcome(name)
        if parsed is None or parsed[2] is not None or not wanted(parsed[0]):
            continue
        outcome = queue.readable_outcome(parsed[0], parsed[1])
        cost = outcome.cost_usd if outcome is not None else None
        if cost is not None:
            usd, known = usd + cost, known + 1
        elif outcome is None or _had_agent(outcome):
            unknown.append(f"{parsed[0]}.a{parsed[1]}")
    return Spent(usd, known, tuple(unknown))


def _had_agent(outcome: Outcome) -> bool:
    """Whether there may have been one: whoever ends an attempt from outside does not know when it was started."""
    from_outside = outcome.end is End.CANCELLED or (outcome.failure is not None and outcome.failure.code == "lost")
    return outcome.started_ms is not None or from_outside
