"""Where a spool may be: the kind of file system decides, at its creation and whenever it is opened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.mounting import pretend
from support.projects import Cli
from support.spools import make_spool, request, spool_queue
from wf_cli.errors import Refused, SpoolError, SpoolMissing
from wf_cli.spool import change, layout, place, session, verify

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the mount table of Linux")

NETWORK = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "fuse.sshfs",
    "fuse.glusterfs",
    "ceph",
    "lustre",
    "9p",
    "fuse.newthing",
    "newnetfs",
]
UNFIT = ["fuse.rclone", "fuse.s3fs", "fuse.goofys", "fuse.gcsfuse", "davfs", "fuse.blobfuse2", "fuse.mountpoint-s3"]


def refusal(do: object, *args: object, **options: object) -> SpoolError:
    with pytest.raises(SpoolError) as caught:
        do(*args, **options)  # type: ignore[operator]
    return caught.value


@pytest.mark.parametrize("kind", NETWORK)
def test_a_local_spool_is_refused_on_a_network_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    old = make_spool(tmp_path / "old")
    pretend(monkeypatch, tmp_path, kind)
    refused = [refusal(layout.create, project / ".wf" / "spool"), refusal(layout.open_spool, old.root)]
    refused.append(refusal(layout.create, old.root))
    assert {error.code for error in refused} == {"LOCAL_ON_NETWORK"}
    assert all(kind in error.message and (error.hint or "").startswith(place.SHARE) for error in refused)
    assert list(project.iterdir()) == [], "nothing was made"
    assert layout.create(project / ".wf" / "spool", topology="shared", durability="none")
    assert layout.open_spool(project / ".wf" / "spool").version.topology == "shared"


@pytest.mark.parametrize("topology", ["local", "shared"])
@pytest.mark.parametrize("kind", UNFIT)
def test_a_mount_without_atomic_renames_is_refused_for_every_topology(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, topology: str
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    old = make_spool(tmp_path / "old", topology=topology)
    pretend(monkeypatch, tmp_path, kind)
    refused = [
        refusal(layout.create, project / ".wf" / "spool", topology=topology),
        refusal(layout.open_spool, old.root),
    ]
    assert {error.code for error in refused} == {"UNFIT_FILE_SYSTEM"}
    assert all("wf config set spool.dir" in (error.hint or "") for error in refused)
    assert list(project.iterdir()) == [], "nothing was made"


@pytest.mark.parametrize("kind", ["ext4", "overlay", "tmpfs", "fuseblk", "fuse.fuse-overlayfs"])
@pytest.mark.parametrize("topology", ["local", "shared"])
def test_both_topologies_work_on_a_local_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, topology: str
) -> None:
    pretend(monkeypatch, tmp_path, kind)
    spool = make_spool(tmp_path / ".wf" / "spool", topology=topology)
    assert layout.open_spool(spool.root).version == spool.version


def test_without_a_mount_table_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wf_cli.mounts.TABLE", tmp_path / "none")
    assert make_spool(tmp_path / "spool")


#: Makes a spool at each path given, in a mount namespace where `net` says it is NFS, and prints what came of it.
_CREATE = """
import os, sys
from pathlib import Path
from wf_cli import mounts
from wf_cli.errors import SpoolError
from wf_cli.spool import layout
net, *roots = [Path(word).absolute() for word in sys.argv[1:]]
device = "%d:%d" % (os.major(net.stat().st_dev), os.minor(net.stat().st_dev))
lines = Path("/proc/self/mountinfo").read_text().splitlines()
mounts.TABLE = net.parent / "table"
mounts.TABLE.write_text("".join(
    (f"{line.partition(' - ')[0]} - nfs4 srv:/x rw" if f" {device} " in line else line) + "\\n" for line in lines))
for root in roots:
    try:
        layout.create(root, durability="none")
        print("made")
    except SpoolError as error:
        print(error.code)
"""


def test_no_link_and_no_bind_mount_hides_the_network(tmp_path: Path) -> None:
    """Each way leads to one real mount. A path that only begins like the mount's leads elsewhere, and is fine."""
    script = f"""set -e; cd {tmp_path}
    mkdir -p net a b c d/.wf/spool network e
    mount -t tmpfs none net; mkdir -p net/spool net/dotwf net/project
    ln -s {tmp_path}/net/dotwf a/.wf            # .wf is a link
    mkdir b/.wf; ln -s ../../net/spool b/.wf/spool   # .wf/spool is one
    ln -s ../net/project c/up                   # the project is one
    mount --bind net/spool d/.wf/spool          # a bind mount
    exec {sys.executable} -c "$0" net a/.wf/spool b/.wf/spool c/up/.wf/spool d/.wf/spool network/spool e/.wf/spool"""
    ran = subprocess.run(
        ["unshare", "--map-root-user", "--user", "--mount", "sh", "-c", script, _CREATE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unshare" in ran.stderr or "permission denied" in ran.stderr.lower():
        pytest.skip(f"no mount namespaces here: {ran.stderr.strip()}")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["LOCAL_ON_NETWORK"] * 4 + ["made"] * 2


# -- the line that repairs it


def test_the_line_of_the_refusal_repairs_a_spool_that_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has a home on NFS and one machine had a local spool with jobs in it: they stay, and go on."""
    (tmp_path / ".wf").mkdir()
    spool = make_spool(tmp_path / ".wf" / "spool")
    spool_queue(spool).enqueue(request("a"))
    pretend(monkeypatch, tmp_path, "nfs4")
    wf = Cli(tmp_path, monkeypatch, capsys)
    code, _, err = wf("spool", "ls")
    assert code == 1
    assert "has the topology local and lies on a network file system (nfs4 at " in err
    assert place.SHARE in err
    document = wf.json(*place.SHARE.split()[1:])
    assert document["value"] == "shared"
    assert [job["job_id"] for job in wf.json("spool", "ls")["jobs"]] == ["a"]
    opened = layout.open_spool(spool.root)
    assert (opened.version.id, opened.version.topology) == (spool.version.id, "shared")
    assert wf.json(*place.SHARE.split()[1:])["value"] == "shared", "twice is once"
    with pytest.raises(SpoolMissing):
        spool.assert_same()  # A process that has it open as local ends.


def test_the_line_also_repairs_a_project_without_a_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".wf").mkdir()
    pretend(monkeypatch, tmp_path, "nfs4")
    wf = Cli(tmp_path, monkeypatch, capsys)
    words = ("enqueue", "--role", "plan-coder", "--key", "a", "--runtime", "opencode")
    monkeypatch.setenv("WF_DISTRIBUTED", "1")
    code, _, err = wf(*words)
    assert (code, place.SHARE in err) == (1, True)
    assert not (tmp_path / ".wf" / "spool").exists()
    wf.json(*place.SHARE.split()[1:])
    assert wf(*words)[0] == 0


def test_files_of_a_spool_that_is_shared_later_get_the_rights_of_one(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        spool = make_spool(tmp_path / "spool")
        spool_queue(spool).enqueue(request("a"))
        assert change.make_shared(spool.root)
        fresh = make_spool(tmp_path / "fresh", topology="shared")
        spool_queue(fresh).enqueue(request("a"))
    finally:
        os.umask(old)

    def modes(root: Path) -> dict[str, int]:
        return {str(p.relative_to(root)): p.lstat().st_mode & 0o7770 for p in root.rglob("*") if ".a." not in p.name}

    mine, theirs = modes(spool.root), modes(fresh.root)
    mine.pop("locks/topology.lock")
    assert mine == theirs
    assert verify.verify(layout.open_spool(spool.root), FakeClock()) == []


def test_a_spool_with_a_living_session_stays_local_and_says_whose(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    file = session.SessionFile(spool, session.this_process("w-box-1", "opencode", 30.0, 0))
    with pytest.raises(Refused, match="w-box-1") as caught:
        change.make_shared(spool.root)
    assert str(os.getpid()) in caught.value.message
    assert layout.open_spool(spool.root).version == spool.version
    file.set_state("stopped")
    assert change.make_shared(spool.root)


def test_a_session_that_is_proven_dead_keeps_no_spool_local(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    gone = subprocess.Popen(["true"])
    gone.wait()
    file = session.SessionFile(spool, session.this_process("w-box-1", "opencode", 30.0, 0))
    path = spool.path("sessions", f"{file.record.owner}.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": gone.pid}))
    assert change.make_shared(spool.root)
