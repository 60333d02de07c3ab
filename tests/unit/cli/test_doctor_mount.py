"""`wf doctor` on the mount under the spool, and on the directory cache of sshfs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.mounting import pretend
from support.wait import wait_until
from wf_cli import mounts
from wf_cli.doctor import mount
from wf_cli.doctor.check import Check, Level

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the mount table of Linux")


def look(root: Path) -> dict[str, Check]:
    return {check.name: check for check in mount.look(root)}


def test_a_local_file_system_is_named(tmp_path: Path) -> None:
    found = look(tmp_path / ".wf" / "spool")
    assert set(found) == {"mount"}
    assert found["mount"].status is Level.OK
    assert found["mount"].detail.startswith("a local file system (")


@pytest.mark.parametrize(
    ("kind", "options", "level", "said"),
    [
        ("nfs4", "rw", Level.OK, "looks may be 60 s old"),
        ("nfs4", "rw,acregmax=15,acdirmax=15", Level.OK, "looks may be 15 s old"),
        ("fuse.newthing", "rw", Level.WARN, "does not know (fuse.newthing at "),
    ],
)
def test_a_network_mount_is_named_with_what_its_caches_delay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: str, level: Level, said: str
) -> None:
    pretend(monkeypatch, tmp_path, kind, options=options)
    found = look(tmp_path)["mount"]
    assert (found.status, said in found.detail) == (level, True), found.detail


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("nfs4", "rw,hard,local_lock=none", []),
        ("nfs4", "rw,soft", ["soft"]),
        ("nfs", "rw,hard,nolock,local_lock=all", ["nolock"]),
        ("nfs", "rw,soft,local_lock=flock", ["soft", "local_lock=flock"]),
        ("cifs", "rw,soft,nobrl", ["nobrl"]),  # every SMB mount is soft
        ("ext4", "rw", []),
    ],
)
def test_options_by_which_calls_or_locks_say_what_is_not_so_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: str, said: list[str]
) -> None:
    pretend(monkeypatch, tmp_path, kind, options=options)
    found = [check for check in mount.look(tmp_path) if check.name == "mount-options"]
    assert [check.detail.partition(":")[0] for check in found] == said
    assert all(check.status is Level.WARN and check.remedy for check in found)


def test_the_rename_workaround_of_sshfs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, tmp_path, "fuse.sshfs")
    point = mounts.of(tmp_path).point
    with running_sshfs(tmp_path, "me@srv:/data", point, "-o", "dir_cache=no,workaround=truncate:rename"):
        wait_until(lambda: mount._options(point, "me@srv:/data") is not None)
        found = look(tmp_path)
    assert "workaround=rename" in found["mount-options"].detail
    assert found["dir-cache"].status is Level.OK


def test_no_mount_table_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "none")
    assert "not told" in look(tmp_path)["mount"].detail


@contextmanager
def running_sshfs(folder: Path, *words: str) -> Iterator[None]:
    """A process of that name with these words, which only waits."""
    program = folder / "sshfs"
    program.write_text("#!/bin/sh\nread _\n")
    program.chmod(0o755)
    with subprocess.Popen([str(program), *words], stdin=subprocess.PIPE) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("options", "level", "said"),
    [
        ([], Level.WARN, "for 20 s"),
        (["-o", "reconnect,dir_cache=no"], Level.OK, "off"),
        (["-o", "reconnect", "-odir_cache=no"], Level.OK, "off"),
        (["-o", "cache=no"], Level.OK, "off"),
        (["-o", "dir_cache=yes,dcache_timeout=5"], Level.WARN, "for 5 s"),
        (["-o", "dcache_timeout=5,dcache_dir_timeout=7"], Level.WARN, "for 7 s"),
        (["-o", "dcache_timeout=soon"], Level.WARN, "for 20 s"),
    ],
)
def test_the_directory_cache_of_sshfs_is_told_by_the_words_of_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], level: Level, said: str
) -> None:
    pretend(monkeypatch, tmp_path, "fuse.sshfs", source="me@srv:/data")
    point = mounts.of(tmp_path).point
    with running_sshfs(tmp_path, "me@srv:/data", point, *options):
        wait_until(lambda: mount._options(point, "me@srv:/data") is not None)
        found = look(tmp_path)["dir-cache"]
    assert (found.status, said in found.detail) == (level, True), found.detail
    if level is Level.WARN:
        assert f"sshfs -o dir_cache=no me@srv:/data {point}" in (found.remedy or "")


def test_a_mount_point_that_was_given_from_another_folder_is_found(tmp_path: Path) -> None:
    """sshfs goes to the root folder in the background, so nothing tells what its relative words were relative to."""
    source, point = f"me@srv:{tmp_path}", tmp_path / "where" / "mnt"
    point.mkdir(parents=True)
    (tmp_path / "link").symlink_to(point.parent)

    def told(at: Path = point, of: str = source) -> list[str] | None:
        return mount._options(str(at), of)

    for word in ("mnt", "../mnt/", "./where/mnt", str(tmp_path / "link" / "mnt")):
        with running_sshfs(tmp_path, source, word, "-o", "dir_cache=no"):
            wait_until(lambda: told() == ["dir_cache=no"], what=word)
            assert told(of="me@srv:/other") is None
            assert told(at=point.parent / "other") is None
            with running_sshfs(tmp_path, source, "mnt"):
                wait_until(lambda: told() is None, what="no choice between two that may be meant")


def test_without_a_process_to_ask_the_cache_may_be_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, tmp_path, "fuse.sshfs")
    found = look(tmp_path)["dir-cache"]
    assert found.status is Level.WARN
    assert "cannot be told" in found.detail
