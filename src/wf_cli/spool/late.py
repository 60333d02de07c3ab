"""Late results: what superseded attempts produced (invariant 5).

Each is one file in ``outcomes/``, published like an outcome. It moves nothing until an operator applies it
(`SpoolQueue.apply_late`) or discards it.
"""

from __future__ import annotations

from dataclasses import dataclass

from wf_cli import fsio
from wf_cli.contract.token import late_name, parse_outcome
from wf_cli.spool.layout import Spool


@dataclass(frozen=True, slots=True, order=True)
class LateResult:
    """One late result: the job, the attempt and its owner."""

    job_id: str
    attempt: int
    owner: str

    def __str__(self) -> str:
        """Its name for people, of the form of ``WF_JOB_TOKEN``."""
        return f"{self.job_id}.a{self.attempt}.{self.owner}"


def listing(spool: Spool, job_id: str = "") -> list[LateResult]:
    """All that are kept, or those of one job, by job, attempt and owner. Names only."""
    begin = f"{job_id}.a" if job_id else ""
    names = (name for name in spool.names("outcomes") if name.endswith(".late.json") and name.startswith(begin))
    parsed = map(parse_outcome, names)
    return sorted(LateResult(p[0], p[1], p[2]) for p in parsed if p is not None and p[2] is not None)


def discard(spool: Spool, late: LateResult) -> bool:
    """Remove it for good; False when it was gone already: applied, or discarded by somebody else.

    Raises Temporary when the job's fence stays busy, under which it may be applied just now.
    """
    name = late_name(late.job_id, late.attempt, late.owner)
    with spool.fence(late.job_id):
        if not fsio.listed(spool.folder("outcomes"), name):
            return False
        fsio.unlink_quietly(spool.path("outcomes", name))
        spool.sync("outcomes")
        return True
