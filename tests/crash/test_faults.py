"""Calls that lie about their success, and disks that are full, read-only or broken.

A lie (performed, and then ENOENT, EEXIST or EIO) must change nothing at all: the same answer, the same
tokens. A real failure must be a clear OSError with its path, must leave nothing half done, and the same
operation must work once the disk does.
"""

from __future__ import annotations

import errno
import tempfile
from functools import cache
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.faults import count, counts, fault
from support.scenarios import BY_NAME, SCENARIOS, Scenario, open_at
from support.spools import (
    RELEASE,
    SUCCESS,
    assert_sound,
    make_spool,
    recover,
    request,
    run_one,
    spool_queue,
    staged,
    state,
)
from wf_cli import fsio
from wf_cli.errors import SpoolError
from wf_cli.spool import enqueue, layout
from wf_cli.spool.layout import Spool

#: `recover` and `create` are not operations of a queue, `late` has its own test below.
OPERATIONS = [s for s in SCENARIOS if s.name not in ("recover", "create")]

LIES = {"rename": (errno.ENOENT, errno.EIO), "link": (errno.EEXIST, errno.EIO), "unlink": (errno.ENOENT,)}
FAILURES = {"open": (errno.ENOSPC, errno.EROFS), "write": (errno.ENOSPC, errno.EIO), "fsync": (errno.EIO,),
            "rename": (errno.EIO, errno.EROFS), "link": (errno.EIO, errno.EDQUOT)}  # fmt: skip


@cache
def _calls(scenario: Scenario) -> dict[str, int]:
    """How often a scenario makes each call, by a dry run. Each test worker makes one of each while it collects."""
    with tempfile.TemporaryDirectory(prefix="wf-dry-") as folder:
        root = Path(folder) / "spool"
        scenario.before(root)
        return counts({*LIES, *FAILURES}, lambda: scenario.do(root))


def _cases(table: dict[str, tuple[int, ...]]) -> list[object]:
    found = []
    for scenario in OPERATIONS:
        for call, codes in table.items():
            times = _calls(scenario)[call]
            found += [
                pytest.param(scenario, call, code, n, id=f"{scenario}-{call}-{errno.errorcode[code]}-{n}")
                for code in codes
                for n in range(1, times + 1)
            ]
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "lying_call" in metafunc.fixturenames:
        metafunc.parametrize(("scenario", "lying_call", "code", "n"), _cases(LIES))
    elif "failing_call" in metafunc.fixturenames:
        metafunc.parametrize(("scenario", "failing_call", "code", "n"), _cases(FAILURES))


def tokens(root: Path) -> dict[str, str]:
    return state(spool_queue(open_at(root)))


def test_a_lie_about_a_call_that_succeeded_changes_nothing(
    tmp_path: Path, scenario: Scenario, lying_call: str, code: int, n: int
) -> None:
    """Invariants 1 to 4 on network file systems: the verdict comes from a fresh listing, never from errno."""
    honest, lied_to = tmp_path / "honest", tmp_path / "lied-to"
    scenario.before(honest)
    expected = scenario.do(honest)
    scenario.before(lied_to)
    with fault(lying_call, code, n, lying=True) as lie:
        got = scenario.do(lied_to)
    assert lie.hit
    assert got == expected
    assert tokens(lied_to) == tokens(honest)
    assert_sound(open_at(lied_to))


def test_a_call_that_fails_is_a_clear_error_and_leaves_nothing_half_done(
    tmp_path: Path, scenario: Scenario, failing_call: str, code: int, n: int
) -> None:
    root = tmp_path / "spool"
    scenario.before(root)
    before = tokens(root)
    error: OSError | None = None
    with fault(failing_call, code, n) as failure:
        try:
            scenario.do(root)
        except OSError as raised:
            error = raised
    assert failure.hit
    if error is not None:  # what only accelerates (a mode, a part's removal) may be suppressed
        assert error.errno == code
        assert str(root) in str(error.filename), "the message names the path"
    spool = open_at(root)
    assert [name for name in staged(spool) if name.endswith(".part")] == [], "no part remains"
    assert all(path.stat().st_size > 0 for path in spool.folder("outcomes").iterdir()), "no empty file is published"
    recover(spool, FakeClock())
    assert set(before) <= set(tokens(root)), "invariant 3"
    assert_sound(spool, _later())


def _later() -> FakeClock:
    clock = FakeClock()
    clock.advance(3600)
    return clock


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename", "link"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_i3_an_enqueue_that_failed_works_when_it_is_repeated(tmp_path: Path, call: str, n: int) -> None:
    """Invariant 4 too: the caller does not know how far it came, and need not."""
    spool = make_spool(tmp_path / "spool", durability="fsync")
    queue = spool_queue(spool)
    try:
        with fault(call, errno.ENOSPC, n):
            queue.enqueue(request("a"))
    except OSError:
        pass
    queue.enqueue(request("a"))
    enqueue.sweep(spool)
    assert_sound(spool, jobs=1)
    assert run_one(queue).job_id == "a"


def test_i2_an_end_whose_sync_failed_is_decided_and_can_be_finished_by_anybody(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool", durability="fsync")
    queue = spool_queue(spool)
    queue.enqueue(request("a"))
    token = run_one(queue)
    with fault("fsync", errno.EIO, 2), pytest.raises(OSError, match="Input/output"):
        queue.end(token, SUCCESS, by="w-box-1")  # 1: the outcome's file; 2: outcomes/
    assert queue.holds(token)
    queue.reap(lambda _owner: "seen dead", by="r-box-1")
    assert state(queue)["a"].startswith("done/")


def test_i5_an_end_that_is_repeated_after_its_sync_failed_is_accepted_as_its_own(tmp_path: Path) -> None:
    """The outcome stood already, under the nonce of the first try: not a late result of itself."""
    spool = make_spool(tmp_path / "spool", durability="fsync")
    queue = spool_queue(spool)
    queue.enqueue(request("a"))
    token = run_one(queue)
    with fault("fsync", errno.EIO, 2), pytest.raises(OSError, match="Input/output"):  # outcomes/ after the link
        queue.end(token, SUCCESS, by="w-box-1")
    assert queue.end(token, SUCCESS, by="w-box-1").accepted
    assert state(queue)["a"].startswith("done/")
    assert list(spool.folder("outcomes").glob("*.late.json")) == []
    assert not queue.end(token, SUCCESS, by="w-box-1").accepted, "once"


def test_i2_another_ending_after_a_failed_sync_does_not_replace_the_first(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool", durability="fsync")
    queue = spool_queue(spool)
    queue.enqueue(request("a"))
    token = run_one(queue)
    with fault("fsync", errno.EIO, 2), pytest.raises(OSError, match="Input/output"):
        queue.end(token, SUCCESS, by="w-box-1")
    ended = queue.end(token, RELEASE, by="w-box-1")
    assert (ended.accepted, ended.outcome.end) == (False, "succeeded")
    assert state(queue)["a"].startswith("done/")


def test_a_start_whose_sync_failed_is_no_start_and_the_job_comes_back(tmp_path: Path) -> None:
    """Renamed and not synced: no agent is spawned, and its session or a reaper ends the attempt."""
    spool = make_spool(tmp_path / "spool", durability="fsync")
    queue = spool_queue(spool)
    queue.enqueue(request("a"))
    token = queue.claim("w-box-1", queue_pools(queue))
    with fault("fsync", errno.EIO, 1), pytest.raises(OSError, match="Input/output"), queue.fence("a"):
        queue.start(token)
    assert state(queue)["a"].startswith("running/")
    queue.reap(lambda _owner: "seen dead", by="r-box-1")
    assert state(queue)["a"].startswith("queued/")


def queue_pools(queue: object) -> set[object]:
    return {p.token.pool for p in queue.placed()}  # type: ignore[attr-defined]


def test_a_full_disk_while_a_spool_is_created_is_reported_and_creating_it_again_works(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    writes = count("write", lambda: layout.create(tmp_path / "dry"))
    assert writes >= 2
    for n in range(1, writes + 1):
        with fault("write", errno.ENOSPC, n), pytest.raises((OSError, SpoolError), match="No space left"):
            layout.create(root)
        assert not layout.exists(root)
    assert_sound(layout.create(root), jobs=0)


def test_write_new_leaves_no_empty_file_on_a_full_disk(tmp_path: Path) -> None:
    with fault("write", errno.ENOSPC, 1), pytest.raises(OSError, match=r"No space left.*/new'"):
        fsio.write_new(tmp_path / "new", b"data", durable=True)
    assert list(tmp_path.iterdir()) == []


def test_write_new_goes_on_after_a_short_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:3]))
    fsio.write_new(tmp_path / "new", b"0123456789", durable=False)
    assert (tmp_path / "new").read_bytes() == b"0123456789"


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_write_atomic_keeps_the_old_file_when_anything_fails(tmp_path: Path, call: str) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with fault(call, errno.ENOSPC, 1), pytest.raises(OSError, match="No space left"):
        fsio.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_move_says_false_only_when_nobody_moved_it(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    assert not fsio.move(source, target)
    source.write_text("x")
    assert fsio.move(source, target)
    assert fsio.move(source, target), "somebody moved it before: the answer of a retried rename"


def test_move_raises_when_neither_is_known(tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_text("x")
    with fault("rename", errno.EIO, 1), pytest.raises(OSError, match="Input/output"):
        fsio.move(source, tmp_path / "b")
    assert source.exists()


def test_publish_has_one_winner_and_knows_its_own_work(tmp_path: Path) -> None:
    mine, theirs, target = tmp_path / "mine", tmp_path / "theirs", tmp_path / "target"
    mine.write_text("mine")
    theirs.write_text("theirs")
    with fault("link", errno.EEXIST, 1, lying=True):
        assert fsio.publish(mine, target)
    assert fsio.publish(mine, target), "equal bytes are ours: each file carries a nonce"
    assert not fsio.publish(theirs, target)
    assert target.read_text() == "mine"


def test_i7_publish_never_waits_for_a_pipe_that_lies_in_its_place(tmp_path: Path) -> None:
    import os

    mine, target = tmp_path / "mine", tmp_path / "target"
    mine.write_text("mine")
    os.mkfifo(target)
    assert not fsio.publish(mine, target)
    for odd in ("directory", "link", "dangling", "longer"):
        target = tmp_path / odd
        match odd:
            case "directory":
                target.mkdir()
            case "link":
                target.symlink_to(mine)
            case "dangling":
                target.symlink_to(tmp_path / "nowhere")
            case _:
                target.write_text("mine and more")
        assert not fsio.publish(mine, target), odd


def test_the_faults_reach_the_code(tmp_path: Path) -> None:
    """A wrapper that is never called would make all of the above pass."""
    scenario = BY_NAME["succeed"]
    for call in ("rename", "link", "unlink", "open", "write", "fsync"):
        root = tmp_path / call
        scenario.before(root)
        assert count(call, lambda root=root: scenario.do(root)) > 0, call
    spool: Spool = open_at(tmp_path / "rename")
    assert_sound(spool, _later())
