"""A trouble that lasts is said once, and once more when it is over."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from support.in_process import Yard
from wf_cli.attempt.lasting import Lasting
from wf_cli.errors import Temporary, WfError
from wf_cli.planjobs.dispatcher import Dispatcher
from wf_cli.worker import loop


def os_error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("first", "again", "is_the_same"),
    [
        (os_error(errno.ELOOP, "/s/tmp/a1.part"), os_error(errno.ELOOP, "/s/tmp/b2.part"), True),
        (os_error(errno.ELOOP, "/s/tmp/a1.part"), os_error(errno.ENOTDIR, "/s/tmp/a1.part"), False),
        (os_error(errno.ELOOP, "/s/tmp/a1.part"), os_error(errno.ELOOP, "/s/queued/a1.part"), False),
        (WfError("no route"), WfError("no route"), True),
        (WfError("no route"), WfError("no plan"), False),
        (WfError("busy"), Temporary("busy"), False),
        (RuntimeError("can't start new thread"), RuntimeError("can't start new thread"), True),
        ("spawn_failed", "spawn_failed", True),
    ],
)
def test_what_counts_as_the_same_trouble(first: Exception | str, again: Exception | str, is_the_same: bool) -> None:
    """The name of a part is new in each try, so the same trouble was said in each."""
    said: list[str] = []
    lasting = Lasting(said.append)
    lasting.met("it", first, "one")
    lasting.met("it", again, "two")
    assert said == (["one"] if is_the_same else ["one", "two"])


def test_its_end_is_said_only_of_what_had_failed() -> None:
    said: list[str] = []
    lasting = Lasting(said.append)
    lasting.over("it")
    lasting.met("it", "code", "it fails")
    lasting.met("else", "code", "else fails")
    lasting.over("it")
    lasting.over("it")
    lasting.over("else", "else works")
    lasting.met("it", "code", "it fails again")
    assert said == ["it fails", "else fails", "it: that is over; going on", "else works", "it fails again"]


def test_a_worker_that_cannot_reconcile_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It said so every five seconds, for as long as it lasted."""
    rounds: list[None] = []
    real = Dispatcher.reconcile

    def counted(self: Dispatcher, *args: Any, **options: Any) -> Any:
        rounds.append(None)
        return real(self, *args, **options)

    monkeypatch.setattr(Dispatcher, "reconcile", counted)
    monkeypatch.setattr(loop, "RECONCILE_EVERY", 0.02)
    yard = Yard(tmp_path, "exit 0\n")
    lock = yard.spool.path("locks", "all.dispatch.lock")
    lock.mkdir()
    with yard.running():
        yard.until(lambda: len(rounds) > 10, "rounds")
        yard.enqueue("work")
        yard.outcome("work")
        lock.rmdir()
        yard.says("cannot reconcile: that is over; going on")
        yard.until(lambda: len(rounds) > 30, "rounds")
    (told,) = [line for line in yard.said if line.startswith("cannot reconcile") and "over" not in line]
    assert str(lock) in told
    assert sum("that is over" in line for line in yard.said) == 1


def test_a_host_that_starts_no_thread_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each claim that worked forgot that the thread behind it had not started, so each try said so again."""
    monkeypatch.setattr(loop, "HOST_DELAY", 0.02)
    yard = Yard(tmp_path, "exit 0\n")
    left = [4]
    real = loop.threading.Thread

    class Scarce(real):  # type: ignore[misc, valid-type]
        def start(self) -> None:
            if self.name.startswith("wf-job-") and left[0]:
                left[0] -= 1
                raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr(loop.threading, "Thread", Scarce)
    with yard.running():
        yard.enqueue(*(f"job-{n}" for n in range(5)))
        yard.until(lambda: any(line.startswith("job-") and "succeeded" in line for line in yard.said), "a job")
    assert left == [0]
    assert yard.said.count("can't start new thread; claiming nothing until that is better") == 1
    assert yard.said.count("claiming again") == 1
