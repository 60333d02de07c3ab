"""Who is alive: by proof on the same host, or by watching on the observer's own clock (invariant 6)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from support import children
from support.clock import FakeClock
from support.scenarios import live_until_started, open_at
from support.spools import Recorder, claim_one, make_spool, request, run_one, spool_queue
from wf_cli import ids
from wf_cli.attempt.reaper import Reaper
from wf_cli.spool import judgement, session
from wf_cli.spool.layout import Spool
from wf_cli.spool.liveness import GONE, Observer, Verdict, known_gone

OWNER = "w-box-1"
LEASE = 30.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


@pytest.fixture
def shared(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "shared", topology="shared")


def register(spool: Spool, **facts: object) -> None:
    record = session.this_process(OWNER, "opencode", LEASE, 0)
    session.SessionFile(spool, replace(record, **facts))  # type: ignore[arg-type]


def remote(spool: Spool, lease_seconds: float = LEASE) -> None:
    """A session of another host."""
    register(spool, host="elsewhere", boot_id="another-boot", lease_seconds=lease_seconds)


def beat(spool: Spool, text: str = "marker") -> Path:
    path = spool.path("leases", f"{OWNER}.lease")
    path.write_text(text)
    return path


def watched(observer: Observer, clock: FakeClock, seconds: float, step: float = 5.0) -> Verdict:
    """Look every ``step`` seconds for ``seconds``; the last verdict."""
    verdict = Verdict.UNKNOWN
    for _ in range(round(seconds / step)):
        clock.advance(step)
        verdict = observer.verdict(OWNER)
    return verdict


def test_i6_a_living_process_of_this_host_is_alive_at_first_sight(spool: Spool, clock: FakeClock) -> None:
    register(spool)
    beat(spool)
    assert Observer(spool, clock).verdict(OWNER) is Verdict.ALIVE


def test_i6_a_killed_process_is_proven_dead_at_first_sight(tmp_path: Path, clock: FakeClock) -> None:
    spool = make_spool(tmp_path / "spool")
    spool_queue(spool).enqueue(request("a"))
    child = children.Child(live_until_started, spool.root, stop_at=("start.synced", 1))
    child.reached()
    beat(spool)
    observer = Observer(open_at(spool.root), clock)
    assert observer.verdict(OWNER) is Verdict.ALIVE
    child.kill()
    assert observer.verdict(OWNER) is Verdict.DEAD


def test_i6_a_pid_that_is_another_process_now_is_dead(spool: Spool, clock: FakeClock) -> None:
    register(spool, start="another-start")
    beat(spool)
    assert Observer(spool, clock).verdict(OWNER) is Verdict.DEAD


@pytest.mark.parametrize(
    "facts",
    [{"boot_id": "another-boot"}, {"pid_ns": "another-namespace"}, {"boot_id": None}, {"start": None}],
    ids=["boot", "namespace", "no-boot-id", "no-start-time"],
)
def test_i6_a_pid_of_another_boot_namespace_or_unknown_start_proves_nothing(
    spool: Spool, clock: FakeClock, facts: dict[str, object]
) -> None:
    register(spool, pid=2**22 + 12345 if "start" not in facts else os.getpid(), **facts)
    beat(spool)
    assert Observer(spool, clock).verdict(OWNER) is not Verdict.DEAD


def test_i6_a_one_shot_command_cannot_see_a_remote_expiry(spool: Spool, clock: FakeClock) -> None:
    remote(spool)
    path = beat(spool)
    os.utime(path, (0, 0))
    assert Observer(spool, clock).verdict(OWNER) is Verdict.UNKNOWN


def test_i6_a_remote_lease_expires_when_unchanged_for_its_duration_on_my_clock(
    spool: Spool, clock: FakeClock
) -> None:
    remote(spool)
    beat(spool)
    observer = Observer(spool, clock)
    observer.verdict(OWNER)
    assert watched(observer, clock, LEASE - 5) is Verdict.ALIVE
    clock.jump(-86400)
    clock.advance(4.9)
    assert observer.verdict(OWNER) is Verdict.ALIVE
    clock.jump(10**6)
    assert observer.verdict(OWNER) is Verdict.ALIVE, "no wall clock has a say"
    clock.advance(0.1)
    assert observer.verdict(OWNER) is Verdict.EXPIRED


@pytest.mark.parametrize("change", ["mtime", "content", "inode", "older-mtime"])
def test_i6_any_change_of_the_lease_starts_the_watch_again(spool: Spool, clock: FakeClock, change: str) -> None:
    """Its mtime is somebody else's clock: that it changed counts, never what it says."""
    remote(spool)
    path = beat(spool)
    os.utime(path, (10**9, 10**9))
    observer = Observer(spool, clock)
    observer.verdict(OWNER)
    assert watched(observer, clock, LEASE - 5) is Verdict.ALIVE
    match change:
        case "mtime":
            os.utime(path, (2 * 10**9, 2 * 10**9))
        case "older-mtime":
            os.utime(path, (1, 1))
        case "content":
            path.write_text("other")
            os.utime(path, (10**9, 10**9))
        case _:
            twin = path.with_name("twin")
            twin.write_text("marker")
            os.utime(twin, (10**9, 10**9))
            twin.rename(path)
    assert watched(observer, clock, LEASE) is Verdict.ALIVE
    assert watched(observer, clock, 5) is Verdict.EXPIRED


def test_i6_the_duration_is_the_owner_s_own_stated_one(spool: Spool, clock: FakeClock) -> None:
    remote(spool, lease_seconds=60.0)
    beat(spool)
    observer = Observer(spool, clock)
    observer.verdict(OWNER)
    assert watched(observer, clock, 55) is Verdict.ALIVE
    assert watched(observer, clock, 5) is Verdict.EXPIRED


def test_i6_an_observer_that_was_suspended_starts_its_watch_again(spool: Spool, clock: FakeClock) -> None:
    """A laptop that slept slept with its sessions: nothing may expire at wake-up."""
    remote(spool)
    beat(spool)
    observer = Observer(spool, clock)
    observer.verdict(OWNER)
    watched(observer, clock, 10)
    clock.advance(8 * 3600)
    assert observer.verdict(OWNER) is not Verdict.EXPIRED
    assert watched(observer, clock, LEASE - 5) is Verdict.ALIVE
    assert watched(observer, clock, 5) is Verdict.EXPIRED


def test_i6_a_short_suspension_expires_no_session_with_a_short_lease(spool: Spool, clock: FakeClock) -> None:
    """15 s of sleep are no gap for an observer of 30 s leases, and more than a whole lease of 10 s."""
    remote(spool, lease_seconds=10.0)
    beat(spool)
    observer = Observer(spool, clock)
    observer.verdict(OWNER)
    clock.advance(15)
    assert observer.verdict(OWNER) is not Verdict.EXPIRED


def test_i6_a_gap_of_more_than_half_a_lease_starts_the_watch_again(spool: Spool, clock: FakeClock) -> None:
    """Kills: a watch goes on over a gap that is shorter than a whole lease.

    An owner that was suspended with its observer beats again within a third of its lease, and must be seen doing so.
    """
    remote(spool)
    beat(spool)
    observer = Observer(spool, clock)
    observer.verdict(OWNER)
    clock.advance(LEASE / 2 + 1)
    observer.verdict(OWNER)
    assert watched(observer, clock, LEASE - 5) is Verdict.ALIVE, "counted from the look after the gap"
    assert watched(observer, clock, 5) is Verdict.EXPIRED


def test_i6_looks_at_every_half_of_a_lease_see_it_expire(spool: Spool, clock: FakeClock) -> None:
    remote(spool)
    beat(spool)
    observer = Observer(spool, clock)
    observer.verdict(OWNER)
    assert watched(observer, clock, LEASE, step=LEASE / 2) is Verdict.EXPIRED


def test_i6_a_gap_below_a_second_is_an_ordinary_delay_however_short_the_lease(spool: Spool, clock: FakeClock) -> None:
    remote(spool, lease_seconds=1.0)
    beat(spool)
    observer = Observer(spool, clock)
    observer.verdict(OWNER)
    assert watched(observer, clock, 1.8, step=0.9) is Verdict.EXPIRED


def test_i6_a_process_that_could_not_tell_its_start_time_is_not_proven_dead_by_its_pid(
    spool: Spool, clock: FakeClock
) -> None:
    """Kills: a free pid proves the death of a session without a start time.

    Such a session runs where /proc is not to be read; for an observer there every process looks gone.
    """
    register(spool, pid=2**22 + 12345, start=None)
    beat(spool)
    observer = Observer(spool, clock)
    assert observer.verdict(OWNER) is Verdict.ALIVE
    observer.verdict(OWNER)
    assert watched(observer, clock, LEASE - 5) is Verdict.ALIVE
    assert watched(observer, clock, 5) is Verdict.EXPIRED, "its lease tells"


def test_i6_an_observer_that_could_not_read_starts_its_watch_again(spool: Spool, clock: FakeClock) -> None:
    remote(spool)
    path = beat(spool)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    observer = Observer(spool, clock)
    observer.verdict(OWNER)
    assert watched(observer, clock, LEASE - 5) is Verdict.ALIVE
    hidden = path.rename(path.with_name("hidden"))
    os.mkfifo(path)
    assert observer.verdict(OWNER) is Verdict.UNKNOWN
    path.unlink()
    hidden.rename(path)
    os.utime(path, ns=times)
    assert watched(observer, clock, LEASE) in (Verdict.ALIVE, Verdict.UNKNOWN)
    assert watched(observer, clock, 10) is Verdict.EXPIRED


def test_i6_no_lease_on_a_local_file_system_means_absent_at_once(spool: Spool, clock: FakeClock) -> None:
    assert Observer(spool, clock).verdict(OWNER) is Verdict.ABSENT


def test_i6_no_lease_on_a_network_file_system_must_be_seen_for_a_whole_duration(
    shared: Spool, clock: FakeClock
) -> None:
    """A cached directory may hide a new name for half a minute there."""
    observer = Observer(shared, clock)
    assert observer.verdict(OWNER) is Verdict.UNKNOWN
    assert watched(observer, clock, 175) is Verdict.UNKNOWN
    assert watched(observer, clock, 5) is Verdict.ABSENT


def test_i6_a_lease_that_appears_on_a_network_file_system_ends_the_watch_for_its_absence(
    shared: Spool, clock: FakeClock
) -> None:
    observer = Observer(shared, clock)
    observer.verdict(OWNER)
    watched(observer, clock, 175)
    beat(shared)
    assert watched(observer, clock, 10) is Verdict.ALIVE


def test_i6_forget_and_unchanged(spool: Spool, clock: FakeClock) -> None:
    remote(spool)
    beat(spool)
    observer = Observer(spool, clock)
    assert observer.unchanged_s(OWNER) is None
    observer.verdict(OWNER)
    clock.advance(7)
    assert observer.unchanged_s(OWNER) == 7
    observer.forget(OWNER)
    assert observer.unchanged_s(OWNER) is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"owner": "w-box-1"}', '{"pid": 1e999}', "{" * 100_000],
    ids=["empty", "torn", "array", "parts-missing", "infinite", "deep"],
)
def test_i7_a_damaged_session_file_proves_nothing(spool: Spool, clock: FakeClock, text: str) -> None:
    spool.path("sessions", f"{OWNER}.json").write_text(text)
    beat(spool)
    assert session.read(spool, OWNER) is None
    assert Observer(spool, clock).verdict(OWNER) is Verdict.UNKNOWN


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "1e999"])
def test_i7_a_lease_duration_that_is_no_number_does_not_keep_a_session_for_ever(
    spool: Spool, clock: FakeClock, seconds: str
) -> None:
    remote(spool)
    beat(spool)
    path = spool.path("sessions", f"{OWNER}.json")
    path.write_text(path.read_text().replace('"lease_seconds": 30.0', f'"lease_seconds": {seconds}'))
    observer = Observer(spool, clock)
    observer.verdict(OWNER)
    assert watched(observer, clock, LEASE) is Verdict.EXPIRED, "the default duration holds"


def test_a_record_that_names_another_owner_is_not_believed(spool: Spool) -> None:
    register(spool)
    path = spool.path("sessions", f"{OWNER}.json")
    path.rename(path.with_name("w-box-2.json"))
    assert session.read(spool, "w-box-2") is None
    assert session.read(spool, "../sessions/w-box-2") is None


def test_the_agents_of_a_session_are_durable_and_removed_by_mark(spool: Spool) -> None:
    file = session.SessionFile(spool, session.this_process(OWNER, "opencode", LEASE, 0))
    file.add_agent(session.Agent("a", 1, "a.a1.w-box-1", 4711, "start"))
    file.add_agent(session.Agent("b", 1, "b.a1.w-box-1", 4712, None))
    file.remove_agent("a.a1.w-box-1")
    file.set_state("draining")
    record = session.read(spool, OWNER)
    assert record == file.record
    assert record is not None
    assert [agent.job_id for agent in record.agents] == ["b"]
    assert session.owners(spool) == [OWNER]


REMOTE = ids.remote_owner("laptop-3f9a2c", "0123abcd")


@pytest.mark.parametrize("topology", ["local", "shared"])
@pytest.mark.parametrize("trace", ["nothing", "an old lease", "a dead record", "a stopped record", "a verdict"])
def test_no_file_and_no_lack_of_one_tells_that_a_remote_owner_is_gone(
    tmp_path: Path, clock: FakeClock, topology: str, trace: str
) -> None:
    spool = make_spool(tmp_path / "spool", topology=topology)
    if trace == "an old lease":
        spool.path("leases", f"{REMOTE}.lease").write_text("marker")
    elif trace == "a dead record":
        session.SessionFile(spool, replace(session.this_process(REMOTE, "opencode", LEASE, 0), start="another"))
    elif trace == "a stopped record":
        session.SessionFile(spool, replace(session.this_process(REMOTE, "opencode", LEASE, 0), state="stopped"))
    elif trace == "a verdict":
        judgement.publish(spool, judgement.judge(REMOTE, "absent", 1.0, by="r-box-1", host="box", now_ms=0))
    observer = Observer(spool, clock)
    for _ in range(100):
        assert observer.verdict(REMOTE) is Verdict.REMOTE
        clock.advance(10)
    assert Verdict.REMOTE not in GONE
    assert known_gone(spool, REMOTE) == ""


def test_a_reaper_leaves_what_a_remote_owner_holds(tmp_path: Path, clock: FakeClock) -> None:
    spool = make_spool(tmp_path / "spool")
    queue, events = spool_queue(spool, clock), Recorder()
    queue.enqueue_many([request("a"), request("b"), request("c")])
    claimed, running = claim_one(queue, REMOTE), run_one(queue, REMOTE)
    other = claim_one(queue, OWNER)
    reaper = Reaper(queue, clock, events, me="r-box-1")
    assert [reaped.token for reaped in reaper.round()] == [other]
    for _ in range(20):
        clock.advance(60)
        assert reaper.round() == []
        reaper.bury()
    assert queue.holds(claimed)
    assert queue.holds(running)
    assert not spool.path("sessions", f"{REMOTE}.gone").exists()


def test_a_session_of_an_older_wf_that_is_called_alike_can_be_found_gone(spool: Spool, clock: FakeClock) -> None:
    assert Observer(spool, clock).verdict("at-home-box-0123abcd") is Verdict.ABSENT
