"""The transcripts of attempts (what their agents printed), line by line, also while they grow.

A bounded part of a transcript is in memory at any time. A line of more than a MiB is shortened, and says so.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from wf_cli import fsio
from wf_cli.contract.token import Token
from wf_cli.errors import NotFound
from wf_cli.frozen import frozen
from wf_cli.growing import GrowingFile
from wf_cli.spool import scan
from wf_cli.spool.layout import Spool

#: Seconds between two looks at a growing transcript.
POLL_S = 0.5


@frozen
class Line:
    """One line of an attempt's transcript, without its newline."""

    attempt: int
    text: str


def read(spool: Spool, job_id: str, attempt: int) -> Iterator[Line]:
    """The lines of the transcript as it is now. Raises NotFound when the attempt left none."""
    tail = _Tail(spool.transcript_path(job_id, attempt))
    if not tail.exists():
        raise NotFound(
            f"attempt {attempt} of {job_id} left no transcript",
            hint=f"wf logs {job_id} --events shows what happened",
        )
    for text in chain(tail.lines(), tail.rest()):
        yield Line(attempt, text)


def follow(spool: Spool, job_id: str, attempt: int | None, sleep: Callable[[float], None]) -> Iterator[Line]:
    """The lines of the transcript of ``attempt`` until that attempt has ended.

    Without ``attempt``, the lines of the latest attempt and of all later ones, until the job has ended.
    """
    number = attempt or 0
    tail = _Tail(spool.transcript_path(job_id, number))
    while True:
        placed = scan.find(spool, job_id)  # looked up before reading, so an ended attempt is read to its end
        token = placed.token if placed is not None else None
        if not number and token is not None and token.attempt:
            number = token.attempt
            tail = _Tail(spool.transcript_path(job_id, number))
        ended = token is None or _has_ended(token, number)
        for text in chain(tail.lines(), tail.rest() if ended else ()):
            yield Line(number, text)
        if ended and (token is None or attempt is not None or (token.status is not None and token.attempt <= number)):
            return
        if ended and token is not None and token.attempt > number:
            number += 1
            tail = _Tail(spool.transcript_path(job_id, number))
        else:
            sleep(POLL_S)


def _has_ended(token: Token, number: int) -> bool:
    if token.status is not None or token.attempt > number > 0:
        return True
    return token.attempt == number > 0 and token.owner is None


class _Tail:
    """A transcript that is read piece by piece. A link, a pipe or a vanished file reads as empty (invariant 7)."""

    def __init__(self, path: Path):
        self._path = path
        self._file = GrowingFile(path)

    def exists(self) -> bool:
        try:
            return stat.S_ISREG(fsio.facts(self._path).st_mode)
        except FileNotFoundError:
            return False

    def lines(self) -> Iterator[str]:
        """The lines completed since the last call."""
        try:
            for line in self._file.lines():
                yield line.decode("utf-8", "replace")
        except (FileNotFoundError, ValueError):
            return

    def rest(self) -> Iterator[str]:
        """The last line, if it has no newline."""
        rest = self._file.rest()
        if rest:
            yield rest.decode("utf-8", "replace")
