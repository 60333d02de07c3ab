"""Which mount a path lies in, and what each type of file system is to a spool."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.mounting import pretend
from wf_cli import filesystems, mounts
from wf_cli.filesystems import Kind
from wf_cli.mounts import UNTOLD, Mount

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the mount table of Linux")

TABLE = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
30 27 0:40 / /home rw,nosuid shared:5 master:2 propagate_from:1 - nfs4 srv:/export rw,vers=4.2,acregmax=3,acdirmax=9
31 27 0:41 / /mnt/a\\040b\\011c\\134d rw shared:7 - fuse.sshfs me@host:/x\\040y rw,user_id=0
32 27 254:0 /srv/data /mnt/bound rw - ext4 /dev/vda rw
33 27 0:42 / /mnt/twice rw - tmpfs tmpfs rw
34 33 0:43 / /mnt/twice rw - cifs //srv/share rw,actimeo=1,closetimeo=5
35 27 0:44 / /mnt/dash-dir rw - xfs /dev/sd-b rw
torn line
36 27 0:45 / /mnt/cut rw -
"""


def test_every_field_of_the_table_is_read() -> None:
    table = {mount.id: mount for mount in mounts.parse(TABLE)}
    assert sorted(table) == [22, 27, 30, 31, 32, 33, 34, 35], "torn lines are left out"
    assert table[30] == Mount(
        "/home", "nfs4", "srv:/export", ("rw", "nosuid", "rw", "vers=4.2", "acregmax=3", "acdirmax=9"), 30
    )
    assert (table[31].point, table[31].source) == ("/mnt/a b\tc\\d", "me@host:/x y")
    assert table[30].option("acregmax") == "3"
    assert table[30].option("nosuid") == ""
    assert table[30].option("noac") is None


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"), ("/home", "nfs4"), ("/home/me/x", "nfs4"), ("/homes", "ext4"),
        ("/mnt/a b\tc\\d/e", "fuse.sshfs"),
        ("/mnt/bound/z", "ext4"), ("/mnt/twice/z", "cifs"), ("/mnt/dash-dir", "xfs"),
    ],
)  # fmt: skip
def test_the_longest_point_counts_and_the_last_mount_on_it(path: str, kind: str) -> None:
    assert mounts.nearest(list(mounts.parse(TABLE)), path).type == kind


def test_no_table_tells_nothing() -> None:
    assert mounts.nearest([], "/x") == Mount("/", UNTOLD)
    assert filesystems.kind(Mount("/", UNTOLD)) is Kind.UNTOLD


@linux
def test_a_path_that_does_not_exist_counts_as_its_nearest_parent(tmp_path: Path) -> None:
    here = mounts.of(tmp_path)
    assert here.type != UNTOLD
    assert mounts.of(tmp_path / "no" / "such" / "folder") == here
    (tmp_path / "file").write_text("")
    assert mounts.of(tmp_path / "file") == here


@linux
def test_a_missing_table_is_untold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "none")
    assert mounts.of(tmp_path).type == UNTOLD


#: Prints the types that are seen at paths, in a mount namespace of its own.
_LOOK = "import sys; from pathlib import Path; from wf_cli import mounts\n" + (
    "for p in sys.argv[1:]: print(mounts.of(Path(p)).type)"
)


@linux
def test_mounts_on_mounts_and_bind_mounts_and_links_are_seen_through(tmp_path: Path) -> None:
    """Real mounts. By the paths alone three of these answers would be wrong."""
    script = f"""set -e; cd {tmp_path}
    mkdir -p over/deep bound plain; ln -s over/deep link
    mount -t tmpfs none over/deep       # hidden by the next one
    mount -t ramfs none over; mkdir over/deep
    mount --bind over/deep bound
    exec {sys.executable} -c '{_LOOK}' over/deep over/deep/new link bound/x plain"""
    ran = subprocess.run(
        ["unshare", "--map-root-user", "--user", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in ran.stderr or "permission denied" in ran.stderr.lower():
        pytest.skip(f"no mount namespaces here: {ran.stderr.strip()}")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["ramfs", "ramfs", "ramfs", "ramfs", mounts.of(tmp_path).type]


# -- the table of types


@pytest.mark.parametrize(
    ("mount", "kind"),
    [
        (Mount("/", "ext4", "/dev/sda1"), Kind.LOCAL),
        (Mount("/", "overlay", "overlay"), Kind.LOCAL),
        (Mount("/", "zfs", "pool/data"), Kind.LOCAL),
        (Mount("/x", "somefs", "/dev/sdb"), Kind.LOCAL),
        (Mount("/x", "nfs", "srv:/x"), Kind.NETWORK),
        (Mount("/x", "nfs4", "srv:/x"), Kind.NETWORK),
        (Mount("/x", "smb3", "//srv/x"), Kind.NETWORK),
        (Mount("/x", "smbfs", "//me@srv/x"), Kind.NETWORK),
        (Mount("/x", "fuse.glusterfs", "srv:vol"), Kind.NETWORK),
        (Mount("/x", "fuse", "sshfs#me@srv:"), Kind.NETWORK),
        (Mount("/x", "9p", "C:\\"), Kind.NETWORK),
        (Mount("/", "9p", "none", ("rw", "trans=fd", "disable_fifo_open", "directfs")), Kind.LOCAL),
        (Mount("/x", "virtiofs", "tag"), Kind.NETWORK),
        (Mount("/x", "fuse.rclone", "remote:"), Kind.UNFIT),
        (Mount("/x", "fuse.s3fs", "s3fs"), Kind.UNFIT),
        (Mount("/x", "fuse", "mountpoint-s3"), Kind.UNFIT),
        (Mount("/x", "fuse", "https://dav.example/x"), Kind.UNFIT),
        (Mount("/x", "webdav", "http://dav.example/x"), Kind.UNFIT),
        (Mount("/x", "fuse.newthing", "/dev/fuse"), Kind.UNKNOWN),
        (Mount("/x", "fuse", "what"), Kind.UNKNOWN),
        (Mount("/x", "macfuse", "me@srv:/x"), Kind.UNKNOWN),
        (Mount("/x", "newnetfs", "srv:/x"), Kind.UNKNOWN),
    ],
    ids=lambda value: f"{value.type}-{value.source}" if isinstance(value, Mount) else "",
)
def test_what_a_mount_is(mount: Mount, kind: Kind) -> None:
    assert filesystems.kind(mount) is kind


@pytest.mark.parametrize(
    ("type_", "options", "seconds"),
    [
        ("ext4", "rw", 0),
        ("tmpfs", "rw,acregmax=60", 0),
        (UNTOLD, "", 0),
        ("nfs4", "rw,vers=4.2,hard", 180),
        ("nfs", "rw,acregmin=1,acregmax=20,acdirmin=1,acdirmax=30", 90),
        ("nfs4", "rw,acregmax=20", 180),  # acdirmax is 60 as ever
        ("nfs4", "rw,acregmax=600,acdirmax=600", 1800),
        ("nfs4", "rw,noac,acregmin=0,acregmax=0,acdirmin=0,acdirmax=0", 30),
        ("nfs4", "rw,actimeo=15", 45),
        ("cifs", "rw,actimeo=1,closetimeo=1", 99),
        ("cifs", "rw,acregmax=90,acdirmax=30,closetimeo=5", 270),
        ("cifs", "rw,actimeo=1,closetimeo=60", 180),
        ("fuse.sshfs", "rw", 60),
        ("fuse.glusterfs", "rw", 30),
        ("ceph", "rw", 30),
        ("beegfs", "rw", 180),
        ("fuse.newthing", "rw", 180),
        ("nfs4", "rw,acregmax=oops", 180),
    ],
)
def test_the_shortest_lease_follows_from_how_old_a_look_can_be(type_: str, options: str, seconds: float) -> None:
    assert filesystems.shortest_lease_s(Mount("/x", type_, "srv:/x", tuple(options.split(",")))) == seconds


def test_every_row_has_a_source() -> None:
    assert [name for name, row in filesystems.TYPES.items() if len(row.source) < 10] == []
    assert all(name == name.lower() for name in filesystems.TYPES), "the types of mounts are in small letters"


@linux
def test_a_table_that_a_test_pretends_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, tmp_path, "nfs4", options="rw,acregmax=5")
    found = mounts.of(tmp_path / "x")
    assert (found.type, found.option("acregmax"), found.source) == ("nfs4", "5", "server:/data")
    assert os.path.isdir(found.point)
