"""Commands that change several jobs at once: which ones, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_cli.cli.frame import output
from wf_cli.cli.frame.failures import as_wf_error
from wf_cli.cli.frame.options import Common
from wf_cli.cli.jobs.selectors import Filters, one
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Placed
from wf_cli.errors import NotFound, Refused, SpoolMissing, UsageError, WfError
from wf_cli.spool import scan
from wf_cli.spool.layout import Spool
from wf_cli.views.viewer import Viewer

if TYPE_CHECKING:
    from wf_cli.queue.spool_queue import SpoolQueue

JobsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[JOB]...", help="job ids, or beginnings of ids (whole words)")
]


@dataclass(frozen=True)
class Bulk(Filters):
    """The selectors of a command that changes jobs."""

    every: Annotated[bool, typer.Option("--all", help="every job that the command can change")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done, and do nothing")] = False


def chosen(
    spool: Spool, jobs: Sequence[str], bulk: Bulk, viewer: Viewer, *, default: frozenset[Status]
) -> list[Placed]:
    """The jobs that a bulk command is to change: those named, as far as the selectors fit; or all that these fit.

    Without ids and ``--status`` only jobs in ``default`` count, which the command can change. Raises UsageError
    when nothing was selected, NotFound when nothing fits.
    """
    criteria = bulk.criteria
    if not (jobs or criteria or bulk.every):
        raise UsageError(
            "no job was named or selected, so nothing was done",
            hint="name jobs, or select: --status, --role, --runtime, --plan, --epic, --owner, --error, --all",
            code="NOTHING_SELECTED",
        )
    if jobs:
        candidates = [one(spool, text) for text in dict.fromkeys(jobs)]
    else:
        candidates = scan.everything(spool)
        if not criteria.statuses:
            candidates = [p for p in candidates if viewer.status(p) in default or p.status in default]
    found = {p.token.job_id: p for p in candidates if criteria.fits(p, viewer)}
    if not found:
        raise NotFound("no job fits", hint="wf spool ls takes the same selectors", code="NO_JOB_FITS")
    return sorted(found.values(), key=lambda p: p.token.name)


@dataclass
class Done:
    """What a bulk command did. ``verb`` is the JSON key of the jobs that were changed."""

    verb: str
    changed: list[str] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    dry_run: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    #: The first error that a job gave.
    error: Exception | None = None

    def refuse(self, job_id: str, why: str) -> None:
        self.refused.append({"job_id": job_id, "why": why})

    def show(self, common: Common) -> None:
        """Print it; raises Refused (exit 4) when nothing but refusals came of it."""
        values: dict[str, Any] = {self.verb: self.changed, "refused": self.refused, **self.extra}
        if self.dry_run:
            values["dry_run"] = True
        would = "would be " if self.dry_run else ""
        lines = [f"{job_id} {would}{self.verb}" for job_id in self.changed]
        if self.error is not None and not self.changed:
            raise common.failed(as_wf_error(self.error), values, lines)
        if self.refused and not self.changed:
            first = self.refused[0]
            more = f" (and {len(self.refused) - 1} more)" if len(self.refused) > 1 else ""
            raise common.failed(Refused(f"{first['job_id']}: {first['why']}{more}"), values, lines)
        output.warn(f"{refusal['job_id']}: {refusal['why']}" for refusal in self.refused)
        common.emit(values, lines)


def change(
    common: Common,
    jobs: list[str] | None,
    bulk: Bulk,
    *,
    verb: str,
    default: frozenset[Status],
    why_not: Callable[[Placed], str | None],
    act: Callable[[SpoolQueue, Placed], bool],
) -> Done:
    """Do ``act`` to each chosen job; one that ``why_not`` names a reason for is refused.

    ``act`` returns False when the job had moved meanwhile; the reason is then looked up again. What it raises is the
    reason for this job, and the next one is tried. When nothing was changed, the first error of all is raised.
    """
    queue = common.queue()
    done = Done(verb, dry_run=bulk.dry_run)
    for placed in chosen(queue.spool, jobs or (), bulk, Viewer(queue.spool, common.clock), default=default):
        job_id = placed.token.job_id
        why = why_not(placed)
        if why is None and not bulk.dry_run:
            try:
                if not act(queue, placed):
                    now = queue.find(job_id)
                    why = (why_not(now) if now is not None else None) or "it moved meanwhile; try again"
            except SpoolMissing:
                raise
            except (WfError, OSError) as error:
                done.error = done.error or error
                why = as_wf_error(error).message
        if why is None:
            done.changed.append(job_id)
        else:
            done.refuse(job_id, why)
    return done
