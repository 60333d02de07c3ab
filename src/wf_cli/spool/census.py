"""Which tokens each job has, at one look at all directories, by their names alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from wf_cli.contract.lifecycle import DIRECTORIES
from wf_cli.contract.token import Placed, job_of, parse
from wf_cli.spool.layout import Spool

#: Directory and name of a token, and the number of its file (`Spool.numbered`).
Seen = tuple[str, str, int]
Census = Mapping[str, Sequence[Seen]]

#: Directories from early to late, to choose between two tokens of one attempt.
_ORDER = ("held", "queued", "claimed", "running", "dead", "done", "archive")


def take(spool: Spool) -> Census:
    """The tokens by job. A job that moves while this lists is seen twice, or not at all."""
    out: dict[str, list[Seen]] = defaultdict(list)
    for folder in DIRECTORIES:
        for name, number in spool.numbered(folder):
            job_id = job_of(folder, name)
            if job_id is not None:
                out[job_id].append((folder, name, number))
    return dict(out)


def placed(seen: Sequence[Seen]) -> list[Placed]:
    """The tokens of one job, least advanced first."""
    found = [Placed(folder, token) for folder, name, _ in seen if (token := parse(folder, name)) is not None]
    return sorted(found, key=lambda one: (one.token.attempt, _ORDER.index(one.folder)))
