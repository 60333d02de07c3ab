"""All logs of a folder as one stream of events by time, in little memory however long the logs are.

It is ordered by the writers' clocks alone, which is enough for whoever counts. `wf_cli.eventlog.read` puts the events
of one job into the order of its life, for people.
"""

from __future__ import annotations

import contextlib
import heapq
import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from wf_cli import fsio, sharing
from wf_cli.clock import parse_iso_ms
from wf_cli.contract.event import Event
from wf_cli.eventlog import glance
from wf_cli.eventlog.lines import LINE_LIMIT, parse_line
from wf_cli.growing import GrowingFile

#: Bytes of all logs together that are in memory at once, as far as the least piece of each log allows.
_MEMORY = 32 * 1024 * 1024
_LEAST, _MOST = 4 * 1024, 1024 * 1024


def unreported(_error: OSError) -> None:
    """For callers whose answer does not depend on a log that may not be read."""


class Stream:
    """The events of all logs in ``directory``, each once, over any number of calls of `new_events`.

    Within one log the order is that of its writer. Logs are merged by time, so two hosts whose clocks differ are out
    of order by as much. Lines that are no event are left out. ``without`` names kinds that the caller has no use for,
    which saves most of the time that their lines would cost. So does ``only``, a pattern that is in each line that is
    wanted and may be in others. Much faster is ``named``, texts of which each wanted line has one. With ``since_ms``
    the logs are read from about that moment (`glance.begin_of`). ``report`` is told once of each log that cannot be
    read.
    """

    def __init__(
        self,
        directory: Path,
        *,
        without: Collection[str] = (),
        only: re.Pattern[bytes] | None = None,
        named: Sequence[bytes] = (),
        since_ms: int | None = None,
        report: Callable[[OSError], None] = unreported,
    ):
        self._directory = directory
        self._report = report
        self._files: dict[str, GrowingFile] = {}
        self._reported: set[str] = set()
        # The form in which wf writes lines. A line of another form is parsed, and its kind looked at then.
        kinds = "|".join(map(re.escape, sorted(without)))
        self._skipped = re.compile(rb'\{"schema": 1, "ts": "[^"\\]*", "event": "(?:%s)"' % kinds.encode())
        self._without = frozenset(without)
        self._only = only
        self._named = tuple(named)
        self._since_ms = since_ms
        # Older events of a job may belong before the wanted ones, by the order of its life.
        self._oldest = None if since_ms is None else glance.stamp(since_ms - glance.SLACK_MS)

    def new_events(self) -> Iterator[tuple[int, Event]]:
        """What was added since the last call, each with its time in ms. Empty while there is no log."""
        names = self._names()
        size = max(_LEAST, min(_MOST, _MEMORY // max(1, len(names))))
        return heapq.merge(*(self._of(name, size) for name in names), key=_time)

    def skip(self) -> None:
        """Pass over what is there now."""
        for name in self._names():
            with self._readable(name):
                self._file(name).skip()

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in fsio.names(self._directory) if name.endswith(".jsonl"))
        except FileNotFoundError:
            return []  # The first event makes the folder.

    def _file(self, name: str) -> GrowingFile:
        path = self._directory / name
        return self._files.setdefault(name, GrowingFile(path, longest=LINE_LIMIT, begin=self._begin))

    def _begin(self, file: io.FileIO, size: int) -> int:
        return 0 if self._since_ms is None else glance.begin_of(file, size, self._since_ms)

    def _chosen(self, block: bytes) -> Iterator[bytes]:
        return glance.lines_with(block, self._named)

    def _of(self, name: str, size: int) -> Iterator[tuple[int, Event]]:
        file = self._file(name)
        while True:
            lines = None
            with self._readable(name):
                # Named lines are searched for in large pieces, of which little is kept.
                lines = file.some(_MOST, self._chosen) if self._named else file.some(size)
            if lines is None:
                return
            for line in lines:
                if (self._without and self._skipped.match(line)) or (self._only and not self._only.search(line)):
                    continue
                if self._oldest is not None and glance.is_older(line, self._oldest):
                    continue
                event = parse_line(line)
                if event is not None and event.event not in self._without:
                    yield parse_iso_ms(event.ts) or 0, event

    @contextlib.contextmanager
    def _readable(self, name: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, ValueError):  # It vanished, or is a link, a pipe, a folder.
            pass
        except OSError as error:
            if name not in self._reported:
                self._reported.add(name)
                self._report(sharing.explained(error, self._directory / name))


def _time(entry: tuple[int, Event]) -> int:
    return entry[0]
