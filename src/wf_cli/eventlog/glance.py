"""What of a log need not be parsed: lines without a certain text, and what lies before a moment.

Both look at bytes, because parsing a line costs a hundred times more, and logs grow for ever. They only leave out.
Whoever parses what is left decides.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence

from wf_cli import clock

#: Milliseconds. A log is read back until a whole block is older than the wanted moment by more than this, because the
#: writer's clock may have been set back in between.
SLACK_MS = 3600 * 1000
#: Bytes read at once from the end.
_BLOCK = 256 * 1024
#: The time of an event as `EventLog` writes it, to the second. Texts of this form sort as times do.
_STAMP = re.compile(rb'"ts": ?"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)[.\d]*Z"', re.ASCII)


def stamp(ms: int) -> bytes:
    """The moment in the form of `_STAMP`, rounded down to a second."""
    return clock.iso(max(0, ms))[:19].encode()


def lines_with(block: bytes, needles: Sequence[bytes]) -> Iterator[bytes]:
    """The lines of ``block`` that contain one of ``needles``, once and in order. Each needle is searched once."""
    upcoming = {needle: block.find(needle) for needle in needles}
    while upcoming := {needle: at for needle, at in upcoming.items() if at >= 0}:
        hit = min(upcoming.values())
        begin, end = block.rfind(b"\n", 0, hit) + 1, block.find(b"\n", hit)
        end = len(block) if end < 0 else end
        yield block[begin:end]
        for needle, at in upcoming.items():
            if at <= end:
                upcoming[needle] = block.find(needle, end)


def is_older(line: bytes, than: bytes) -> bool:
    """Whether the line says that it is of before ``than`` (a `stamp`). A line in another form does not say so."""
    found = _STAMP.search(line)
    return found is not None and found[1] < than


def begin_of(file: io.FileIO, size: int, since_ms: int) -> int:
    """The offset in ``file`` of a line's beginning, behind which the events since ``since_ms`` are.

    The file is read backwards, so the cost follows from what is wanted and not from the size of the log. Events that
    a clock which stood wrong by more than `SLACK_MS` put before a block of old ones are missed.
    """
    oldest, end = stamp(since_ms - SLACK_MS), size
    while end > 0:
        begin = max(0, end - _BLOCK)
        file.seek(begin)
        block = file.read(end - begin)
        stamps = _STAMP.findall(block)
        last = block.rfind(b"\n")
        if stamps and max(stamps) < oldest and last >= 0:
            return begin + last + 1
        end = begin
    return 0
