"""`wf spool`: list, show, check and clean the spool."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from wf_cli.cli.frame import output, tables
from wf_cli.cli.frame.bundles import spread
from wf_cli.cli.frame.options import Common, ReasonOption, group, seconds
from wf_cli.cli.frame.progress import Progress
from wf_cli.cli.jobs import listing
from wf_cli.cli.jobs.bulk import Bulk, Done, JobsArgument, chosen
from wf_cli.cli.jobs.selectors import Filters, JobArgument, one
from wf_cli.contract.lifecycle import Status
from wf_cli.errors import Refused, Unhealthy
from wf_cli.views.viewer import Criteria, Viewer

if TYPE_CHECKING:
    from wf_cli.spool.findings import Finding
    from wf_cli.spool.layout import Spool

_ENDED = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})

app = group("List, show, check and clean the jobs in the spool.")


class Sort(StrEnum):
    """The orders of `wf spool ls`, the same as `wf_cli.views.rows.SORTS`."""

    STATUS = "status"
    AGE = "age"
    PRIORITY = "priority"


@app.command("ls")
@spread
def ls(
    common: Common,
    filters: Filters,
    limit: Annotated[int | None, typer.Option(min=0, metavar="N", help="at most so many jobs")] = None,
    sort: Annotated[Sort, typer.Option(help="what comes first: work, the oldest, the most urgent")] = Sort.STATUS,
    watch: Annotated[bool, typer.Option("--watch", help="again whenever something changes; Ctrl-C ends it")] = False,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="A,B", help="only these columns, in this order")
    ] = None,
) -> None:
    """List jobs, and count them by status.

    The columns: status, id, role@runtime, attempt, burned/budget, priority, age, owner, ready time, reason. A job
    dies when as many attempts are burned as its budget allows. An empty cell is a dash. Age is the time since the job
    was queued or, for a finished job, since it ended. The status `stalled` means that the session which has the job
    is dead. --limit shortens the list but not the counts; without it a terminal shows 1000 jobs, a pipe all. On a
    narrow terminal columns are left out, but never status, id, ready time and reason; a reason goes on below its
    job. --columns names those to show.

    \b
    wf spool ls                             what is going on
    wf spool ls --status failed --json      the dead letters, for scripts
    wf spool ls --epic 01 --watch           follow an epic's jobs
    wf spool ls | awk '$1 == "running"'     a pipe gets one job a line
    """
    chosen = listing.columns_of(columns)
    own = listing.default_limit(common) if limit is None else None
    most = limit if own is None else own
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            listing.watch(common, filters.criteria, sort=sort, limit=most, columns=chosen)
        return
    criteria, spool = filters.criteria, common.spool_if_any()
    viewer = Viewer(spool, common.clock, common.project) if spool is not None else None
    listing.show(common, listing.look(common, viewer, criteria, sort=sort, limit=most), chosen, limit=own)


@app.command("show")
@spread
def show(common: Common, job: JobArgument) -> None:
    """Show everything that is known about one job.

    The page has the job's spec, the lease of the session that has it, attempts, events, result and last error.

    \b
    wf spool show e01-p03-i0-code          the beginning of an id is enough
    wf spool show my-job --json            a document of schemas/job.schema.json
    """
    from wf_cli.cli.jobs import card
    from wf_cli.views.record import record

    viewer = Viewer(common.open_spool(), common.clock, common.project)
    found = record(one(viewer.spool, job, archived=True), viewer)
    common.emit(found.to_json(), card.lines(found))


@app.command("verify")
@spread
def verify(
    common: Common,
    fix: Annotated[bool, typer.Option("--fix", help="repair what is safe, put the rest away")] = False,
) -> None:
    """Check that every file of the spool is one that wf can have left there, and that the files agree.

    The exit code is 5 when a finding is left that was not repaired. On a shared spool, whose listings can be old, a
    job with two tokens or none is watched for a whole lease before it counts, and before `--fix` repairs it.

    \b
    wf spool verify          look only
    wf spool verify --fix    make the safe repairs, which delete no file of a job
    """
    from wf_cli.spool import layout, lease
    from wf_cli.spool import verify as checks

    config = common.app.config
    if fix and layout.restore_version(
        common.app.spool_root, topology=config.spool.topology, durability=config.spool.durability
    ):
        output.note(f"made VERSION of {common.app.spool_root} again, as wf.config describes the spool")
    spool = common.open_spool()
    topology = spool.version.topology
    lease_s = config.lease_s if config.spool.topology == topology else lease.DEFAULT_SECONDS[topology]

    def pause(jobs: int, seconds: float) -> None:
        then = "repairing" if fix else "sure"
        output.note(
            f"{jobs} job(s) look wrong, and a listing of a shared spool can be old: looking again in {seconds:g} s, "
            f"and {then} after {lease_s:g} s (Ctrl-C leaves them as they are)"
        )
        common.clock.sleep(seconds)

    with Progress("specs read") as progress:
        watch = checks.Watch(lease_s, pause)
        findings = checks.verify(spool, common.clock, fix=fix, watch=watch, on_progress=progress)
    left = sum(not finding.fixed for finding in findings)
    values = {"findings": [finding.to_json() for finding in findings], "left": left}
    rows = [("fixed" if f.fixed else "found", f.severity, f.kind, f.path, f.detail) for f in findings]
    lines = tables.table(("STATE", "SEVERITY", "KIND", "PATH", "WHAT"), rows)
    if left:
        hint = "`wf spool verify --fix` repairs what is safe" if not fix else "; ".join(_by_hand(spool, findings))
        error = Unhealthy(f"{left} of {len(findings)} finding(s) left in {spool.root}", hint=hint)
        raise common.failed(error, values, lines)
    common.emit(values, [*lines, f"{spool.root} is as it should be"])


def _by_hand(spool: Spool, findings: Sequence[Finding]) -> list[str]:
    """The commands for what `--fix` left; a file that it could not put away is looked at."""
    left = [finding for finding in findings if not finding.fixed]
    commands = (f"ls -ld {spool.root / f.path}" if "--fix" in f.remedy else f.remedy for f in left)
    return list(dict.fromkeys(commands))[:3]


@app.command("gc")
@spread
def gc(
    common: Common,
    older: Annotated[str, typer.Option(metavar="DUR", help="only what ended longer ago than this")] = "14d",
    keep_failed: Annotated[bool, typer.Option("--keep-failed", help="leave the dead letters alone")] = False,
    compact: Annotated[
        bool, typer.Option("--compact", help="pack archived jobs from now on; older versions of wf are refused then")
    ] = False,
    reason: ReasonOption = None,
) -> None:
    """Move finished jobs to archive/, and remove files that they and ended sessions no longer need.

    The transcripts of archived jobs are removed, and the files of sessions that have ended. The keys of archived
    jobs stay taken, so none of them runs again by itself. Logs of events that nobody has written for as long as
    `retention.logs` of wf.config says (90 days) are put aside, and removed by the next gc after an hour.

    After --compact, which is needed once, the files of archived jobs outside plans go into a few packs. Such a job
    is shown, explained and retried as before, and its key stays taken. On a shared spool its files are removed by
    the next gc after three minutes. --compact is refused (exit 4) while a session has not ended.

    \b
    wf spool gc                            jobs that ended at least two weeks ago
    wf spool gc --older 1d --keep-failed   jobs that ended at least a day ago, without dead letters
    wf spool gc --compact                  from now on few files are left of jobs that ended
    """
    from wf_cli.spool import change, packing, retention

    older_s = seconds(older, "--older")
    if compact:
        common.open_spool()  # It says what is wrong with one that is not there, or not fit.
        change.allow_packs(common.app.spool_root)
    queue = common.queue()
    now_ms = common.clock.now_ms()
    before_ms = now_ms - round(older_s * 1000)
    logs = retention.OldLogs(now_ms - round(common.app.config.retention.logs_s * 1000), now_ms)
    try:
        with Progress("jobs archived") as progress:
            archived = queue.gc(older_s=older_s, keep_failed=keep_failed, on_progress=progress)
    finally:  # A job that cannot be moved keeps no other file from being removed. Its error ends the command then.
        removed = retention.clean(queue.spool, before_ms=before_ms, logs=logs, on_trouble=queue.troubles)
    with Progress("jobs packed") as progress:
        packed = packing.run(queue.spool, common.clock, on_trouble=queue.troubles, on_progress=progress)
    values = {
        "packed": len(packed.jobs),
        "packed_later": packed.waiting,
        "archived": [token.job_id for token in archived],
        "transcripts": len(removed.transcripts),
        "sessions": len(removed.sessions),
        "notified": len(removed.notified),
        "logs": len(removed.logs),
    }
    _tell_cleaned(common, queue.spool, f"{len(archived)} job(s) archived", reason)
    logs_too = f", {len(removed.logs)} log(s)" if removed.logs else ""
    lines = [f"{len(archived)} job(s) archived, {len(removed.transcripts)} transcript(s) and "
             f"{len(removed.sessions)} session(s){logs_too} removed"]  # fmt: skip
    if packed.jobs or packed.waiting:
        later = f", {packed.waiting} more by the next gc" if packed.waiting else ""
        lines.append(f"{len(packed.jobs)} job(s) packed{later}")
    common.emit(values, lines)


@app.command("purge")
@spread
def purge(common: Common, bulk: Bulk, jobs: JobsArgument = None, reason: ReasonOption = None) -> None:
    """Remove all files of finished jobs, and free their keys.

    With --epic alone all jobs of a finished epic go. The command is refused (exit 4) while the epic is running or one
    of its jobs has not finished. Otherwise jobs outside plans go that have finished: those named, archived ones too,
    or those of `wf spool ls` that the selectors fit. Tokens, specs, outcomes, late results and transcripts are
    deleted.

    \b
    wf spool purge --epic 01
    wf spool purge --role linter --status done --dry-run
    wf spool purge my-job
    """
    from wf_cli.spool import retention

    epics = bulk.epic or []
    if len(epics) == 1 and not jobs and not bulk.dry_run and replace(bulk.criteria, epics=frozenset()) == Criteria():
        _purge_epic(common, epics[0].zfill(2), reason)
        return
    spool = common.open_spool()
    config, viewer = lambda: common.app.config, Viewer(spool, common.clock)
    wanted = chosen(spool, jobs or (), bulk, viewer, default=_ENDED, config=config, archived=True)
    done = Done("purged", dry_run=bulk.dry_run)
    if bulk.dry_run:
        done.changed, stays = retention.purgeable(spool, wanted)
    else:
        done.changed, stays = retention.purge_own(spool, common.clock, wanted)
    for job_id, why in stays.items():
        done.refuse(job_id, why)
    if done.changed and not bulk.dry_run:
        _tell_cleaned(common, spool, f"{len(done.changed)} job(s) removed", reason)
    done.show(common)


def _purge_epic(common: Common, epic_id: str, reason: str | None) -> None:
    from wf_cli.spool import retention

    if _is_running(common, epic_id):
        raise Refused(f"epic {epic_id} is running", hint=f"wf epic stop {epic_id} first", code="EPIC_NOT_FINISHED")
    spool = common.open_spool()
    purged = retention.purge(spool, epic_id)
    _tell_cleaned(common, spool, f"{len(purged)} job(s) removed", reason, epic_id=epic_id)
    common.emit({"epic_id": epic_id, "purged": purged}, [f"{len(purged)} job(s) of epic {epic_id} removed"])


def _tell_cleaned(common: Common, spool: Spool, what: str, reason: str | None, *, epic_id: str | None = None) -> None:
    """The event of a cleaning: one for all jobs, because they may be many thousands."""
    said = f"{what}: {reason}" if reason else what
    common.app.events(spool).emit("spool.cleaned", epic_id=epic_id, reason=said)


def _is_running(common: Common, epic_id: str) -> bool:
    """Whether the epic runs, so that the dispatcher would publish its jobs again. A removed epic does not run."""
    from wf_cli.workflow import epics

    try:
        epic = epics.find(common.app.project(), epic_id)
    except epics.EpicNotFound:
        return False
    return bool(epics.orchestration(epics.load_state(epic)).get("status") == epics.RUNNING)


@app.command("path")
@spread
def path(common: Common) -> None:
    """Print the path of the spool.

    \b
    ls "$(wf spool path)/running"
    """
    spool = common.open_spool()
    facts = spool.version
    values = {"path": str(spool.root), "id": facts.id, "topology": facts.topology, "durability": facts.durability}
    common.emit(values, [str(spool.root)])
