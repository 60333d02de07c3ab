"""All jobs of a spool at one look: counted, and put in order, without a record for each.

Jobs that have ended stay, so they are many. Of each only the name is kept, and the few that are shown are parsed.
The jobs are those of `scan.everything`, by the same rule for a job that moves while the directories are listed.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TypeVar

from wf_cli.contract.lifecycle import DIRECTORY, FINISHED, Status
from wf_cli.contract.token import Placed, finished_job, parse
from wf_cli.spool.layout import Spool
from wf_cli.views.rows import RANK, since_ms
from wf_cli.views.viewer import Criteria, Viewer

_LIVE_FOLDERS = ("queued", "claimed", "running", "held")
_T = TypeVar("_T")


@dataclass(slots=True)
class Survey:
    """The jobs that fit: those that are live as tokens, those that have ended as names by their status."""

    viewer: Viewer
    live: list[Placed] = field(default_factory=list)
    ended: dict[Status, list[str]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """The number of jobs in each status, also for statuses without a job."""
        found = Counter(self.viewer.status(placed) for placed in self.live)
        return {str(status): found[status] + len(self.ended.get(status, ())) for status in Status}

    def first(self, limit: int | None, sort: str) -> Iterator[Placed]:
        """The first ``limit`` jobs, all without one, in the order ``sort`` (one of `rows.SORTS`).

        A job that has ended is parsed when it is its turn, so that a long list needs memory for names only.
        """
        found: Iterator[Placed]
        match sort:
            case "age":
                old = _least(limit, self._ended(), lambda one: _since_ms(*one))
                live = _least(limit, self.live, since_ms)
                found = heapq.merge(live, map(_placed, old), key=since_ms)
            case "priority":
                old = _least(limit, self._ended(), lambda one: one[1])
                live = _least(limit, self.live, lambda placed: placed.token.name)
                found = heapq.merge(live, map(_placed, old), key=lambda placed: placed.token.name)
            case _:
                found = self._by_status(limit)
        return islice(found, limit)

    def _by_status(self, limit: int | None) -> Iterator[Placed]:
        live = _least(limit, self.live, lambda placed: (RANK[self.viewer.status(placed)], placed.token.name))
        yield from live
        left = None if limit is None else limit - len(live)
        for status in sorted(self.ended, key=RANK.__getitem__):
            names = _least(left, self.ended[status], lambda name: name)
            left = None if left is None else left - len(names)
            yield from (_placed((status, name)) for name in names)

    def _ended(self) -> Iterator[tuple[Status, str]]:
        return ((status, name) for status, names in self.ended.items() for name in names)


def _least(limit: int | None, items: Iterable[_T], key: Callable[[_T], Any]) -> list[_T]:
    return sorted(items, key=key) if limit is None else heapq.nsmallest(limit, items, key=key)


def _since_ms(status: Status, name: str) -> int:
    """`since_ms` of a job that has ended, from its name alone but for the rare one that has a delay."""
    return int(name[2:15]) if name[15] == "." else since_ms(_placed((status, name)))


def _placed(one: tuple[Status, str]) -> Placed:
    folder = DIRECTORY[one[0]]
    token = parse(folder, one[1])
    assert token is not None  # `finished_job` took it.
    return Placed(folder, token)


def survey(viewer: Viewer, criteria: Criteria) -> Survey:
    """The jobs that fit ``criteria`` now."""
    spool, wanted = viewer.spool, criteria.statuses
    ended = [status for status in RANK if status in FINISHED and (not wanted or status in wanted)]
    live_wanted = not wanted or not wanted <= FINISHED
    seen: dict[str, Placed] = {}
    if live_wanted or ended:
        for folder in _LIVE_FOLDERS:
            _note(seen, folder, spool)
    listed = {folder: spool.names(folder) for folder in dict.fromkeys(DIRECTORY[status] for status in ended)}
    before = dict(seen)
    _note(seen, "queued", spool)  # Again, for jobs that go back.
    out = Survey(viewer, ended={status: [] for status in ended})
    names_of = {str(status): names for status, names in out.ended.items()}
    others = replace(criteria, statuses=frozenset())
    chosen = others if others else None  # Asked once: there may be a million names.
    for folder, names in listed.items():
        for name in names:
            found = finished_job(folder, name)
            if found is None or found[1] not in names_of:
                continue
            if found[0] in seen and not _wins(folder, name, found[0], before, seen):
                continue
            if chosen is None or (_may_fit(chosen, name, found[0]) and _fits(chosen, folder, name, viewer)):
                names_of[found[1]].append(name)
    if live_wanted:
        out.live = [placed for placed in seen.values() if criteria.fits(placed, viewer)]
    return out


def _note(seen: dict[str, Placed], folder: str, spool: Spool) -> None:
    for name in spool.names(folder):
        token = parse(folder, name)
        if token is not None:
            earlier = seen.get(token.job_id)
            if earlier is None or earlier.token.attempt <= token.attempt:
                seen[token.job_id] = Placed(folder, token)


def _wins(folder: str, name: str, job_id: str, before: dict[str, Placed], seen: dict[str, Placed]) -> bool:
    """Whether a job that was seen live, too, counts as ended. The later sight counts, unless its attempt is less."""
    token = parse(folder, name)
    assert token is not None
    again = seen[job_id]
    if again is not before.get(job_id) and again.token.attempt >= token.attempt:
        return False
    if again.token.attempt > token.attempt:
        return False
    del seen[job_id]
    return True


def _may_fit(criteria: Criteria, name: str, job_id: str) -> bool:
    """False where the text of a name rules out that the job fits, which spares parsing most of them."""
    if criteria.roles and not any(f".{role}@" in name for role in criteria.roles):
        return False
    if criteria.runtimes and not any(f"@{runtime}." in name for runtime in criteria.runtimes):
        return False
    if criteria.plans and not any(f"p{plan}-i" in job_id for plan in criteria.plans):
        return False
    return not criteria.epics or any(f"e{epic}-" in job_id for epic in criteria.epics)


def _fits(criteria: Criteria, folder: str, name: str, viewer: Viewer) -> bool:
    token = parse(folder, name)
    return token is not None and criteria.fits(Placed(folder, token), viewer)
