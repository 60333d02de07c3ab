"""Ending an attempt from its records, when its launcher cannot do it any more."""

from __future__ import annotations

import signal

from wf_cli import proc

#: Seconds between SIGTERM and SIGKILL. They are few, because the attempt is lost already.
STRAY_GRACE = 0.5


def kill_attempt(launcher_pid: int, launcher_start: str | None, mark: str) -> int:
    """End the launcher of an attempt and all its processes on this host; returns how many there were.

    The caller has made sure that the records were made on this host, in this boot and pid namespace. A launcher's pid
    that has a new owner, or might have one because the start time is unknown, is not signalled. The call takes up to
    ``STRAY_GRACE`` seconds with a tree that ignores SIGTERM, and `proc.KILL_LIMIT` more with a stuck one. A process
    without the mark (it cleared its environment) is found only below a launcher that still lives.
    """
    launcher = proc.ProcessRef(launcher_pid, launcher_start or "")
    there = proc.alive(*launcher)
    # The launcher is ended last, because it is the parent of all orphans and its lock keeps the slot taken.
    killed = proc.kill_tree([launcher_pid] if there else [], mark, grace_s=STRAY_GRACE)
    count = len(killed.seen)
    if there and not killed.left:
        count += proc.send(launcher, signal.SIGKILL)
        count += len(proc.kill_tree([], mark, grace_s=0).seen - killed.seen)
    return count
