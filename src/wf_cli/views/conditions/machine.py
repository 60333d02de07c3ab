"""The disk of the spool: room, and whether it takes anything at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from wf_cli.spool.place import MIN_FREE_BYTES
from wf_cli.views.conditions.condition import Condition
from wf_cli.views.conditions.sight import Sight


def disk(sight: Sight) -> Iterator[Condition]:
    """A disk on which no worker claims. A quota shows only when something is written, which `wf doctor` tries."""
    root = sight.viewer.spool.root
    if os.statvfs(root).f_flag & os.ST_RDONLY:
        yield Condition(
            "disk_writable", False, f"the disk of {root} is mounted read-only", for_writing(root), grave=True
        )
        return
    free = shutil.disk_usage(root).free
    if free < MIN_FREE_BYTES:
        text = f"only {free // 1024} KiB are free on the disk of {root}: no worker claims a job"
        yield Condition("disk_room", False, text, "wf spool gc --older 1d", grave=True)


def for_writing(path: Path) -> str:
    """The command that mounts the file system of ``path`` for writing."""
    import shlex

    from wf_cli import mounts

    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}mount -o remount,rw {shlex.quote(mounts.of(path).point or str(path))}"
