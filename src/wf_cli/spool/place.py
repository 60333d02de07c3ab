"""May a spool be where it is? Looked at before a spool is made and whenever one is opened.

The file system is judged by the mount that the kernel names for the folder, so no symbolic link and no bind mount
hides it (`wf_cli.mounts`).
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from wf_cli import filesystems, fsio, ids, mounts
from wf_cli.errors import SpoolError
from wf_cli.filesystems import Kind
from wf_cli.mounts import Mount
from wf_cli.spool import synced

#: The line that repairs a local spool on a network mount, for a spool to come as for one that exists.
SHARE = "wf config set spool.topology shared"
#: The line that puts a spool somewhere else.
ELSEWHERE = "wf config set spool.dir FOLDER, with a folder on a local disk or a network file system"

#: A session claims no job while less than this is free, because an outcome and its transcript need room.
MIN_FREE_BYTES = 8 * 1024 * 1024


def assert_fit(root: Path, topology: str) -> None:
    """Raises SpoolError, with the line that repairs it, when the place of ``root`` cannot carry such a spool.

    Codes: SYNCED_FOLDER, UNFIT_FILE_SYSTEM, LOCAL_ON_NETWORK. Where there is no mount table (Windows, a chroot
    without /proc) only synced folders are refused.
    """
    assert_not_synced(root)
    mount = mounts.of(root)
    row = filesystems.row(mount)
    if row.kind is Kind.UNFIT:
        raise SpoolError(
            f"{root} lies on {mount}, which cannot carry a spool: {row.source}",
            hint=ELSEWHERE,
            code="UNFIT_FILE_SYSTEM",
        )
    if topology == "local" and row.kind in (Kind.NETWORK, Kind.UNKNOWN):
        raise SpoolError(
            f"{root} has the topology local and lies on {described(mount)}: local trusts every look at the folder, "
            "and looks through a network can be old",
            hint=f"{SHARE} (also where one machine alone uses it; a spool that exists is changed, too), or put it "
            "on a local disk: wf config set spool.dir FOLDER",
            code="LOCAL_ON_NETWORK",
        )


def assert_not_synced(root: Path) -> None:
    """Raises SpoolError SYNCED_FOLDER when ``root`` lies in a folder that a sync service replicates.

    A session asks again while it works, because a service can begin with a folder at any time.
    """
    sign = synced.sign_above(root)
    if sign is not None:
        raise SpoolError(
            f"{root} lies in a synced folder ({sign.service} in {sign.folder}, because of {sign.what}): every rename "
            "there succeeds on both sides, so a job would run twice",
            hint="wf config set spool.dir FOLDER, with one that is not synced; a spool that exists can be moved "
            "there, with its workers stopped",
            code="SYNCED_FOLDER",
        )


def assert_links(root: Path) -> None:
    """Raises SpoolError NO_HARD_LINKS when the file system that ``root`` is to be made in has none. Leaves nothing.

    Two files are made and removed again in the nearest folder that exists. Raises OSError when that folder cannot be
    written.
    """
    base = next(path for path in (root, *root.parents) if fsio.is_folder(path))
    part = base / f".wf-probe-{ids.nonce()}.part"
    second = part.with_suffix(".link.part")
    with fsio.discarding(part), fsio.discarding(second):
        fsio.write_new(part, b"", durable=False)
        try:
            os.link(part, second)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                raise
            raise SpoolError(
                f"the file system of {root} has no hard links ({error.strerror}), which the spool needs",
                hint=f"FAT and exFAT have none; put the spool elsewhere: {ELSEWHERE}",
                code="NO_HARD_LINKS",
            ) from error


def described(mount: Mount) -> str:
    """``mount`` in words: ``a network file system (nfs4 at /home)``."""
    match filesystems.kind(mount):
        case Kind.LOCAL:
            return f"a local file system ({mount})"
        case Kind.NETWORK:
            return f"a network file system ({mount})"
        case Kind.UNFIT:
            return f"a file system without atomic renames ({mount})"
        case Kind.UNKNOWN:
            return f"a file system that wf does not know ({mount}), which counts as a slow network"
        case Kind.UNTOLD:
            return "a file system that cannot be told here"
