"""Wake-ups by the system's file events, and what is said of folders that cannot be watched."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.few_watches import skip_without_limits, with_limit
from support.in_process import Yard
from support.spools import make_spool
from support.wait import wait_until
from wf_cli.spool.inotify import Inotify
from wf_cli.spool.layout import Spool
from wf_cli.spool.watch import WATCHED, Watcher
from wf_cli.spool.watchdogs import Watchdogs
from wf_cli.worker.loop import RESCAN_POLLING, RESCAN_WATCHED

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="SKIPPED, LOUDLY: inotify is Linux'")
TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


def watches_of_this_process() -> int:
    """How many watches the kernel counts for this process."""
    found = 0
    for path in Path("/proc/self/fdinfo").iterdir():
        with contextlib.suppress(OSError):  # The descriptor of the listing itself is gone.
            found += path.read_text().count("inotify wd:")
    return found


@pytest.mark.parametrize("make", [Inotify, Watchdogs])
def test_each_new_file_in_a_watched_folder_is_told(
    spool: Spool, tmp_path: Path, make: Callable[[Callable[[str, str], None]], Inotify | Watchdogs]
) -> None:
    seen: list[str] = []
    watches = make(lambda folder, name: seen.append(f"{folder}/{name}"))
    try:
        for folder in ("queued", "done"):
            watches.watch(folder, spool.folder(folder))
        spool.path("queued", "made").touch()
        (tmp_path / "came").touch()
        (tmp_path / "came").rename(spool.path("queued", "came"))
        os.link(spool.path("queued", "came"), spool.path("done", "linked"))
        spool.path("queued", "made").rename(spool.path("done", "moved"))
        spool.path("queued", "came").rename(tmp_path / "gone")
        spool.path("jobs", "elsewhere").touch()
        spool.path("queued", "last").touch()
        wait_until(lambda: "queued/last" in seen, what=f"all events; seen: {seen}")
    finally:
        watches.close()
    assert sorted(seen) == ["done/linked", "done/moved", "queued/came", "queued/last", "queued/made"]


def test_a_burst_of_moves_is_told_whole_and_in_order(spool: Spool) -> None:
    seen: list[str] = []
    spool.path("queued", "back").touch()
    watcher = Watcher(spool, lambda folder, name: seen.append(f"{folder}/{name}"), seen.append)
    try:
        for n in range(50):
            spool.path("queued", "back").rename(spool.path("done", str(n)))
            spool.path("done", str(n)).rename(spool.path("queued", "back"))
        wait_until(lambda: len(seen) == 100, what=f"all events; seen: {seen[-5:]}")
    finally:
        watcher.close()
    assert seen == [name for n in range(50) for name in (f"done/{n}", "queued/back")]


def test_a_worker_takes_no_more_watches_than_it_needs(spool: Spool) -> None:
    """It took one for each folder of the spool and one for its root: 18, of which 4 woke it."""
    before = watches_of_this_process()
    watcher = Watcher(spool, lambda folder, name: None, lambda line: None)
    try:
        assert watches_of_this_process() - before == len(WATCHED)
    finally:
        watcher.close()
    assert watches_of_this_process() == before


def test_a_folder_that_was_made_again_is_watched_again(spool: Spool) -> None:
    seen: list[str] = []
    watcher = Watcher(spool, lambda folder, name: seen.append(f"{folder}/{name}"), seen.append)
    try:
        spool.folder("done").rmdir()
        wait_until(lambda: not watcher.active, what="the loss of a watch")
        watcher.mend()
        watcher.mend()
        assert len(seen) == 1
        assert seen[0].startswith(f"cannot watch done of the spool at {spool.root}: No such file or directory;")
        spool.folder("done").mkdir()
        watcher.mend()
        assert watcher.active
        assert seen[1:] == [f"all of {spool.root} is watched again"]
        spool.path("done", "new").touch()
        wait_until(lambda: "done/new" in seen, what="the event")
    finally:
        watcher.close()


#: In a namespace with a limit: what is said at first, after another try, and once the limit is raised.
_LIMITED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from wf_cli.spool.layout import open_spool
from wf_cli.spool.watch import Watcher
said = []
watcher = Watcher(open_spool(Path({root!r})), lambda folder, name: None, said.append)
watcher.mend()
assert not watcher.active
Path("/proc/sys/user/{limit}").write_text("100")
watcher.mend()
assert watcher.active
watcher.close()
print(chr(10).join(said))
"""


@pytest.mark.parametrize(
    ("limit", "value", "told"),
    [
        ("max_inotify_watches", 0, "cannot watch the spool at {root}: no inotify watch is left for this user"),
        (
            "max_inotify_watches",
            3,
            "cannot watch dead of the spool at {root}: no inotify watch is left for this user",
        ),
        ("max_inotify_instances", 0, "cannot watch the spool at {root}: no inotify instance is left for this user"),
    ],
)
def test_a_lack_of_watches_is_told_once_and_once_that_it_is_over(
    spool: Spool, limit: str, value: int, told: str
) -> None:
    """With 3 of 18 watches nothing was said, and the worker took itself for one that is woken."""
    skip_without_limits()
    code = _LIMITED.format(tests=str(TESTS), root=str(spool.root), limit=limit)
    done = subprocess.run(
        with_limit(limit, value, [sys.executable, "-c", code]), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()
    assert first.startswith(told.format(root=spool.root))
    assert f"sudo sysctl fs.inotify.{limit.replace('inotify', 'user')}=" in first
    assert last == f"all of {spool.root} is watched again"


def test_a_worker_that_is_not_woken_by_all_folders_looks_as_often_as_one_without_watches(tmp_path: Path) -> None:
    yard = Yard(tmp_path, "exit 0\n")
    with yard.running() as worker:
        yard.says(" on shell: ")  # A session repairs at its start, and would make the folder again.
        assert worker.rescan_every() == RESCAN_WATCHED
        yard.spool.folder("dead").rename(tmp_path / "dead")
        (tmp_path / "dead").rmdir()
        yard.until(lambda: not worker.watched, "the loss of a watch")
        assert worker.rescan_every() == RESCAN_POLLING
        yard.spool.folder("dead").mkdir()
