"""`wf spool ls`, and every other list of jobs: rows, counts, ``--watch``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wf_cli.cli.frame import output, tables
from wf_cli.cli.frame.options import Common, document, print_line
from wf_cli.cli.frame.screen import Screen, is_screen
from wf_cli.clock import format_duration
from wf_cli.errors import UsageError
from wf_cli.frozen import frozen
from wf_cli.spool import scan
from wf_cli.spool.control import Stop
from wf_cli.views.rows import Row, last_time, row
from wf_cli.views.survey import survey
from wf_cli.views.viewer import Criteria, Viewer

if TYPE_CHECKING:
    from wf_cli.views.conditions.condition import Condition

#: Seconds between two looks of ``--watch``.
WATCH_EVERY = 1.0
#: Jobs that a terminal shows without --limit.
ON_TERMINAL = 1000
_HEAD = ("STATUS", "JOB", "POOL", "ATTEMPT", "BURNED", "PRIO", "AGE", "OWNER", "READY", "REASON")
#: The columns that give way on a narrow terminal, the least important first.
_YIELDING = ("PRIO", "BURNED", "ATTEMPT", "OWNER", "POOL", "AGE")


@frozen
class Listing:
    """At most ``limit`` jobs that fit, the counts of all that fit, and the pauses and cool-downs (``stops``)."""

    counts: dict[str, int]
    #: They are made while they are gone through, which can be done once.
    rows: Iterator[Row]
    stops: Sequence[Stop] = ()
    #: What keeps jobs from being worked on, also jobs that do not fit.
    conditions: Sequence[Condition] = ()

    def facts(self) -> dict[str, Any]:
        """What the JSON document has beside the jobs, in its order."""
        return {
            "counts": self.counts,
            "jobs": [],
            "stops": [stop.to_json() for stop in self.stops],
            "conditions": [condition.to_json() for condition in self.conditions],
        }

    def notes(self) -> list[str]:
        """A line for each condition, but for what the row of a job says."""
        return [c.told for c in self.conditions if c.name != "not_held"]


def look(common: Common, viewer: Viewer | None, criteria: Criteria, *, sort: str, limit: int | None) -> Listing:
    """The list as it is now. Without a spool (``viewer`` is None) the list is empty."""
    if viewer is None:
        from wf_cli.contract.lifecycle import Status

        return Listing({str(status): 0 for status in Status}, iter(()))
    from wf_cli.views import conditions

    fit = survey(viewer, criteria)
    if not any(fit.counts.values()):
        from wf_cli.cli.frame import known  # Only a look that finds nothing needs it.

        known.selected(criteria, scan.everything(viewer.spool), lambda: common.app.config, viewer.spool)
    sight = common.sight(viewer, None if criteria else fit.live)  # All that live need not be listed again.
    listed = (row(placed, viewer) for placed in fit.first(limit, sort))
    return Listing(fit.counts, listed, sight.stops, conditions.of_project(sight))


def columns_of(text: str | None) -> tuple[str, ...]:
    """The columns that ``--columns`` names, in its order; all without it. Raises UsageError for others."""
    if text is None:
        return _HEAD
    names = tuple(name.strip().upper() for name in text.split(","))
    wrong = next((name for name in names if name not in _HEAD), None)
    if wrong is not None or len(set(names)) < len(names):
        what = f"there is no column {wrong.lower()!r}" if wrong is not None else "a column is named twice"
        raise UsageError(f"--columns {text}: {what}", hint=f"some of {','.join(_HEAD).lower()}")
    return names


def lines(listed: Iterable[Row], columns: Sequence[str] = _HEAD) -> Iterable[str]:
    """The rows as text: a table on a terminal, plain columns in a pipe.

    A terminal of any width shows status, id, ready time and reason, and of the others what has room. Columns that
    were chosen are all shown.
    """
    places = [_HEAD.index(name) for name in columns]
    rows = ([cells[at] for at in places] for cells in map(_cells, listed))
    if not tables.on_terminal():
        return tables.plain_lines(rows)
    return tables.table(columns, list(rows), _YIELDING if columns is _HEAD else ())


def _cells(row: Row) -> tuple[object, ...]:
    return (
        row.status, row.job_id, f"{row.role}@{row.runtime}", row.attempt, f"{row.burned}/{row.max_attempts}",
        row.priority, format_duration(row.age_s), row.owner, row.ready_at, _reason(row),
    )  # fmt: skip


def _reason(row: Row) -> str | None:
    if row.reason is None or row.reason_age_s is None:
        return row.reason
    return last_time(row.reason, row.reason_age_s)


def summary(listing: Listing) -> str:
    """The counts in one line."""
    shown = [f"{count} {status}" for status, count in listing.counts.items() if count]
    return ", ".join(shown) or "no jobs"


def show(common: Common, listing: Listing, columns: Sequence[str] = _HEAD, limit: int | None = None) -> None:
    """Print a list once. A pipe gets the records without the summary.

    ``limit`` is one that the user did not ask for. The summary says what it leaves out.
    """
    if common.as_json:
        output.print_json_list(document(**listing.facts()), "jobs", (row.to_json() for row in listing.rows))
        return
    output.say_all(lines(listing.rows, columns))
    output.note(*map(tables.plain, listing.notes()))
    total = sum(listing.counts.values())
    if tables.on_terminal() or not total:
        output.note(summary(listing))
    if limit is not None and total > limit:
        output.note(f"... and {total - limit:,} more: --limit {total} or a pipe shows all, selectors choose")


def default_limit(common: Common) -> int | None:
    """How many jobs are listed when no --limit is given. A person reads no more, and a pipe or --json gets all."""
    return ON_TERMINAL if tables.on_terminal() and not common.as_json else None


def watch(
    common: Common, criteria: Criteria, *, sort: str, limit: int | None, columns: Sequence[str] = _HEAD
) -> None:
    """Print the list again whenever it has changed, until Ctrl-C.

    One viewer serves the whole watch, because only a viewer that looks several times sees a lease of another host
    expire.
    """
    live = not common.as_json and is_screen(sys.stdout)
    with Screen(sys.stdout, live=live, keep=True) as screen:
        _watch(common, criteria, screen, sort=sort, limit=limit, columns=columns)


def _watch(
    common: Common, criteria: Criteria, screen: Screen, *, sort: str, limit: int | None, columns: Sequence[str]
) -> None:
    viewer: Viewer | None = None
    said: object = None
    while True:
        if viewer is None:
            spool = common.spool_if_any(tell=not tables.on_terminal())  # A warning would stand in the picture.
            viewer = Viewer(spool, common.clock, common.project) if spool is not None else None
        else:
            viewer.refresh()
        listing = look(common, viewer, criteria, sort=sort, limit=limit)
        rows = list(listing.rows)
        # Ages are left out, because they change at each look. A stream gets a new list only for other changes; a
        # terminal is drawn anew each time.
        jobs = [(row.job_id, row.status, row.attempt, row.reason) for row in rows]
        state = jobs, listing.counts, listing.stops, [(c.name, c.scope) for c in listing.conditions]
        if common.as_json:
            if state != said:
                print_line(document(**listing.facts() | {"jobs": [row.to_json() for row in rows]}))
        elif screen.live:
            screen.draw([summary(listing), *map(tables.plain, listing.notes()), *lines(rows, columns)])
        elif state != said:
            for line in lines(rows, columns):
                screen.say(line)
            output.stream()
        said = state
        common.clock.sleep(WATCH_EVERY)
