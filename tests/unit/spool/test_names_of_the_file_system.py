"""Names that a file system makes, and times that it makes up: no findings, never parsed, never deleted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import SUCCESS, make_spool, request, run_one, spool_queue
from wf_cli.spool import enqueue, foreign, session, verify
from wf_cli.spool.layout import FOLDERS, Spool

NAMES = [".fuse_hidden0000002c00000001", ".nfs00000000004a3b2c0000001f", ".__smb0A1F"]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool", topology="shared")


@pytest.mark.parametrize("folder", ["", *FOLDERS])
def test_names_of_the_file_system_are_nobodys(spool: Spool, folder: str) -> None:
    clock = FakeClock()
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    token = next(spool.folder("queued").iterdir())
    for name in NAMES:
        (spool.folder(folder) / name).write_bytes(token.read_bytes())
    clock.advance(30 * 86400)
    assert verify.verify(spool, clock, fix=True) == []
    enqueue.sweep(spool)
    assert session.owners(spool) == []
    queue.end(run_one(queue), SUCCESS, by="w-box-1")
    queue.gc(older_s=0)
    assert sorted(path.name for path in spool.folder(folder).iterdir() if path.name in NAMES) == sorted(NAMES)
    assert verify.verify(spool, clock, fix=True) == []


@pytest.mark.parametrize("name", ["lost+found", ".snapshot"])
def test_folders_that_a_file_system_keeps_in_its_root_are_no_findings(spool: Spool, name: str) -> None:
    """spool.dir may be a mount point."""
    (spool.root / name).mkdir()
    assert verify.verify(spool, FakeClock()) == []
    (spool.root / name).rmdir()
    (spool.root / name).write_text("")
    assert [finding.kind for finding in verify.verify(spool, FakeClock())] == ["foreign_file"]


def now_of(path: Path) -> FakeClock:
    """A clock that agrees with the file's."""
    clock = FakeClock()
    clock.advance(path.stat().st_ctime - clock.now_ms() / 1000)
    return clock


@pytest.mark.parametrize("mtime", [0, 1, 300, 5 * 365 * 86400, 40 * 365 * 86400])
def test_a_part_with_a_made_up_time_is_not_stale(spool: Spool, mtime: int) -> None:
    """NFS leaves such a time when its writer was killed while it made the file; it may be being written just now."""
    part = spool.path("tmp", "0123456789abcdef.part")
    part.write_text("x")
    os.utime(part, (mtime, mtime))
    clock = now_of(part)
    assert verify.verify(spool, clock, fix=True) == []
    assert part.exists()


def test_a_part_of_1970_is_never_judged_by_its_age(spool: Spool) -> None:
    part = spool.path("tmp", "0123456789abcdef.part")
    part.write_text("x")
    os.utime(part, (7, 7))
    clock = now_of(part)
    clock.advance(365 * 86400)
    assert verify.verify(spool, clock, fix=True) == []
    assert part.exists()


def test_a_part_that_nobody_wrote_for_long_is_stale(spool: Spool) -> None:
    part = spool.path("tmp", "0123456789abcdef.part")
    part.write_text("x")
    clock = now_of(part)
    clock.advance(foreign.PART_AGE_MS / 1000 - 60)
    assert verify.verify(spool, clock, fix=True) == []
    clock.advance(120)
    assert [finding.kind for finding in verify.verify(spool, clock, fix=True)] == ["stale_part"]
    assert not part.exists()
