"""The shared part of commands that change several jobs: the choice of the jobs, the loop over them, the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from wf_cli.cli.frame import known, output
from wf_cli.cli.frame.failures import as_wf_error
from wf_cli.cli.frame.options import Common, document
from wf_cli.cli.frame.progress import Progress
from wf_cli.cli.jobs.selectors import Filters, one
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Placed
from wf_cli.errors import NotFound, Refused, SpoolMissing, UsageError, WfError
from wf_cli.frozen import frozen
from wf_cli.spool import scan
from wf_cli.spool.layout import Spool
from wf_cli.views.viewer import Viewer

if TYPE_CHECKING:
    from wf_cli.config.model import Config
    from wf_cli.queue.spool_queue import SpoolQueue

JobsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[JOB]...", help="job ids, or beginnings of ids (whole words)")
]


@frozen
class Bulk(Filters):
    """The selectors of a command that changes jobs."""

    every: Annotated[bool, typer.Option("--all", help="every job that the command can change")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done, and do nothing")] = False


def chosen(
    spool: Spool,
    jobs: Sequence[str],
    bulk: Bulk,
    viewer: Viewer,
    *,
    default: frozenset[Status],
    config: Callable[[], Config],
    archived: bool = False,
) -> list[Placed]:
    """The jobs that a bulk command is to change: all that the selectors fit, or those of ``jobs`` that they fit.

    ``default`` has the statuses that the command can change; without ids and ``--status`` only jobs in these are
    chosen. With ``archived`` an id finds an archived job, too. Raises UsageError when neither ids nor selectors were
    given, NotFound when no job fits.
    """
    criteria = bulk.criteria
    if not (jobs or criteria or bulk.every):
        raise UsageError(
            "no job was named or selected, so nothing was done",
            hint="name jobs, or select: --status, --role, --runtime, --plan, --epic, --owner, --error, --all",
            code="NOTHING_SELECTED",
        )
    if jobs:
        candidates = [one(spool, text, archived=archived) for text in dict.fromkeys(jobs)]
    else:
        candidates = scan.everything(spool)
        if not criteria.statuses:
            candidates = [p for p in candidates if viewer.status(p) in default or p.status in default]
    found = {p.token.job_id: p for p in candidates if criteria.fits(p, viewer)}
    if not found:
        known.selected(criteria, scan.everything(spool), config, spool)
        raise NotFound("no job fits", hint="wf spool ls takes the same selectors", code="NO_JOB_FITS")
    return sorted(found.values(), key=lambda p: p.token.name)


@dataclass
class Done:
    """The result of a bulk command. ``verb`` is the JSON key of the jobs that were changed."""

    verb: str
    changed: list[str] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    dry_run: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    #: The first error that was raised while a job was changed.
    error: Exception | None = None
    #: How many jobs Ctrl-C left as they were.
    left: int = 0

    def refuse(self, job_id: str, why: str) -> None:
        self.refused.append({"job_id": job_id, "why": why})

    def show(self, common: Common) -> None:
        """Print the result. When no job was changed, raises the first error, or Refused (exit 4).

        After Ctrl-C the result says what was done until then, and KeyboardInterrupt is raised (exit 130).
        """
        values: dict[str, Any] = {self.verb: self.changed, "refused": self.refused, **self.extra}
        if self.dry_run:
            values["dry_run"] = True
        would = "would be " if self.dry_run else ""
        lines = [f"{job_id} {would}{self.verb}" for job_id in self.changed]
        if self.left:
            self._show_broken_off(common, values, lines)
        if self.error is not None and not self.changed:
            raise common.failed(as_wf_error(self.error), values, lines)
        if self.refused and not self.changed:
            first = self.refused[0]
            more = f" (and {len(self.refused) - 1} more)" if len(self.refused) > 1 else ""
            raise common.failed(Refused(f"{first['job_id']}: {first['why']}{more}"), values, lines)
        output.warn(f"{refusal['job_id']}: {refusal['why']}" for refusal in self.refused)
        common.emit(values, lines)

    def _show_broken_off(self, common: Common, values: Mapping[str, Any], lines: Sequence[str]) -> NoReturn:
        said = f"broken off: {len(self.changed)} job(s) {self.verb}, {self.left} left as they were"
        if common.as_json:
            failed = {"ok": False, "error": "BROKEN_OFF", "message": said, "left": self.left}
            output.print_json(document(**values) | failed)
        else:
            output.say(*lines)
            output.complain(said, "the same command does the rest")
        raise KeyboardInterrupt


def change(
    common: Common,
    jobs: list[str] | None,
    bulk: Bulk,
    *,
    verb: str,
    default: frozenset[Status],
    why_not: Callable[[Placed], str | None],
    act: Callable[[SpoolQueue, Placed], bool],
    archived: bool = False,
) -> Done:
    """Call ``act`` for each chosen job for which ``why_not`` returns None; the others are refused with its reason.

    ``act`` returns False when the job moved after the look; ``why_not`` is then asked again. An error of ``act``
    becomes the reason of this job, and the loop goes on to the next. SpoolMissing is raised at once. Ctrl-C ends the
    loop, and `Done.show` says what was done until then.
    """
    queue = common.queue()
    done = Done(verb, dry_run=bulk.dry_run)
    viewer = Viewer(queue.spool, common.clock)
    wanted = chosen(
        queue.spool, jobs or (), bulk, viewer, default=default, config=lambda: common.app.config, archived=archived
    )
    with Progress(f"jobs {verb}") as progress:
        try:
            for number, placed in enumerate(wanted):
                progress(number, len(wanted))
                done.left = len(wanted) - number
                _change_one(queue, placed, done, why_not, act)
            done.left = 0
        except KeyboardInterrupt:
            pass  # `show` tells what was done. The job in hand may be changed, and counts as left.
    return done


def _change_one(
    queue: SpoolQueue,
    placed: Placed,
    done: Done,
    why_not: Callable[[Placed], str | None],
    act: Callable[[SpoolQueue, Placed], bool],
) -> None:
    job_id = placed.token.job_id
    why = why_not(placed)
    if why is None and not done.dry_run:
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
