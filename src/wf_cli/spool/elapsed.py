"""How long ago a file of the spool was written, told by one clock (invariant 6).

A host's wall clock may be set, and those of two hosts may differ by hours. So a file that holds for a time states a
duration, and its age is told

1. by the clock of the boot that wrote it (`stamp`), where the reader runs under the same boot: nobody can set that;
2. else by the file system: the time of the file is compared with that of a file made just now. Both times are set
   by the server on NFS, SMB and sshfs. Ceph and GlusterFS let each client set them, so there the ages are as good as
   the agreement of the clients' clocks.

Where neither can be had, nothing is known but that the file is there. The reader watches it from then on by its own
monotonic clock.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping
from typing import Any

from wf_cli import fsio, ids
from wf_cli.clock import Clock
from wf_cli.spool.layout import Spool


def stamp(clock: Clock) -> dict[str, Any]:
    """What a file says of the moment at which it is written. Nothing where this boot cannot be named just now."""
    boot = _boot()
    return {"boot": boot, "uptime_s": round(clock.monotonic(), 3)} if boot is not None else {}


def age_s(spool: Spool, content: Mapping[str, Any], info: os.stat_result, clock: Clock) -> float | None:
    """Seconds since a file with this ``content`` (`stamp`) was written; None when that cannot be told.

    Never less than 0. A reader under another boot makes and removes a file in ``tmp/``.
    """
    then, boot = content.get("uptime_s"), content.get("boot")
    if isinstance(boot, str) and isinstance(then, int | float) and boot == _boot():
        age = clock.monotonic() - then
        if age >= 0:
            return age
    now_ns = _now_ns(spool)
    return max(0.0, (now_ns - info.st_mtime_ns) / 1e9) if now_ns is not None else None


def _boot() -> str | None:
    """This boot, and this clock of it: a container may have an uptime of its own."""
    from wf_cli import proc

    try:
        boot = f"{platform.node()} {proc.boot_id()}"
    except OSError:
        return None
    with contextlib.suppress(OSError):
        boot += f" {os.readlink('/proc/self/ns/time')}"
    return boot


def _now_ns(spool: Spool) -> int | None:
    """The time of the spool's file system, or None when no file can be made there now."""
    path = spool.path("tmp", f"{ids.nonce()}.part")
    try:
        with fsio.discarding(path):
            fsio.write_new(path, b"", durable=False, mode=spool.shared_mode)
            return fsio.facts(path).st_mtime_ns
    except OSError:
        return None
