"""All logs of a folder as one stream of events by time, in little memory however long the logs are.

`wf_cli.eventlog.read` holds all events in memory and puts those of one job into the order of its life. That is right
for a list that people read. Whoever counts can do with this stream, which is by the writers' clocks alone.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from wf_cli import fsio, sharing
from wf_cli.clock import parse_iso_ms
from wf_cli.contract.event import Event
from wf_cli.eventlog.read import LINE_LIMIT, parse_line, unreported
from wf_cli.growing import GrowingFile

#: Bytes of all logs together that are in memory at once, as far as the least piece of each log allows.
_MEMORY = 32 * 1024 * 1024
_LEAST, _MOST = 4 * 1024, 1024 * 1024


class Stream:
    """The events of all logs in ``directory``, each once, over any number of calls of `new_events`.

    Within one log the order is that of its writer. Logs are merged by time, so two hosts whose clocks differ are out
    of order by as much. Lines that are no event are left out. ``without`` names kinds that the caller has no use for,
    which saves most of the time that their lines would cost. So does ``only``, a pattern that is in each line that is
    wanted and may be in others. ``report`` is told once of each log that cannot be read.
    """

    def __init__(
        self,
        directory: Path,
        *,
        without: Collection[str] = (),
        only: re.Pattern[bytes] | None = None,
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

    def new_events(self) -> Iterator[tuple[int, Event]]:
        """What was added since the last call, each with its time in ms. Empty while there is no log."""
        try:
            names = sorted(name for name in fsio.names(self._directory) if name.endswith(".jsonl"))
        except FileNotFoundError:
            return iter(())  # The first event makes the folder.
        size = max(_LEAST, min(_MOST, _MEMORY // max(1, len(names))))
        return heapq.merge(*(self._of(name, size) for name in names), key=_time)

    def _of(self, name: str, size: int) -> Iterator[tuple[int, Event]]:
        path = self._directory / name
        file = self._files.setdefault(name, GrowingFile(path, longest=LINE_LIMIT))
        while True:
            try:
                lines = file.some(size)
            except (FileNotFoundError, ValueError):  # It vanished, or is a link, a pipe, a folder.
                return
            except OSError as error:
                if name not in self._reported:
                    self._reported.add(name)
                    self._report(sharing.explained(error, path))
                return
            if lines is None:
                return
            for line in lines:
                if (self._without and self._skipped.match(line)) or (self._only and not self._only.search(line)):
                    continue
                event = parse_line(line)
                if event is not None and event.event not in self._without:
                    yield parse_iso_ms(event.ts) or 0, event


def _time(entry: tuple[int, Event]) -> int:
    return entry[0]
