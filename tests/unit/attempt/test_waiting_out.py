"""What waits for the end of an outage, and that nothing on the way replaces an ending."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import Recorder, claim_one, make_spool, request, spool_queue
from wf_cli import system_errors
from wf_cli.attempt import end, standing
from wf_cli.attempt.claim import Claimed
from wf_cli.attempt.outage import Outage
from wf_cli.attempt.standing import LOOK_LIMIT, REFUSED_LIMIT, Standing
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.errors import SpoolMissing, StateError, Temporary
from wf_cli.locks import Slot
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.runtimes.process.redact import Redactor
from wf_cli.runtimes.process.transcript import Transcript
from wf_cli.spool import control


def system_error(code: int, path: str = "/spool/x") -> OSError:
    return OSError(code, os.strerror(code), path)


def caused(code: int) -> StateError:
    """The error of a plan whose state could not be read."""
    error = StateError("cannot read plans/01-a/state.json", path="state.json")
    error.__cause__ = system_error(code)
    return error


class Bench:
    """One attempt, whose looks fail as the test says. A pause lets a second pass."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.clock, self.said, self.lost = FakeClock(), list[str](), False
        self.queue = spool_queue(make_spool(folder / "spool"))
        self.queue.enqueue(request("job"))
        self.token = claim_one(self.queue)
        self.outage = Outage(self.said.append)
        self.standing = Standing(self.queue, self.token, lost=lambda: self.lost, clock=self.clock, outage=self.outage)
        self.pauses = 0
        self.each_pause: Callable[[int], None] = lambda _n: None
        for module in (standing, end):
            monkeypatch.setattr(module, "_PAUSE", self)

    def wait(self, _seconds: float) -> None:
        self.pauses += 1
        self.clock.advance(1)
        self.each_pause(self.pauses)

    def failing(self, error: Exception, times: int) -> Callable[[], str]:
        def look() -> str:
            if self.pauses < times:
                raise error
            return "seen"

        return look


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


LONG = int(LOOK_LIMIT * 10)


@pytest.mark.parametrize("error", [system_error(errno.EIO), system_error(errno.ESTALE), caused(errno.ENOTCONN)])
def test_finished_work_is_looked_at_until_the_outage_is_over(bench: Bench, error: Exception) -> None:
    """After 30 s the attempt ended as released, with the code disk_error, and the work was done again."""
    assert bench.standing.patiently(bench.failing(error, LONG)) == "seen"
    assert bench.pauses == LONG
    assert [line.startswith("job: cannot check its work: ") for line in bench.said] == [True, False]


def test_what_is_not_tried_any_more_is_no_end_of_the_outage(bench: Bench) -> None:
    """A worker said that the spool could be used again because the agent whose token it could not see had ended."""
    broken = system_error(errno.EIO)
    assert bench.outage.met("job: cannot look at its token", broken)
    bench.standing.close()
    assert bench.outage.met("job: cannot write the outcome", broken)
    assert [line.partition(":")[0] for line in bench.said] == ["job"]
    bench.outage.over("control")
    assert len(bench.said) == 1, "the outcome cannot be written yet"
    bench.outage.left("job: cannot write the outcome")
    bench.outage.over("control")
    bench.outage.over("cannot claim")
    assert bench.said[1:] == ["the spool can be used again; going on"]
    assert bench.outage.met("control", broken)
    assert len(bench.said) == 3, "another outage"


def test_the_lease_decides_how_long_finished_work_is_looked_at(bench: Bench) -> None:
    def lose(pauses: int) -> None:
        bench.lost = pauses == LONG

    bench.each_pause = lose
    with pytest.raises(OSError, match="Input/output"):
        bench.standing.patiently(bench.failing(system_error(errno.EIO), 2 * LONG))
    assert bench.pauses == LONG


@pytest.mark.parametrize(
    ("error", "limit"),
    [
        (Temporary("the lock stays busy"), LOOK_LIMIT),
        (system_error(errno.ENAMETOOLONG), LOOK_LIMIT),
        (system_error(errno.EACCES), REFUSED_LIMIT),
        (caused(errno.EACCES), REFUSED_LIMIT),
    ],
)
def test_what_does_not_pass_by_itself_is_looked_at_for_a_while(bench: Bench, error: Exception, limit: float) -> None:
    with pytest.raises(type(error)):
        bench.standing.patiently(bench.failing(error, 2 * LONG + 100))
    assert bench.pauses == limit


def test_a_damaged_plan_is_not_looked_at_again(bench: Bench) -> None:
    with pytest.raises(StateError):
        bench.standing.patiently(bench.failing(StateError("state.json is not valid JSON"), 1))
    assert bench.pauses == 0


def test_a_plan_that_could_not_be_read_before_the_agent_burns_no_attempt() -> None:
    ending = end.of_error(caused(errno.EIO))
    assert ending.end is End.RELEASED
    assert ending.failure is not None
    assert ending.failure.code == "disk_error"
    told = end.of_error(StateError("not valid JSON"))
    assert (told.end, told.failure) == (End.RELEASED, None), "a person mends it, and it is no fault of this host"


def ends(bench: Bench) -> end.Ends:
    return end.Ends(bench.queue, bench.clock, Recorder(), bench.said.append, bench.outage)


def test_an_ending_is_offered_until_the_outage_is_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = SpoolQueue.end

    def failing(queue: SpoolQueue, *args: object, **options: object) -> object:
        if bench.pauses < LONG:
            raise system_error(errno.ENOSPC, str(queue.spool.folder("tmp")))
        return real(queue, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(SpoolQueue, "end", failing)
    done = ends(bench).for_certain(
        bench.token, Ending(End.SUCCEEDED), by="w-box-1", given_up=lambda error: not system_errors.may_pass(error)
    )
    assert done.accepted
    assert (len(bench.said), bench.outage.lasts) == (2, False)
    assert "make room on that disk" in bench.said[0]


@pytest.mark.parametrize("error", [system_error(errno.EROFS), SpoolMissing("control/ is gone")])
def test_a_pool_that_cannot_be_told_does_not_replace_the_ending(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(control, "cooldown", refuse)
    ending = Ending(End.SUCCEEDED, started_ms=1)
    assert ends(bench).once(bench.token, ending, by="w-box-1").outcome.end is End.SUCCEEDED


def test_a_checkout_and_a_transcript_whose_close_fails_raise_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS reports a failed write at the close. Both are closed after the agent has ended."""
    path = tmp_path / "transcript.log"
    slot = Claimed(bench.token, Slot(os.open(tmp_path / "slot", os.O_CREAT | os.O_RDWR), tmp_path / "slot"))
    transcript = Transcript(path, Redactor([], ()))
    transcript.write("stdout", b"hello\n")
    real = os.close

    def failing(fd: int) -> None:
        real(fd)
        raise system_error(errno.EIO)

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", failing)
        slot.let_go()
        transcript.close()
    transcript.close()
    assert transcript.trouble is not None
    assert transcript.trouble.startswith("transcript incomplete")
