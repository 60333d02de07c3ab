"""Locks: "taken" is said only of a lock that somebody has; everything else is an error with its remedy."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from support.round_trips import counted
from support.spools import make_spool
from wf_cli import locks
from wf_cli.errors import LockTrouble, Temporary


def take_slot(path: Path) -> bool:
    slot = locks.try_slot(path)
    if slot is None:
        return False
    slot.close()
    return True


def take_lock(path: Path) -> bool:
    try:
        with locks.hold(path, timeout=0.1):
            return True
    except Temporary:
        return False


TAKERS = [take_slot, take_lock]


def flock_says(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_fd: int, _operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.parametrize("take", TAKERS)
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def test_a_file_system_without_locks_is_said_and_never_read_as_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, take: Callable[[Path], bool], code: int
) -> None:
    flock_says(code, monkeypatch)
    path = tmp_path / "checkout.0.slot"
    with pytest.raises(LockTrouble) as caught:
        take(path)
    assert (caught.value.errno, caught.value.filename) == (code, str(path))
    assert "gives no locks" in str(caught.value)
    assert "mount it with locks" in caught.value.hint


@pytest.mark.parametrize("take", TAKERS)
@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EINVAL], ids=errno.errorcode.get)
def test_a_disk_in_trouble_is_not_read_as_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, take: Callable[[Path], bool], code: int
) -> None:
    flock_says(code, monkeypatch)
    with pytest.raises(LockTrouble, match=os.strerror(code)):
        take(tmp_path / "x.lock")


@pytest.mark.parametrize("take", TAKERS)
@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EACCES], ids=errno.errorcode.get)
def test_what_a_holder_causes_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, take: Callable[[Path], bool], code: int
) -> None:
    flock_says(code, monkeypatch)
    assert take(tmp_path / "x.lock") is False


@pytest.mark.parametrize("take", TAKERS)
@pytest.mark.parametrize(("folder", "wanted"), [(0o2770, 0o660), (0o775, 0o664), (0o755, 0o644), (0o700, 0o600)])
def test_a_lock_can_be_taken_by_whoever_may_write_its_folder(
    tmp_path: Path, take: Callable[[Path], bool], folder: int, wanted: int
) -> None:
    home = tmp_path / "locks"
    home.mkdir()
    home.chmod(folder)
    old = os.umask(0o077)
    try:
        assert take(home / "x.lock")
    finally:
        os.umask(old)
    assert [path.name for path in home.iterdir()] == ["x.lock"]
    assert stat.S_IMODE((home / "x.lock").stat().st_mode) == wanted


@pytest.mark.parametrize("take", TAKERS)
def test_a_lock_that_was_made_too_narrow_is_mended_by_its_owner(tmp_path: Path, take: Callable[[Path], bool]) -> None:
    tmp_path.chmod(0o2770)
    path = tmp_path / "x.lock"
    path.touch()
    path.chmod(0o600)
    assert take(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_a_folder_of_locks_that_was_made_too_narrow_is_mended_by_its_owner(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    folder = tmp_path / ".wf" / "locks"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    with locks.hold_in_project(tmp_path, "numbering"):
        pass
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2775
    assert stat.S_IMODE((folder / "numbering.lock").stat().st_mode) == 0o664


def device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("SKIPPED, LOUDLY: a device needs root")


@pytest.mark.parametrize("take", TAKERS)
@pytest.mark.parametrize(
    "make", [os.mkfifo, Path.mkdir, device, lambda path: path.symlink_to("/etc/passwd"), lambda p: p.symlink_to(p)]
)
def test_a_hostile_file_under_the_name_of_a_lock_is_said_and_does_not_block(
    tmp_path: Path, take: Callable[[Path], bool], make: Callable[[Path], object]
) -> None:
    path = tmp_path / "x.lock"
    make(path)
    with pytest.raises(LockTrouble, match="not a regular file"):
        take(path)
    assert not stat.S_ISREG(path.lstat().st_mode)


def test_a_folder_of_locks_follows_the_project(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    old = os.umask(0o077)
    try:
        with locks.hold_in_project(tmp_path, "numbering"):
            pass
    finally:
        os.umask(old)
    for folder in (".wf", ".wf/locks"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o2775
    assert sorted(path.name for path in (tmp_path / ".wf" / "locks").iterdir()) == [".gitignore", "numbering.lock"]


@pytest.mark.parametrize("take", TAKERS)
def test_a_lock_whose_file_was_removed_while_it_was_taken_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, take: Callable[[Path], bool]
) -> None:
    """Else two processes would hold locks of two files that had one name."""
    path, real, locked = tmp_path / "x.lock", fcntl.flock, []

    def flock(fd: int, operation: int) -> None:
        if operation != fcntl.LOCK_UN and not locked:
            path.unlink()
        real(fd, operation)
        locked.append(os.fstat(fd).st_nlink)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert take(path)
    assert locked[:2] == [0, 1]


def test_a_lock_that_exists_is_taken_and_let_go_by_few_calls(tmp_path: Path) -> None:
    """Each is a round trip on a network file system, and every attempt has two fences."""
    spool = make_spool(tmp_path / "spool", topology="shared")
    with spool.fence("j1"):
        pass
    with counted(spool.root) as trips, spool.fence("j1"):
        pass
    assert trips.calls == [f"{call} locks/j1.lock" for call in ("open", "flock", "flock")]


def test_a_lock_that_a_forked_process_has_open_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    assert take_slot(path), "it has its own name from now on"
    with locks.hold(path):
        inherited = [os.dup(int(fd)) for fd in os.listdir("/proc/self/fd") if leads_to(fd, path)]
    assert inherited
    assert take_slot(path)
    for fd in inherited:
        os.close(fd)


def leads_to(fd: str, path: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == str(path)
    except OSError:
        return False
