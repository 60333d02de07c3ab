"""`wf doctor --fs-probe`: does the spool's folder do what the protocol needs, and which topology is it for?

The probe works in a scratch folder inside the spool, or where the spool would be made, and removes the folder. It
proves what one host can prove. That other hosts see the same is concluded from the kind of file system
(docs/explanation/file-systems.md).
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from wf_cli import filesystems, fsio, ids, locks, mounts
from wf_cli.doctor.check import Check, Level, error, ok, warn, with_command
from wf_cli.errors import FileTrouble, SpoolError
from wf_cli.filesystems import Kind
from wf_cli.mounts import Mount
from wf_cli.spool import layout
from wf_cli.spool.place import SHARE
from wf_cli.spool.watch import Watcher

#: Files that two threads fight for; one winner each, or the folder is unsuitable.
_RACES = 60
#: Seconds an event may take. Only a probe that fails needs them.
_EVENT_LIMIT = 5.0
#: What to do where a folder is not fit for a spool.
_ELSEWHERE = "wf config set spool.dir FOLDER, with one that is yours and fit for it"
#: What keeps the files of an NFS server through a power cut.
_SYNC_EXPORT = "sudo exportfs -o rw,sync CLIENT:FOLDER, on the server of this mount"
_SET_CLOCK = "sudo sntp -sS time.apple.com" if sys.platform == "darwin" else "sudo timedatectl set-ntp true"
#: Seconds of difference between our clock and that of the files which are worth a word.
_CLOCK_SKEW = 2.0
_LOCKER = """
import errno, fcntl, os, sys
try:
    fcntl.flock(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError as error:
    if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
        sys.exit(str(error))
    sys.exit(7)
"""


class _Unfit(Exception):
    """The folder does not do what it has to."""


def probe(spool_root: Path, configured: str) -> Iterator[Check]:
    """Try everything the protocol needs. The last check says which topology was proved."""
    real = spool_root.resolve()
    base = next(path for path in (real, *real.parents) if path.is_dir())
    # A name that a spool tolerates in its root.
    scratch = base / f".wf-probe-{ids.nonce()}.part"
    try:
        scratch.mkdir()
    except OSError as failure:
        yield error("folder", f"cannot write to {base}: {failure.strerror}", _ELSEWHERE)
        return
    try:
        checks = [check for name, look in _PROBES for check in _tried(name, look, scratch)]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    yield from checks
    yield _verdict(mounts.of(base), configured, checks)


def _tried(name: str, look: Callable[[Path], Iterator[Check]], scratch: Path) -> Iterator[Check]:
    try:
        yield from look(scratch)
    except _Unfit as failure:
        yield error(name, str(failure), _ELSEWHERE)
    except SpoolError as failure:  # synced folders, no hard links
        yield error(name, failure.message, with_command(failure.hint, _ELSEWHERE))
    except OSError as failure:
        remedy = with_command(failure.hint if isinstance(failure, FileTrouble) else None, _ELSEWHERE)
        yield error(name, f"{failure.strerror or failure} ({failure.filename})", remedy)


def _verdict(mount: Mount, configured: str, checks: list[Check]) -> Check:
    text, kind = str(mount), filesystems.kind(mount)
    if kind is Kind.UNFIT or any(check.status is Level.ERROR for check in checks):
        return error("topology", f"unsuitable: {text}", _ELSEWHERE)
    if kind is Kind.UNTOLD:
        return warn("topology", "untold: this system has no mount table to look at", "wf doctor --fs-probe, on Linux")
    if kind is Kind.LOCAL:
        if configured == "shared":
            return ok("topology", f"local: {text}; configured as shared, which is safe and slower to recover")
        return ok("topology", f"local: {text}")
    known = "" if kind is Kind.NETWORK else ", a type that wf does not know: the slowest timings hold"
    if configured == "local":
        return error(
            "topology",
            f"shared: {text}{known}; but spool.topology is local",
            SHARE,
        )
    seen = f"shared: {text}{known}; seen from this host alone"
    return warn("topology", seen, "wf doctor --fs-probe, on each other host") if known else ok("topology", seen)


# -- the probes


def _rename(scratch: Path) -> Iterator[Check]:
    """Two claimants rename the same files to names of their own: each file must have one winner."""
    folder = scratch / "rename"
    folder.mkdir()
    for number in range(_RACES):
        (folder / str(number)).touch()
    start = threading.Barrier(2)

    def claim(name: str) -> None:
        start.wait()
        for number in range(_RACES):
            # Who won is seen in the listing; what rename returns lies on network file systems.
            try:
                os.rename(folder / str(number), folder / f"{number}.{name}")
            except OSError as failure:
                lost.append(failure)

    lost: list[OSError] = []
    rivals = [threading.Thread(target=claim, args=(name,)) for name in "ab"]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    winners = Counter(name.split(".")[0] for name in fsio.names(folder) if "." in name)
    odd = sum(winners[str(number)] != 1 for number in range(_RACES))
    if odd:
        raise _Unfit(f"{odd} of {_RACES} renamed files have no winner, or two")
    yield ok("rename", f"{_RACES} files, two claimants, one winner each")


def _create(scratch: Path) -> Iterator[Check]:
    """Exclusive creation, by O_EXCL and by hard link."""
    path, other = scratch / "exclusive", scratch / "linked"
    fsio.write_new(path, b"x", durable=False)
    try:
        fsio.write_new(path, b"y", durable=False)
    except FileExistsError:
        yield ok("O_EXCL", "a second creation is refused")
    else:
        raise _Unfit("a file was created exclusively twice")
    os.link(path, other)
    try:
        os.link(path, other)
    except OSError as failure:
        if failure.errno not in (errno.EEXIST, errno.EPERM):  # sshfs says EPERM
            raise
    else:
        raise _Unfit("a hard link was made twice")
    yield ok("hard-links", "a second link is refused")


def _spool(scratch: Path) -> Iterator[Check]:
    """A real spool can be made (no sync service, hard links), and tells what changes in it."""
    fresh = filesystems.kind(mounts.of(scratch)) in (Kind.LOCAL, Kind.UNTOLD)
    spool = layout.create(scratch / "spool", topology="local" if fresh else "shared", durability="none")
    yield ok("synced-folder", "no marks of a sync service in it or above")
    arrived = threading.Event()
    watcher = Watcher(spool, lambda folder, name: arrived.set(), lambda line: None)
    try:
        if watcher.active:
            spool.path("queued", "probe").touch()
            arrived.wait(_EVENT_LIMIT)
    finally:
        watcher.close()
    if arrived.is_set():
        yield ok("watch-events", "arrive; changes by other hosts are found by polling")
    elif watcher.lack is not None:
        remedy = with_command(watcher.lack.remedy, "wf worker --watch --poll 1s")
        yield warn("watch-events", watcher.lack.what, remedy)
    else:
        remedy = "wf worker --watch --poll 1s, if jobs are to begin sooner; workers poll without it, too"
        yield warn("watch-events", "do not arrive", remedy)


def _flock(scratch: Path) -> Iterator[Check]:
    """A lock that one process holds is refused to another one."""
    path = scratch / "lock.slot"
    slot = locks.try_slot(path)
    if slot is None:
        raise _Unfit("flock refuses a lock that nobody has")
    try:
        asked = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _LOCKER, str(path)], check=False, capture_output=True
        )
    finally:
        slot.close()
    if asked.returncode == 0:
        raise _Unfit("two processes hold one lock")
    if asked.returncode != 7:
        raise _Unfit(f"a second process cannot tell whether a lock is taken: {asked.stderr.decode(errors='replace')}")
    if mounts.of(scratch).type == "fuse.sshfs":
        remedy = f"{_ELSEWHERE}, on NFS; or run all workers on one host"
        yield warn("flock", "excludes on this host only (sshfs)", remedy)
    else:
        yield ok("flock", "a second process is refused")


def _times(scratch: Path) -> Iterator[Check]:
    """Do times of modification come back as they were set, and is the clock behind them ours?"""
    path = scratch / "times"
    path.touch()
    skew = path.stat().st_mtime - time.time()
    wanted = 1_700_000_001_123_456_789
    os.utime(path, ns=(wanted, wanted))
    lost = abs(path.stat().st_mtime_ns - wanted)
    if lost >= 10**9:
        yield ok("mtime", f"kept to {lost / 10**9:.0f} s only, which does: leases carry a counter too")
    else:
        yield ok("mtime", f"comes back {'exactly' if not lost else f'to {lost} ns'}")
    if abs(skew) > _CLOCK_SKEW:
        yield warn(
            "clock",
            f"files are {skew:+.1f} s off our clock",
            f"{_SET_CLOCK}, on both hosts; no decision depends on it",
        )


def _sync(scratch: Path) -> Iterator[Check]:
    """Directories can be synced: without that a power cut may lose an acknowledged job."""
    descriptor = os.open(scratch, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as failure:
        if failure.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
        yield warn("fsync", "of a directory is not known here: the server decides", _SYNC_EXPORT)
    else:
        yield ok("fsync", "of a directory works")
    finally:
        os.close(descriptor)


_PROBES: tuple[tuple[str, Callable[[Path], Iterator[Check]]], ...] = (
    ("rename", _rename),
    ("create", _create),
    ("spool", _spool),
    ("flock", _flock),
    ("mtime", _times),
    ("fsync", _sync),
)
