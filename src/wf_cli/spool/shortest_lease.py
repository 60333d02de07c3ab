"""How long a lease has to last where several hosts look at it through caches.

A lease that is shorter than the caches are slow looks unchanged to others while its owner lives, so a living worker
would be taken for dead. The mount of the spool decides, by its type and options (`wf_cli.filesystems`). A shared
spool on a local file system, which containers or users of one host share, has no such bound.
"""

from __future__ import annotations

import math
from pathlib import Path

from wf_cli import filesystems, mounts
from wf_cli.frozen import frozen
from wf_cli.mounts import Mount
from wf_cli.spool import place
from wf_cli.spool.layout import Spool


@frozen
class Bound:
    """The shortest lease on a mount: `filesystems.LEASE_LOOKS` times what a look there may be old."""

    seconds: float
    mount: Mount

    def why_not(self, seconds: float) -> str | None:
        """What is wrong with a lease of ``seconds``; None when it is long enough."""
        if seconds >= self.seconds:
            return None
        return (
            f"a lease of {seconds:g} s is too short on {place.described(self.mount)}: what others see there may be "
            f"{filesystems.stale_s(self.mount):g} s old, so a living worker would be taken for dead; "
            f"at least {self.seconds:g} s"
        )

    @property
    def remedy(self) -> str:
        """The line that sets the shortest lease, and what makes shorter ones possible."""
        line = f"wf config set lease.duration {math.ceil(self.seconds)}s"
        if self.mount.type.startswith("nfs"):
            return f"{line}; shorter ones need a mount with smaller acregmax and acdirmax, such as -o actimeo=3"
        return line


def bound(root: Path, topology: str) -> Bound | None:
    """The bound for a spool of ``topology`` at ``root``, which need not exist; None where there is none."""
    if topology == "local":  # Never on a network mount (`place`), so it costs no look at the mount table.
        return None
    mount = mounts.of(root)
    seconds = filesystems.shortest_lease_s(mount)
    return Bound(seconds, mount) if seconds else None


def seconds(spool: Spool) -> float:
    """The shortest lease of the sessions of ``spool``, as this host sees it; 0 without a bound."""
    found = bound(spool.root, spool.version.topology)
    return found.seconds if found is not None else 0.0
