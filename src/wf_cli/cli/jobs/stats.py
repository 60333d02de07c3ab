"""`wf stats`: what the events of a spool add up to."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_cli.cli.frame import output, tables, working_project
from wf_cli.cli.frame.options import Common, document, print_line, since_ms, single
from wf_cli.clock import format_duration, iso
from wf_cli.errors import UsageError

if TYPE_CHECKING:
    from wf_cli.eventlog.stream import Stream
    from wf_cli.spool.layout import Spool
    from wf_cli.views.quantiles import Durations
    from wf_cli.views.stats import Figures, Stats
    from wf_cli.views.viewer import Viewer

#: Seconds between two looks of ``--watch``.
WATCH_EVERY = 2.0
#: The mode of the metrics file: a collector runs as another user.
_FOR_ALL = 0o644


class By(StrEnum):
    """The groupings, the same as `wf_cli.views.stats.GROUPINGS`."""

    ROLE = "role"
    RUNTIME = "runtime"
    OWNER = "owner"
    ERROR = "error"


def stats(
    common: Common,
    since: Annotated[str | None, typer.Option(metavar="T", help="not before: 10m, 2h, 2026-01-31T08:00:00Z")] = None,
    by: Annotated[
        By | None, typer.Option(help="the same figures for each role, runtime, session or error code")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="again every two seconds; Ctrl-C ends it")] = False,
    openmetrics: Annotated[
        Path | None, typer.Option(metavar="FILE", help="also write the figures as metrics for Prometheus")
    ] = None,
) -> None:
    """Count jobs and attempts: ends, success share, waits, runs, retries, losses, late results, tokens, cost.

    The figures come from the event logs, so what was deleted there is not counted. Quantiles are at most one percent
    off, maxima are exact. What no attempt told is unknown, which is not zero. --openmetrics replaces FILE as a whole;
    with --watch it is written at each look.

    \b
    wf stats                                 everything that the logs know
    wf stats --since 24h --by role
    wf stats --by error                      what attempts fail of
    wf stats --openmetrics /var/lib/prometheus/node-exporter/wf.prom
    """
    if openmetrics is not None and since is not None:
        raise UsageError(
            "--openmetrics and --since do not go together: counters must never go back",
            hint="leave --since out; Prometheus computes rates over any time",
        )
    target = working_project.working_directory() / openmetrics if openmetrics is not None else None
    if target is not None and target.exists() and not target.is_file():
        raise UsageError(
            f"--openmetrics {target}: it is no regular file", hint="name a file in the collector's folder"
        )
    # Once, so that the beginning stays where it is while the command watches.
    counting = Counting(common, since_ms(common.clock, since), str(by) if by is not None else None)
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(common, counting, target)
        return
    counting.look()
    if target is not None:
        _write(target, counting)
    common.emit(counting.to_json(), counting.lines())


class Counting:
    """The figures so far. Each `look` adds what was logged since the last one. Without a spool all are zero."""

    def __init__(self, common: Common, since: int | None, by: str | None):
        from wf_cli.views.stats import Stats

        self.by = by
        self.counts: dict[str, int] = {}
        self.stats: Stats = Stats(since_ms=since, by=by)
        self._common = common
        self._since_ms = since
        self._viewer: Viewer | None = None
        self._stream: Stream | None = None

    def look(self) -> None:
        """Bring the figures up to date."""
        from wf_cli.contract.lifecycle import Status
        from wf_cli.views.survey import survey
        from wf_cli.views.viewer import Criteria

        if self._viewer is None:
            spool = self._common.spool_if_any(tell=not tables.on_terminal())
            if spool is None:
                self.counts = {str(status): 0 for status in Status}
                return
            self._open(spool)
        assert self._viewer is not None
        assert self._stream is not None
        self._viewer.refresh()
        self.counts = survey(self._viewer, Criteria()).counts
        for ms, event in self._stream.new_events():
            self.stats.add(ms, event)

    def _open(self, spool: Spool) -> None:
        from wf_cli.eventlog.stream import Stream
        from wf_cli.views.stats import UNUSED
        from wf_cli.views.viewer import Viewer

        self._viewer = Viewer(spool, self._common.clock)
        self._stream = Stream(spool.folder("log"), without=UNUSED, report=_unreadable)

    def metrics(self) -> str:
        """The content of the metrics file."""
        from wf_cli.views import openmetrics

        return openmetrics.text(self.counts, self.stats, by=self.by, now_ms=self._common.clock.now_ms())

    def groups(self) -> Iterator[tuple[str | None, Figures]]:
        """The groups, the largest first."""
        found = self.stats.groups.items()
        yield from sorted(found, key=lambda item: (-sum(item[1].ends.values()), -item[1].enqueued, item[0] or ""))

    def to_json(self) -> dict[str, Any]:
        """The keys of the JSON document."""
        values: dict[str, Any] = {
            "since": iso(self._since_ms) if self._since_ms is not None else None,
            "counts": self.counts,
            **self.stats.total.to_json(),
        }
        if self.by is not None:
            values["by"] = self.by
            values["groups"] = [{self.by: name, **figures.to_json()} for name, figures in self.groups()]
        return values

    def lines(self) -> list[str]:
        """The figures for people. A pipe gets only the groups, if there are any, one a line."""
        rows = [(name, *_cells(figures)) for name, figures in self.groups()] if self.by is not None else []
        table = tables.table(((self.by or "").upper(), *_HEAD), rows)
        if self.by is not None and not tables.on_terminal():
            return table
        now = ", ".join(f"{count} {status}" for status, count in self.counts.items() if count) or "no jobs"
        out = output.columns([("now", now), *_facts(self.stats.total)], indent="")
        return [*out, "", *table] if table else out


_HEAD = (
    "ENDED", "OK", "FAILED", "LOST", "DEAD", "SUCCESS", "RETRIES", "WAIT-P50", "WAIT-P95", "RUN-P50", "RUN-P95",
    "TOKENS", "COST",
)  # fmt: skip


def _facts(total: Figures) -> list[tuple[str, str]]:
    ends = ", ".join(f"{count} {end}" for end, count in total.ends.items() if count) or "none"
    return [
        ("enqueued", str(total.enqueued)),
        ("attempts ended", ends),
        ("dead letters", str(total.dead)),
        ("success share", f"{_share(total)} of the jobs that succeeded or died"),
        ("wait", _quantiles(total.wait)),
        ("run", _quantiles(total.run)),
        ("retries", str(total.retries)),
        ("lease losses", str(total.lease_losses)),
        ("late results", str(total.late_results)),
        ("tokens", _tokens(total) + _unknown(total.tokens_known, total.tokens_unknown)),
        ("cost", _cost(total) + _unknown(total.cost_known, total.cost_unknown)),
    ]


def _cells(figures: Figures) -> tuple[object, ...]:
    wait, run = figures.wait, figures.run
    return (
        sum(figures.ends.values()), figures.ends["succeeded"], figures.ends["failed"], figures.ends["lost"],
        figures.dead, _share(figures), figures.retries, _seconds(wait, 0.5), _seconds(wait, 0.95), _seconds(run, 0.5),
        _seconds(run, 0.95), _tokens(figures).replace(" ", ""), _cost(figures),
    )  # fmt: skip


def _share(figures: Figures) -> str:
    share = figures.success_share
    return f"{100 * share:.1f}%" if share is not None else tables.NOTHING


def _seconds(durations: Durations, share: float) -> str | None:
    value = durations.quantile(share)
    return format_duration(value) if value is not None else None


def _quantiles(durations: Durations) -> str:
    if not durations.count:
        return "unknown"
    longest = format_duration(durations.greatest)
    return f"p50 {_seconds(durations, 0.5)}, p95 {_seconds(durations, 0.95)}, max {longest} ({durations.count})"


def _tokens(figures: Figures) -> str:
    return f"{figures.tokens_in} in, {figures.tokens_out} out" if figures.tokens_known else "unknown"


def _cost(figures: Figures) -> str:
    return f"${figures.cost_usd:.4f}" if figures.cost_known else "unknown"


def _unknown(known: int, unknown: int) -> str:
    if not unknown:
        return "" if known else ": no agent has run to its end"
    return f"{' and' if known else ':'} {unknown} attempt(s) told nothing"


def _watch(common: Common, counting: Counting, target: Path | None) -> None:
    from wf_cli.cli.frame.screen import Screen, is_screen

    said: object = None
    with Screen(sys.stdout, live=not common.as_json and is_screen(sys.stdout), keep=True) as screen:
        while True:
            counting.look()
            if target is not None:
                _write(target, counting)
            now = counting.to_json()
            if screen.live:
                screen.draw(counting.lines())
            elif now != said:
                if common.as_json:
                    print_line(document(**now))
                else:
                    for line in (*counting.lines(), ""):
                        screen.say(line)
                    output.stream()
            said = now
            common.clock.sleep(WATCH_EVERY)


def _write(path: Path, counting: Counting) -> None:
    from wf_cli import fsio

    fsio.write_atomic(path, counting.metrics(), durable=False, parents=False, mode=_FOR_ALL)


def _unreadable(error: OSError) -> None:
    output.note(f"warning: the events of one log are not counted: {error}")


stats_app = single(stats)
