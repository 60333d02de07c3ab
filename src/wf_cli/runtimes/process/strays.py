"""Ending an attempt from its records, when its launcher cannot do it any more."""

from __future__ import annotations

import signal
import time

from wf_cli import proc

#: Seconds between SIGTERM and SIGKILL. They are few, because the attempt is lost already.
STRAY_GRACE = 0.5
#: Seconds for a launcher that lives to end its tree by itself. It needs half a second for one that ignores SIGTERM.
LAUNCHER_LIMIT = 1.5
_LOOK = 0.01
#: The module of an editor's keeper, in the command line of its process.
KEEPER = "wf_cli.editor.keeper_process"


def launcher_name(mark: str) -> str:
    """The last word of the command line of an attempt's launcher, by which people and reapers know it."""
    return f"wf-launcher {mark}"


def kill_recorded(launcher_pid: int, launcher_start: str | None, mark: str) -> int:
    """`kill_attempt` by a record that is not trusted: others write it, and it may name any process of this user.

    The launcher counts only when its own command line says that it is the one of this attempt, or an editor's keeper.
    """
    words = proc.arguments(launcher_pid)
    is_ours = launcher_name(mark) in words or KEEPER in words
    return kill_attempt(launcher_pid, launcher_start if is_ours else None, mark)


def kill_attempt(launcher_pid: int, launcher_start: str | None, mark: str) -> int:
    """End the launcher of an attempt and all its processes on this host; returns how many there were.

    The caller has made sure that the records were made on this host, in this boot and pid namespace. A launcher's pid
    that has a new owner, or might have one because the start time is unknown, is not signalled. A launcher that lives
    is asked first, because it alone can tell how its agent ended (`wf_cli.spool.exits`). So the call takes up to
    ``LAUNCHER_LIMIT`` seconds with one that stands still, up to ``STRAY_GRACE`` with a tree that ignores SIGTERM, and
    `proc.KILL_LIMIT` more with a stuck one. A process without the mark (it cleared its environment) is found only
    below a launcher that still lives.
    """
    launcher = proc.ProcessRef(launcher_pid, launcher_start or "")
    there = proc.alive(*launcher)
    before = proc.family([launcher_pid], mark) if there else set()
    if there:
        proc.send(launcher, signal.SIGTERM)
        deadline = time.monotonic() + LAUNCHER_LIMIT  # The real clock, because another process needs the time.
        while (there := proc.alive(*launcher)) and time.monotonic() < deadline:
            time.sleep(_LOOK)
        before.add(launcher)
    # The launcher is ended last, because it is the parent of all orphans and its lock keeps the slot taken.
    killed = proc.kill_tree([launcher_pid] if there else [], mark, grace_s=STRAY_GRACE)
    seen = before | killed.seen
    if there and not killed.left:
        proc.send(launcher, signal.SIGKILL)
        seen |= proc.kill_tree([], mark, grace_s=0).seen
    return len(seen)
