"""Reads the events of all writers, merged; follows them.

Logs are not trusted and not complete: torn lines, links, pipes, files that are rotated or vanish while they
are read cost the lines in question and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from wf_cli.clock import Clock, parse_iso_ms
from wf_cli.contract.event import Event
from wf_cli.eventlog.stream import Stream, unreported
from wf_cli.frozen import frozen

#: Events that are put in order at once.
WINDOW = 20_000
#: Seconds between two looks at the logs while following.
POLL_S = 0.5

#: Where in the life of one attempt an event stands. Kinds that are not here can come at any time.
_RANK = {
    "job.enqueued": 0,
    "job.claimed": 1,
    "job.started": 2,
    "attempt.session": 3,
    "job.succeeded": 4,
    "job.failed": 4,
    "job.released": 4,
    "job.reaped": 4,
    "job.cancelled": 4,
    "job.dead": 5,
    "job.retried": 6,
}


@frozen
class Selection:
    """Which events are wanted; what is empty or None does not restrict.

    ``kinds`` holds kinds (``job.dead``) or groups (``job``); ``since_ms`` is wall-clock ms, by the writers' clocks.
    """

    kinds: frozenset[str] = frozenset()
    since_ms: int | None = None
    jobs: frozenset[str] = frozenset()
    epic_id: str | None = None

    def takes(self, event: Event) -> bool:
        """Whether ``event`` is wanted."""
        return (
            (not self.kinds or event.event in self.kinds or event.event.partition(".")[0] in self.kinds)
            and (self.since_ms is None or (parse_iso_ms(event.ts) or 0) >= self.since_ms)
            and self.concerns(event)
            and (self.epic_id is None or event.facts.get("epic_id") == self.epic_id)
        )

    def concerns(self, event: Event) -> bool:
        """Whether ``event`` is of a wanted job."""
        return not self.jobs or event.facts.get("job_id") in self.jobs


ALL = Selection()


def read(directory: Path, selection: Selection = ALL, report: Callable[[OSError], None] = unreported) -> list[Event]:
    """All that `stream` gives, in memory at once."""
    return list(stream(directory, selection, report))


def stream(
    directory: Path, selection: Selection = ALL, report: Callable[[OSError], None] = unreported
) -> Iterator[Event]:
    """The wanted events of all logs in ``directory``, in order (`ordered`); none when there is no log.

    Of more than `WINDOW` events, that many at a time are in memory and put in order. So an event comes too late when
    more than half as many others, by their times, lie between it and its place.

    ``report`` is told of each log that exists and cannot be read.
    """
    return _in_order(_logs(directory, selection, report), selection)


def _logs(directory: Path, selection: Selection, report: Callable[[OSError], None]) -> Stream:
    """Lines without the name of a wanted job are not even parsed."""
    named = tuple(f'"{job_id}"'.encode() for job_id in sorted(selection.jobs))
    return Stream(directory, named=named, since_ms=selection.since_ms, report=report)


def _in_order(logs: Stream, selection: Selection) -> Iterator[Event]:
    """The events that were added since the last look, and are wanted, in order."""
    window: list[Event] = []
    # What one job did has to be put in order as a whole. So only what leaves out whole jobs is left out before.
    for _, event in logs.new_events():
        if selection.concerns(event):
            window.append(event)
            if len(window) >= WINDOW:
                window = ordered(window)
                yield from (event for event in window[: WINDOW // 2] if selection.takes(event))
                del window[: WINDOW // 2]
    yield from (event for event in ordered(window) if selection.takes(event))


def follow(
    directory: Path,
    *,
    clock: Clock,
    stop: Callable[[], bool],
    selection: Selection = ALL,
    from_start: bool = False,
    poll_s: float = POLL_S,
    report: Callable[[OSError], None] = unreported,
) -> Iterator[Event]:
    """Events as they come, until ``stop()``; with ``from_start`` those already there first.

    Looks every ``poll_s`` seconds. What arrives between two looks is in order; an event that another host
    delivers later comes later.
    """
    logs = _logs(directory, selection, report)
    if not from_start:
        logs.skip()
    while True:
        yield from _in_order(logs, selection)
        if stop():
            return
        clock.sleep(poll_s)


def ordered(events: Iterable[Event]) -> list[Event]:
    """``events`` by time; but those of one job in the order of its life, whatever the hosts' clocks say.

    A job's events keep, as a group, the places that time gives them.
    """
    by_time = sorted(events, key=_time)
    places: dict[str, list[int]] = {}
    for i, event in enumerate(by_time):
        if _in_life(event):
            places.setdefault(event.facts["job_id"], []).append(i)
    out = list(by_time)
    for indexes in places.values():
        for i, event in zip(indexes, sorted((by_time[i] for i in indexes), key=_stage), strict=True):
            out[i] = event
    return out


def _in_life(event: Event) -> bool:
    # Released from held is an operator's doing: it belongs to no attempt.
    return event.event in _RANK and "job_id" in event.facts and event.facts.get("from") != "held"


def _stage(event: Event) -> tuple[int, int]:
    return event.facts.get("attempt", 0), _RANK[event.event]


def _time(event: Event) -> int:
    return parse_iso_ms(event.ts) or 0
