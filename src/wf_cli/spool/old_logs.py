"""Removes logs of events that nobody has written for long.

Ages are by this host's clock, because this is housekeeping and decides about no job.

A writer on any host may have a log open, or open it just now, and no event of it may be lost. So a log is removed in
two steps, an hour apart. The first gives it a name that no writer opens and no reader reads. The second looks at it
again: what was written since the first step comes back as a log, and else the file goes. A writer keeps a file open
for a second at most (`wf_cli.eventlog.log`), so after an hour none has it open.
"""

from __future__ import annotations

import stat

from wf_cli import fsio
from wf_cli.seams import step
from wf_cli.spool.layout import Spool
from wf_cli.spool.troubles import EachItem

LOG, OLD = ".jsonl", ".old"
#: Milliseconds between the two steps. A log that was written since then is never old.
WAIT_MS = 3600 * 1000


def remove(spool: Spool, each: EachItem, *, before_ms: int, now_ms: int) -> list[str]:
    """Take the next step with each log that was last written before ``before_ms``; the names that are gone for good.

    Events that came in the last hour are kept whatever ``before_ms`` says. What this user may not touch, and what
    fails, is told to ``each``.
    """
    before_ms = min(before_ms, now_ms - WAIT_MS)
    gone = []
    for name in sorted(spool.names("log")):
        path, written_ms = spool.path("log", name), None
        with each.looking(path):
            info = fsio.facts(path)
            written_ms = int(info.st_mtime * 1000) if stat.S_ISREG(info.st_mode) else None
        if written_ms is None:
            continue  # It is gone, or is no log at all.
        with each.stepping(path):
            log, since_ms = _parsed(name)
            if log is not None and written_ms >= before_ms:
                # Its own name may belong to a new file. The time keeps this one apart from all others.
                fsio.move(path, spool.path("log", f"{log.removesuffix(LOG)}.{written_ms}{LOG}"))
            elif log is not None and since_ms <= now_ms - WAIT_MS and fsio.unlink_quietly(path):
                gone.append(log)
            elif name.endswith(LOG) and written_ms < before_ms:
                fsio.move(path, spool.path("log", f"{name}.{now_ms}{OLD}"))
                step("logs.aside")
    return gone


def is_old(name: str) -> bool:
    """Whether ``name`` is one that `remove` gives."""
    return _parsed(name)[0] is not None


def _parsed(name: str) -> tuple[str | None, int]:
    """The log that was put aside under this name, and when; None for another name."""
    log, _, since = name.removesuffix(OLD).rpartition(".")
    if name.endswith(OLD) and log.endswith(LOG) and since.isascii() and since.isdecimal():
        return log, int(since)
    return None, 0
