"""Ending an attempt from its records, when its launcher cannot do it any more."""

from __future__ import annotations

import signal

from wf_cli import proc

#: Seconds between SIGTERM and SIGKILL: the attempt is lost already, nobody waits for its last words.
STRAY_GRACE = 0.5


def kill_attempt(launcher_pid: int, launcher_start: str | None, mark: str) -> int:
    """End the launcher of an attempt and everything of the attempt on this host; how many processes that were.

    For records made on this host, in this boot and pid namespace only: the caller has compared them.
    Nothing is signalled when all of it is gone, also when the launcher's pid has a new owner (or might
    have one, its start time being unknown). Takes up to ``STRAY_GRACE`` seconds with a tree that ignores
    SIGTERM, and `proc.KILL_LIMIT` more with a stuck one. What carries no mark (a cleared environment) is
    found only below a launcher that still lives.
    """
    launcher = proc.ProcessRef(launcher_pid, launcher_start or "")
    there = proc.alive(*launcher)
    # The launcher last: while it lives it is the parent of all orphans, and its lock says "occupied".
    killed = proc.kill_tree([launcher_pid] if there else [], mark, grace_s=STRAY_GRACE)
    count = len(killed.seen)
    if there and not killed.left:
        count += proc.send(launcher, signal.SIGKILL)
        count += len(proc.kill_tree([], mark, grace_s=0).seen - killed.seen)
    return count
