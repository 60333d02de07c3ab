"""A session's lease: when its owner finds out that it is lost. Real threads, a fake clock for the ticks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import make_spool
from support.wait import wait_until
from wf_cli.clock import SystemClock
from wf_cli.spool.layout import Spool
from wf_cli.spool.lease import Lease, path_of
from wf_cli.spool.liveness import Observer, Verdict

OWNER = "w-box-1"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


@contextmanager
def held(lease: Lease) -> Iterator[Lease]:
    try:
        yield lease
    finally:
        lease.release()


def test_a_lease_is_a_file_while_it_is_held(spool: Spool) -> None:
    lease = Lease(spool, OWNER, 30.0, FakeClock(), lambda reason: pytest.fail(reason))
    with held(lease):
        assert path_of(spool, OWNER).is_file()
        assert lease.lost is None
    assert not path_of(spool, OWNER).exists()


def test_i6_the_heartbeat_changes_what_an_observer_compares(spool: Spool) -> None:
    clock = FakeClock()
    observer = Observer(spool, clock)
    with held(Lease(spool, OWNER, 0.6, SystemClock(), lambda _reason: None)) as lease:
        before = observer._read(OWNER)
        assert before

        def beaten() -> bool:
            lease.tick()
            return observer._read(OWNER) not in (before, None)

        wait_until(beaten, what="a heartbeat")
        assert observer.verdict(OWNER) is not Verdict.ABSENT


def test_a_lease_whose_file_was_deleted_is_lost_once(spool: Spool) -> None:
    reasons: list[str] = []
    with held(Lease(spool, OWNER, 0.6, SystemClock(), reasons.append)) as lease:
        path_of(spool, OWNER).unlink()

        def lost() -> bool:
            lease.tick()
            return lease.lost is not None

        wait_until(lost, what="the loss")
        wait_until(lambda: reasons, what="the call of on_lost")
    assert reasons == [lease.lost]


def test_a_lease_that_somebody_replaced_is_lost(spool: Spool) -> None:
    reasons: list[str] = []
    with held(Lease(spool, OWNER, 0.6, SystemClock(), reasons.append)) as lease:
        path = path_of(spool, OWNER)
        path.unlink()
        path.write_text("somebody else")

        def lost() -> bool:
            lease.tick()
            return bool(reasons)

        wait_until(lost, what="the loss")
    assert path.read_text() == "somebody else", "and is left to its new owner"


def test_a_main_loop_that_does_not_tick_gives_its_lease_up(spool: Spool) -> None:
    clock = FakeClock()
    lost = threading.Event()
    with held(Lease(spool, OWNER, 0.5, clock, lambda _reason: lost.set())) as lease:
        clock.advance(0.1875)
        lease.tick()
        clock.advance(0.1875)
        lease.tick()
        assert lease.lost is None
        clock.advance(0.28125)
        assert lost.wait(30)
        assert lease.lost == "main-loop-stopped"
        assert not path_of(spool, OWNER).exists(), "others may go on at once"


@pytest.mark.parametrize("kind", ["tick", "work"])
def test_i6_a_main_loop_that_is_late_loses_the_lease_at_once_and_not_when_another_thread_looks(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Kills: a late tick makes up for the gap. A whole process that was stopped may run its main loop first."""
    monkeypatch.setattr(Lease, "_watch_ticks", lambda _self: None)
    clock, reasons = FakeClock(), list[str]()
    with held(Lease(spool, OWNER, 30.0, clock, reasons.append)) as lease:
        for _ in range(3):
            clock.advance(15)
            lease.tick()
        assert lease.lost is None, "half of the lease is not late"
        clock.advance(15.1)
        if kind == "tick":
            lease.tick()
        else:
            with lease.working("claim"):
                pass
        assert lease.lost == "main-loop-stopped"
        assert not path_of(spool, OWNER).exists()
        lease.tick()
        assert lease.lost == "main-loop-stopped", "what is lost stays lost"
    assert reasons == ["main-loop-stopped"]


def test_a_process_that_was_suspended_gives_its_lease_up_even_at_its_work(spool: Spool) -> None:
    """Nothing of it ran, so nothing beat: others may have given the session up."""
    clock = FakeClock()
    lost = threading.Event()
    with held(Lease(spool, OWNER, 0.6, clock, lambda _reason: lost.set())) as lease, lease.working("repair"):
        clock.advance(0.5)
        assert lost.wait(30)
        assert lease.lost == "suspended"


class TestAnnouncedWork:
    """The clock moves in steps, each of which the lease's own thread has seen before the next one."""

    @staticmethod
    def passing(lease: Lease, clock: FakeClock, seconds: float) -> None:
        for _ in range(round(seconds / 0.25)):
            clock.advance(0.25)
            wait_until(lambda: lease._ran == clock.monotonic() or lease.lost, what="a look at the clock")

    def test_may_take_longer_than_the_lease(self, spool: Spool) -> None:
        clock = FakeClock()
        with held(Lease(spool, OWNER, 0.6, clock, pytest.fail)) as lease:
            with lease.working("repair"):
                self.passing(lease, clock, 5)
            clock.advance(0.25)
            lease.tick()
            assert lease.lost is None
            assert path_of(spool, OWNER).exists()

    def test_is_bounded(self, spool: Spool) -> None:
        clock = FakeClock()
        lost = threading.Event()
        with held(Lease(spool, OWNER, 0.6, clock, lambda _reason: lost.set())) as lease:
            with lease.working("repair", limit_s=2):
                self.passing(lease, clock, 2)
                assert lease.lost is None
                self.passing(lease, clock, 1)
            assert lost.wait(30)
            assert lease.lost == "too-long-at-repair"

    def test_inside_other_work_does_not_end_that(self, spool: Spool) -> None:
        clock = FakeClock()
        lost = threading.Event()
        with held(Lease(spool, OWNER, 0.6, clock, lambda _reason: lost.set())) as lease:
            with lease.working("look", limit_s=4):
                with lease.working("end", limit_s=1):
                    self.passing(lease, clock, 1)
                self.passing(lease, clock, 2)
                assert lease.lost is None, "the outer work goes on"
                self.passing(lease, clock, 2)
            assert lost.wait(30)
            assert lease.lost == "too-long-at-look"

    def test_is_over_with_its_block(self, spool: Spool) -> None:
        clock = FakeClock()
        lost = threading.Event()
        with held(Lease(spool, OWNER, 0.6, clock, lambda _reason: lost.set())) as lease:
            with lease.working("repair"):
                self.passing(lease, clock, 1)
            self.passing(lease, clock, 0.5)
            assert lost.wait(30)
            assert lease.lost == "main-loop-stopped"


def test_a_session_that_releases_its_lease_when_it_is_lost_does_not_wait_for_itself(spool: Spool) -> None:
    clock = FakeClock()
    done = threading.Event()
    made: list[Lease] = []

    def on_lost(_reason: str) -> None:
        made[0].release()
        done.set()

    made.append(Lease(spool, OWNER, 0.6, clock, on_lost))
    clock.advance(1)
    assert done.wait(30)


def test_releasing_twice_is_fine(spool: Spool) -> None:
    lease = Lease(spool, OWNER, 30.0, FakeClock(), lambda _reason: None)
    lease.release()
    lease.release()
