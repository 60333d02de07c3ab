"""What each type of file system is to a spool. One table says it, with the source of each row.

The measurements of this project are in docs/explanation/file-systems.md ("measured" below). Rows whose source is
`KNOWLEDGE` were not looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from wf_cli.frozen import frozen
from wf_cli.mounts import UNTOLD, Mount


class Kind(StrEnum):
    """What a spool may expect of a mount."""

    #: One host uses it, and every look is fresh.
    LOCAL = "local"
    #: Several hosts may use it. Renames have one winner, and looks may be old.
    NETWORK = "network"
    #: It has no atomic rename or no hard link, although the calls may succeed.
    UNFIT = "unfit"
    #: A type that this table does not have. It counts as `NETWORK` with the slowest timings.
    UNKNOWN = "unknown"
    #: There is no mount table to look at. Nothing is concluded.
    UNTOLD = "untold"


#: Seconds that a look may be old where nothing better is known (nfs(5): acregmax and acdirmax are 60 by default).
SLOWEST_S = 60.0
#: Seconds that any look through a network may be old: the client or the server may be busy, whatever its caches.
FASTEST_S = 10.0
#: A shared lease lasts this many times as long as a look may be old. An owner beats every sixth of its lease. So
#: beats may be late by all that the caches delay them, twice over, and an observer has still seen a change.
LEASE_LOOKS = 3

KNOWLEDGE = "general knowledge"


def _slowest(_mount: Mount) -> float:
    return SLOWEST_S


def _attributes(mount: Mount, *, usual: float) -> float:
    """The longest time that attributes are cached, by options that NFS and SMB have in common."""
    if mount.option("noac") is not None:
        return 0.0
    times = [_seconds(mount.option(name)) for name in ("actimeo", "acregmax", "acdirmax")]
    every, *each = times
    return max(usual if one is None else one for one in each) if every is None else every


def _nfs(mount: Mount) -> float:
    return _attributes(mount, usual=60.0)


def _smb(mount: Mount) -> float:
    # A file that is opened again and again stays open behind the scenes and shows its old content (deferred close):
    # measured were 27 to 33 s, although closetimeo was 1.
    return max(_attributes(mount, usual=1.0), _seconds(mount.option("closetimeo")) or 0.0, 33.0)


def _sshfs(_mount: Mount) -> float:
    return 20.0  # dcache_timeout; the mount table does not show what the program was given.


def _gluster(_mount: Mount) -> float:
    return 2.0  # one second in the kernel and one in the client, measured 0.9


def _ceph(_mount: Mount) -> float:
    return 0.0  # the server calls caches back before a change


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


@frozen
class Row:
    """What a type is, how old a look at it may be, and who says so."""

    kind: Kind
    source: str
    stale: Callable[[Mount], float] = _slowest


_OBJECTS = "an object store has no rename: it copies and deletes"
_DISK = Row(Kind.LOCAL, "filesystems(5); rename, link and sync measured on ext4, xfs, btrfs, tmpfs, overlay")
_HOST = Row(Kind.NETWORK, "a folder of the host of a virtual machine, " + KNOWLEDGE)
_CLUSTER = Row(Kind.NETWORK, KNOWLEDGE)
_NFS = Row(Kind.NETWORK, "nfs(5), measured with NFS 3 and 4.2", _nfs)
_SMB = Row(Kind.NETWORK, "mount.cifs(8), measured with SMB 3", _smb)
_GLUSTER = Row(Kind.NETWORK, "measured with GlusterFS 10", _gluster)
_CEPH = Row(Kind.NETWORK, "docs.ceph.com/en/latest/cephfs/posix, not measured", _ceph)

#: Type in the mount table -> what it is.
TYPES: dict[str, Row] = {
    **dict.fromkeys(
        (
            "apfs aufs bcachefs btrfs ecryptfs ext2 ext3 ext4 f2fs fuse.fuse-overlayfs fuseblk hfs hfsplus jfs "
            "nilfs2 ntfs ntfs3 overlay ramfs reiserfs rootfs tmpfs ufs xfs zfs"
        ).split(),
        _DISK,
    ),
    # Local, and without hard links: refused by the try at a spool's creation, with its own message.
    **dict.fromkeys(("vfat", "msdos", "exfat"), Row(Kind.LOCAL, "measured: link says EPERM")),
    **dict.fromkeys(("nfs", "nfs4"), _NFS),
    **dict.fromkeys(("cifs", "smb3", "smbfs", "smb2", "fuse.smbnetfs"), _SMB),
    "fuse.sshfs": Row(Kind.NETWORK, "sshfs --help: dcache_timeout, default 20; measured with sshfs 3.7", _sshfs),
    **dict.fromkeys(("fuse.glusterfs", "glusterfs"), _GLUSTER),
    **dict.fromkeys(("ceph", "fuse.ceph", "fuse.ceph-fuse"), _CEPH),
    **dict.fromkeys(
        (
            "afpfs afs beegfs beegfs_nodev coda fuse.beegfs fuse.juicefs fuse.mfs fuse.moosefs fuse.quobyte gfs gfs2 "
            "gpfs lustre ocfs2 orangefs panfs pvfs2 wekafs"
        ).split(),
        _CLUSTER,
    ),
    **dict.fromkeys(
        "9p fakeowner fuse.grpcfuse fuse.osxfs fuse.vmhgfs-fuse prl_fs vboxsf virtiofs vmhgfs".split(), _HOST
    ),
    "fuse.rclone": Row(Kind.UNFIT, f"{_OBJECTS} (github.com/rclone/rclone/issues/1965)"),
    "fuse.s3fs": Row(Kind.UNFIT, "README of s3fs-fuse, limitations: no atomic renames, no hard links"),
    "fuse.gcsfuse": Row(Kind.UNFIT, f"{_OBJECTS} (cloud.google.com/storage/docs/gcs-fuse, limitations)"),
    **dict.fromkeys(
        ("fuse.blobfuse", "fuse.blobfuse2"),
        Row(Kind.UNFIT, "learn.microsoft.com, blobfuse2-compare-linux-file-system: non-atomic renames"),
    ),
    **dict.fromkeys(
        ("fuse.mountpoint-s3", "mountpoint-s3"), Row(Kind.UNFIT, "doc/SEMANTICS.md of mountpoint-s3: no rename")
    ),
    **dict.fromkeys(
        "fuse.cosfs fuse.geesefs fuse.goofys fuse.obsfs fuse.ossfs fuse.ossfs2 fuse.tigrisfs fuse.yas3fs".split(),
        Row(Kind.UNFIT, f"{_OBJECTS}, {KNOWLEDGE}"),
    ),
    **dict.fromkeys(
        ("davfs", "fuse.davfs", "fuse.davfs2", "webdav"), Row(Kind.UNFIT, f"WebDAV has no links, {KNOWLEDGE}")
    ),
    **dict.fromkeys(
        (
            "fuse.curlftpfs fuse.fuse_dfs fuse.google-drive-ocamlfuse fuse.gvfsd-fuse fuse.jmtpfs fuse.kio-fuse "
            "fuse.onedriver fuse.pcloud.fs fuse.simple-mtpfs"
        ).split(),
        Row(Kind.UNFIT, f"a view of a service without links, {KNOWLEDGE}"),
    ),
}

#: How the source of a mount of the bare type ``fuse`` begins, where the program does not name a subtype.
_SOURCES = {
    "mfs#": "fuse.mfs", "sshfs#": "fuse.sshfs", "curlftpfs#": "fuse.curlftpfs", "mountpoint-s3": "fuse.mountpoint-s3",
    "s3fs": "fuse.s3fs", "goofys": "fuse.goofys", "rclone": "fuse.rclone", "http://": "davfs", "https://": "davfs",
}  # fmt: skip

_BY_BLOCK_DEVICE = Row(Kind.LOCAL, "a type that wf does not know, on a block device")
_UNKNOWN = Row(Kind.UNKNOWN, "a type that wf does not know")
_UNTOLD = Row(Kind.UNTOLD, "no mount table")


#: Options by which the 9p of gVisor is told from that of other virtual machines.
_OF_GVISOR = ("directfs", "disable_fifo_open", "overlayfs_stale_read")
_SANDBOX = Row(Kind.LOCAL, f"the root of a gVisor sandbox, which asks its host at each look, {KNOWLEDGE}")


def row(mount: Mount) -> Row:
    """What the table says of ``mount``. A type that is not in it is local when its source is a block device."""
    if mount.type == UNTOLD:
        return _UNTOLD
    if mount.type == "9p" and any(mount.option(name) is not None for name in _OF_GVISOR):
        return _SANDBOX
    known = TYPES.get(mount.type)
    if known is None and mount.type in ("fuse", "macfuse", "osxfuse"):
        name = next((name for start, name in _SOURCES.items() if mount.source.lower().startswith(start)), "")
        known = TYPES.get(name)
    if known is not None:
        return known
    on_a_disk = mount.source.startswith("/dev/") and not mount.type.startswith("fuse")
    return _BY_BLOCK_DEVICE if on_a_disk else _UNKNOWN


def kind(mount: Mount) -> Kind:
    """What ``mount`` is to a spool."""
    return row(mount).kind


def stale_s(mount: Mount) -> float:
    """Seconds that a look at ``mount`` may be old; 0 for what one host sees freshly, and for `Kind.UNTOLD`."""
    found = row(mount)
    if found.kind in (Kind.LOCAL, Kind.UNTOLD):
        return 0.0
    return max(found.stale(mount), FASTEST_S)


def shortest_lease_s(mount: Mount) -> float:
    """Seconds that a lease on ``mount`` has to last; 0 where it need not be longer than elsewhere.

    `LEASE_LOOKS` times `stale_s`: 180 s on NFS with default options, 60 s on sshfs, 30 s on GlusterFS.
    """
    return LEASE_LOOKS * stale_s(mount)
