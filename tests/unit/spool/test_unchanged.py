"""An idle worker's rescan lists nothing while queued/ is as it was. Nothing that changes it is missed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.round_trips import counted
from support.spools import POOL, make_spool, request, spool_queue
from support.stand_ins import stand_in
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import unchanged


def idle(root: Path, topology: str = "local") -> SpoolQueue:
    """A queue with a job for another pool, whose folder was last changed an hour ago."""
    queue = spool_queue(make_spool(root / "spool", topology=topology))
    queue.enqueue(request("a"))
    queue.rescan_on_claim = False
    age(queue)
    queue.rescan()
    return queue


def age(queue: SpoolQueue) -> None:
    """As if an hour had gone by since the last change."""
    folder = queue.spool.folder("queued")
    long_ago = folder.stat().st_mtime_ns - 3600 * 10**9
    os.utime(folder, ns=(long_ago, long_ago))


def lists(queue: SpoolQueue) -> bool:
    with counted(queue.spool.root) as trips:
        queue.rescan()
    return "listdir queued" in trips.calls


def test_a_folder_that_is_as_it_was_is_not_listed_again(tmp_path: Path) -> None:
    queue = idle(tmp_path)
    assert [lists(queue) for _ in range(3)] == [False, False, False]
    assert queue.next_ready((POOL,)) is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda q: q.enqueue(request("b")),
        lambda q: q.hold("a"),
        lambda q: (q.hold("a"), q.unhold("a")),
        lambda q: q.cancel("a", by="me"),
        lambda q: os.unlink(next(q.spool.folder("queued").iterdir())),
        lambda q: q.spool.path("queued", "foreign").write_text(""),
    ],
)
def test_every_change_is_seen(tmp_path: Path, change: Callable[[SpoolQueue], object]) -> None:
    queue = idle(tmp_path)
    change(queue)
    assert lists(queue)
    expected = {token.split(".")[2] for token in os.listdir(queue.spool.folder("queued")) if "." in token}
    assert set(queue._index._seen) & {"foreign"} == set(os.listdir(queue.spool.folder("queued"))) & {"foreign"}
    found = queue.next_ready((POOL,))
    assert (found.job_id if found is not None else None) == min(expected, default=None)


def test_a_folder_that_changed_just_now_is_listed_until_its_time_is_old(tmp_path: Path) -> None:
    """A change in the same tick of the file system's clock would leave the time as it is."""
    queue = idle(tmp_path)
    queue.enqueue(request("b"))
    assert [lists(queue) for _ in range(3)] == [True, True, True]
    age(queue)
    assert [lists(queue) for _ in range(3)] == [True, False, False]


def test_a_time_in_the_future_tells_nothing(tmp_path: Path) -> None:
    queue = idle(tmp_path)
    folder = queue.spool.folder("queued")
    ahead = folder.stat().st_mtime_ns + 10 * 3600 * 10**9
    os.utime(folder, ns=(ahead, ahead))
    assert [lists(queue) for _ in range(3)] == [True, True, True]


def test_where_looks_can_be_old_each_rescan_lists(tmp_path: Path) -> None:
    queue = idle(tmp_path, "shared")
    assert [lists(queue) for _ in range(2)] == [True, True]


def test_a_folder_made_again_is_another_one(tmp_path: Path) -> None:
    queue = idle(tmp_path)
    folder = queue.spool.folder("queued")
    was = folder.stat().st_mtime_ns
    folder.rename(tmp_path / "away")
    folder.mkdir()
    os.utime(folder, ns=(was, was))
    assert lists(queue)
    assert queue.next_ready((POOL,)) is None


def test_a_listing_that_failed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = idle(tmp_path)
    queue._unchanged.forget()

    def fail(_folder: str) -> list[str]:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(queue.spool, "names", fail)
        with pytest.raises(OSError, match="error"):
            queue.rescan()
    assert lists(queue)


def test_a_token_that_could_not_be_moved_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim drops it from what is known, although it stays where it is."""
    queue = idle(tmp_path)
    from wf_cli.spool import attempt

    def refuse(*_arguments: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    with monkeypatch.context() as refusing:
        refusing.setattr(attempt, "take", stand_in("take", refuse))
        with pytest.raises(PermissionError):
            queue.claim("w-box-1", (POOL,))
    queue.rescan()
    assert queue.claim("w-box-1", (POOL,)) is not None


def test_the_tick_is_longer_than_that_of_any_file_system_that_carries_a_spool() -> None:
    assert unchanged._TICK_NS > 2 * 10**9
