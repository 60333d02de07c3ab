"""`wf dead` (`wf dead-letter`): the jobs that failed for good."""

from __future__ import annotations

import re
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from wf_cli.cli.frame import tables
from wf_cli.cli.frame.bundles import spread
from wf_cli.cli.frame.options import LONGEST_S, Common, ReasonOption, group
from wf_cli.cli.jobs import listing
from wf_cli.cli.jobs.bulk import Bulk, JobsArgument, change
from wf_cli.cli.jobs.selectors import Filters, JobArgument, one
from wf_cli.contract.lifecycle import Status
from wf_cli.errors import NotFound, UsageError
from wf_cli.frozen import frozen
from wf_cli.spool import scan
from wf_cli.views.viewer import Criteria, Viewer

if TYPE_CHECKING:
    from wf_cli.contract.token import Placed
    from wf_cli.eventlog.log import EventLog
    from wf_cli.queue.spool_queue import SpoolQueue

app = group("The dead letters: jobs whose budget is spent, or whose error no retry can help.")

_DEAD = frozenset({Status.FAILED})


class By(StrEnum):
    """The groupings of `wf dead ls`."""

    ERROR = "error"


@frozen
class Group:
    """The dead letters of one error code."""

    error: str
    count: int
    jobs: list[str]


@app.command("ls")
@spread
def ls(
    common: Common,
    filters: Filters,
    by: Annotated[By | None, typer.Option(help="one line for each error code")] = None,
    limit: Annotated[int | None, typer.Option(min=0, metavar="N", help="at most so many")] = None,
) -> None:
    """List the dead letters, or count them by error code.

    \b
    wf dead ls
    wf dead ls --by error
    """
    criteria = replace(filters.criteria, statuses=_DEAD)
    spool = common.spool_if_any()
    viewer = Viewer(spool, common.clock) if spool is not None else None
    if by is None:
        own = listing.default_limit(common) if limit is None else None
        most = limit if own is None else own
        listing.show(common, listing.look(common, viewer, criteria, sort="age", limit=most), limit=own)
        return
    groups = _groups(viewer, criteria)[:limit] if viewer is not None else []
    values = {"groups": [{"error": g.error, "count": g.count, "jobs": g.jobs} for g in groups]}
    rows = [(g.error, g.count, ", ".join(g.jobs)) for g in groups]
    common.emit(values, tables.table(("ERROR", "JOBS", "WHICH"), rows))


def _groups(viewer: Viewer, criteria: Criteria) -> list[Group]:
    jobs: dict[str, list[str]] = {}
    for placed in scan.everything(viewer.spool, _DEAD):
        if criteria.fits(placed, viewer):
            end = viewer.last_end(placed.token)
            jobs.setdefault((end.code if end is not None else None) or "unknown", []).append(placed.token.job_id)
    groups = [Group(error, len(ids), sorted(ids)) for error, ids in jobs.items()]
    return sorted(groups, key=lambda g: (-g.count, g.error))


@app.command("show")
@spread
def show(common: Common, job: JobArgument) -> None:
    """Show everything that is known about one dead letter, as `wf spool show` does.

    \b
    wf dead show e01-p03-i0-code
    """
    from wf_cli.cli.jobs import card
    from wf_cli.views.record import record

    viewer = Viewer(common.open_spool(), common.clock)
    placed = one(viewer.spool, job)
    if placed.status is not Status.FAILED:
        raise NotFound(
            f"{placed.token.job_id} is not dead but {placed.status}", hint=f"wf spool show {placed.token.job_id}"
        )
    found = record(placed, viewer)
    common.emit(found.to_json(), card.lines(found))


@app.command("redrive")
@spread
def redrive(
    common: Common,
    bulk: Bulk,
    jobs: JobsArgument = None,
    rate: Annotated[str | None, typer.Option(metavar="N/UNIT", help="so many at a time: 10/m, 1/s, 100/h")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="do not resume the agents' sessions")] = False,
    reason: ReasonOption = None,
) -> None:
    """Queue dead letters again.

    With --rate each job gets a later ready time than the one before. The command itself does not wait.

    \b
    wf dead redrive --error network
    wf dead redrive --all --rate 10/m
    """
    from wf_cli.cli.jobs.retry import retry_all

    gap_s = _gap_s(rate) if rate is not None else 0.0
    _only_dead(bulk)
    retry_all(common, jobs, bulk, delay_s=lambda nth: min(nth * gap_s, LONGEST_S), fresh=fresh, reason=reason).show(
        common
    )


def _gap_s(rate: str) -> float:
    match = re.fullmatch(r"([1-9][0-9]{0,5})/([smhd])", rate)
    if match is None:
        raise UsageError(f"--rate {rate} is not a rate", hint="write it like 10/m: a number, a slash, s m h or d")
    return {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}[match[2]] / int(match[1])


def _only_dead(bulk: Bulk) -> None:
    if bulk.status and bulk.criteria.statuses != _DEAD:
        raise UsageError("the dead letters are all of status failed", hint="leave --status out")


@app.command("purge")
@spread
def purge(common: Common, bulk: Bulk, jobs: JobsArgument = None, reason: ReasonOption = None) -> None:
    """Move dead letters to archive/.

    Their keys stay taken. `wf spool purge --epic` frees the keys of a whole epic.

    \b
    wf dead purge --error invalid_spec
    wf dead purge --all --dry-run
    """
    from wf_cli.spool import operate

    _only_dead(bulk)
    events: EventLog | None = None

    def act(queue: SpoolQueue, placed: Placed) -> bool:
        nonlocal events
        if not operate.put_away(queue.spool, placed):
            return False
        token, events = placed.token, events or common.app.events(queue.spool)
        events.emit(
            "job.archived", job_id=token.job_id, role=token.pool.role, runtime=token.pool.runtime, from_="dead",
            to="archive", reason=reason,
        )  # fmt: skip
        return True

    change(
        common, jobs, bulk, verb="purged", default=_DEAD, act=act,
        why_not=lambda p: None if p.status is Status.FAILED else f"it is {p.status}, not dead",
    ).show(common)  # fmt: skip
