"""The duties of a session: each in its own time and with its own try."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.plain_steps import PlainSteps
from support.spools import Recorder, make_spool, spool_queue
from wf_cli.attempt.rounds import Rounds
from wf_cli.attempt.session import Session
from wf_cli.errors import SpoolError, SpoolMissing, Temporary
from wf_cli.spool import session as sessions
from wf_cli.spool.layout import Spool

EIO = OSError(errno.EIO, os.strerror(errno.EIO), "/spool/tmp/x")


class Bench:
    """Rounds of an open session, on a clock of the test's."""

    def __init__(self, spool: Spool):
        self.clock, self.said, self.done = FakeClock(), list[str](), list[str]()
        record = sessions.this_process("w-box-1", "opencode", 1000.0, 0)
        self.session = Session(spool, record, clock=self.clock, events=Recorder(), say=self.said.append)
        self.rounds = Rounds(self.session, self.clock, self.said.append)
        self.trouble: Exception | None = None

    def duty(self, name: str, every: float, *, breaks: bool = False) -> None:
        def do() -> None:
            self.done.append(name)
            if breaks and self.trouble is not None:
                raise self.trouble

        self.rounds.every(every, name, do)

    def turn(self, seconds: float = 1.0) -> list[str]:
        self.done.clear()
        self.rounds.do_due()
        self.clock.advance(seconds)
        return list(self.done)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(make_spool(tmp_path / "spool"))
    yield made
    made.session.close("the end")


def test_each_duty_is_due_in_its_own_time(bench: Bench) -> None:
    bench.duty("often", 1)
    bench.duty("seldom", 3)
    assert [bench.turn() for _ in range(4)] == [["often", "seldom"], ["often"], ["often"], ["often", "seldom"]]
    assert bench.rounds.next_s() == 0


@pytest.mark.parametrize("trouble", [EIO, Temporary("the fence stays busy", hint="wait")], ids=["EIO", "busy"])
def test_the_trouble_of_one_is_said_once_and_keeps_nobody_from_the_others(bench: Bench, trouble: Exception) -> None:
    bench.duty("sweep", 1, breaks=True)
    bench.duty("reap", 1)
    bench.trouble = trouble
    for _ in range(3):
        assert bench.turn() == ["sweep", "reap"]
    assert len(bench.said) == 1
    assert bench.said[0].startswith("sweep: ")
    bench.trouble = None
    bench.turn()
    bench.trouble = trouble
    bench.turn()
    told = [line for line in bench.said if line.startswith("sweep: ") and not line.endswith("going on")]
    assert len(told) == 2, "it is said again after it was over"


def test_an_outage_is_said_once_for_all_duties_and_its_end_once(bench: Bench) -> None:
    """Each duty meets it at its own file; one that is due seldom is tried again soon, so that its end is noticed."""
    bench.duty("sweep", 1, breaks=True)
    bench.duty("bury", 30, breaks=True)
    bench.trouble = EIO
    for _ in range(3):
        assert bench.turn() == ["sweep", "bury"]
    assert bench.said == [
        "sweep: /spool/tmp/x: Input/output error; look at the disk or the mount; waiting until that is over"
    ]
    bench.trouble = None
    assert bench.turn() == ["sweep", "bury"]
    assert bench.said[1:] == ["the spool can be used again; going on"]
    assert bench.turn() == ["sweep"]


def test_another_trouble_is_said_beside_an_outage(bench: Bench) -> None:
    bench.duty("sweep", 1, breaks=True)
    bench.trouble = EIO
    bench.turn()
    bench.trouble = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/spool/tmp/y")
    bench.turn()
    assert [line.split("; ")[1] for line in bench.said] == ["look at the disk or the mount", "make room on that disk"]


@pytest.mark.parametrize(
    "gone", [SpoolMissing("it is gone"), SpoolError("another version")], ids=["missing", "replaced"]
)
def test_a_spool_that_is_gone_or_another_one_ends_the_session(bench: Bench, gone: SpoolError) -> None:
    bench.duty("look", 1, breaks=True)
    bench.trouble = gone
    with pytest.raises(SpoolError):
        bench.turn()


def test_a_folder_that_becomes_synced_ends_the_session(bench: Bench, tmp_path: Path) -> None:
    """A worker that was started before would go on, and its jobs would run on the other side, too."""
    spool = bench.session._spool
    queue = spool_queue(spool, bench.clock)
    bench.rounds.for_others(queue, Recorder(), lambda _reaped: None, PlainSteps())
    bench.turn(60)
    (tmp_path / ".stfolder").mkdir()
    with pytest.raises(SpoolError, match="Syncthing") as caught:
        bench.turn()
    assert caught.value.code == "SYNCED_FOLDER"


def test_a_spool_that_cannot_be_read_now_is_the_same_one(bench: Bench) -> None:
    bench.duty("look", 1, breaks=True)
    bench.trouble = SpoolError("cannot read VERSION")
    bench.trouble.__cause__ = EIO
    bench.turn()
    assert len(bench.said) == 1
