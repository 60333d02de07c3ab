"""Wake-ups by the system's file events."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from support.spools import make_spool
from support.wait import wait_until
from wf_cli.spool.watch import Watcher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="SKIPPED, LOUDLY: inotify is Linux'")


def test_no_event_waits_for_the_other_half_of_a_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """watchdog slept for half a second after the first half of a move, with all other events behind it."""
    from watchdog.utils import delayed_queue

    slept: list[float] = []
    real = time.sleep

    def sleep(seconds: float) -> None:
        if sys._getframe(1).f_globals["__name__"] == delayed_queue.__name__:
            slept.append(seconds)
        real(seconds)

    monkeypatch.setattr(delayed_queue.time, "sleep", sleep)
    spool = make_spool(tmp_path / "spool")
    seen: list[str] = []
    spool.path("tmp", "part").touch()
    watcher = Watcher(spool, lambda folder, name: seen.append(f"{folder}/{name}"), seen.append)
    try:
        assert watcher.active
        spool.path("tmp", "part").rename(tmp_path / "outside")
        (tmp_path / "outside").rename(spool.path("queued", "back"))
        for n in range(50):
            spool.path("queued", "back").rename(spool.path("claimed", str(n)))
            spool.path("claimed", str(n)).rename(spool.path("queued", "back"))
        wait_until(lambda: seen.count("queued/back") == 51, what=f"all events; seen: {seen[-5:]}")
    finally:
        watcher.close()
    assert [f"claimed/{n}" for n in range(50)] == [name for name in seen if name.startswith("claimed/")]
    assert slept == []
