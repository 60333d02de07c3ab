"""The power fails at every call of every transition, and takes back whatever was not synced.

Each spool that a disk may hold then is laid out as files (`support.power`), and a fresh session recovers it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.power import Disk, World, cuts
from support.recovery import found, possible
from support.scenarios import BY_NAME, SCENARIOS, Scenario, nothing, one_queued, open_at, stage_only
from support.spools import (
    POOL,
    RELEASE,
    SUCCESS,
    assert_sound,
    claim_one,
    make_spool,
    request,
    run_one,
    spool_queue,
    staged,
    state,
    tokens_on_disk,
)
from support.syncs import recording
from wf_cli.contract.job import End
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import enqueue, verify
from wf_cli.spool.layout import Spool
from wf_cli.spool.suspicion import Suspicions

ME = "w-box-1"


def tomorrow() -> FakeClock:
    clock = FakeClock()
    clock.advance(86400)
    return clock


def after_reboot(world: World, root: Path) -> SpoolQueue:
    """What a fresh session makes of a world. All sessions of before are dead."""
    world.lay_out(root)
    spool = open_at(root)
    verify.repair(spool, suspicions=Suspicions(tomorrow(), 0.0))  # on a shared spool it has watched for a lease
    enqueue.sweep(spool)
    queue = spool_queue(spool, tomorrow())
    queue.reap(lambda _owner: "seen dead", by="rescuer-box-1")
    return queue


def jobs(spool: Spool) -> set[str]:
    return {placed.token.job_id for placed in tokens_on_disk(spool)}


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s.name != "create"], ids=str)
def test_i3_i4_i5_a_power_cut_at_any_call_loses_doubles_and_forgets_nothing(
    tmp_path: Path, scenario: Scenario
) -> None:
    root = tmp_path / "project" / "spool"
    root.parent.mkdir()
    scenario.before(root)
    existed, before = jobs(open_at(root)), Disk.of(root)
    with recording(root) as calls:
        scenario.do(root)
    acknowledged = jobs(open_at(root))
    worlds = cuts(before, calls)
    assert len(worlds) > 1 or scenario.name == "enqueue-taken", "there is something to lose"
    for i, (world, done) in enumerate(worlds.items()):
        torn = tmp_path / f"torn-{i}"
        world.lay_out(torn)
        was = possible(open_at(torn))
        queue = after_reboot(world, tmp_path / f"world-{i}")
        now = found(queue.spool)
        assert existed <= set(now), str(world)
        assert all(now[job_id] in places for job_id, places in was.items()), f"invariant 5: {world}"
        if done == len(calls):
            assert acknowledged <= set(now), str(world)
        assert_sound(queue.spool, tomorrow())


@pytest.mark.parametrize("name", [s.name for s in SCENARIOS if s.name not in ("create", "recover")])
def test_what_returned_is_wholly_durable(tmp_path: Path, name: str) -> None:
    """After the last call one world is left, the one that everybody sees, or some that outcomes make the same."""
    root = tmp_path / "project" / "spool"
    root.parent.mkdir()
    BY_NAME[name].before(root)
    before = Disk.of(root)
    with recording(root) as calls:
        BY_NAME[name].do(root)
    left = [world for world, done in cuts(before, calls).items() if done == len(calls)]
    for i, world in enumerate(left):
        world.lay_out(tmp_path / f"world-{i}")
        spool = open_at(tmp_path / f"world-{i}")
        verify.repair(spool, suspicions=Suspicions(tomorrow(), 0.0))
        spool_queue(spool).reap(lambda _owner: "", by="rescuer-box-1")
        assert state(spool_queue(spool)) == state(spool_queue(open_at(root)))


@pytest.mark.parametrize("operator", ["retry", "hold", "cancel", "gc"])
def test_what_an_operator_did_to_a_job_is_not_taken_back_by_the_end_before(tmp_path: Path, operator: str) -> None:
    """The end of an attempt moves its token without a sync. When only that move comes undone, the token lies in
    running/ again, with an outcome that says where it was to go."""
    root = tmp_path / "project" / "spool"
    root.parent.mkdir()
    one_queued(root)
    queue = spool_queue(open_at(root))
    token, before = run_one(queue, ME), Disk.of(root)
    with recording(root) as calls:
        queue.end(token, RELEASE if operator in ("hold", "cancel") else SUCCESS, by=ME)
        match operator:
            case "retry":
                assert queue.retry("a", force=True)
            case "hold":
                assert queue.hold("a")
            case "cancel":
                assert queue.cancel("a", by="op-box-1") == "waiting"
            case "gc":
                assert queue.gc(older_s=-1.0)
    worlds = [world for world, done in cuts(before, calls).items() if done == len(calls)]
    assert worlds
    for i, world in enumerate(worlds):
        recovered = after_reboot(world, tmp_path / f"world-{i}")
        assert state(recovered) == state(queue), str(world)


def test_i1_an_attempt_whose_agent_may_have_been_spawned_is_never_given_out_again(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    one_queued(root)
    queue, before = spool_queue(open_at(root)), Disk.of(root)
    with recording(root) as calls:
        run_one(queue, ME)
    for i, (world, done) in enumerate(cuts(before, calls).items()):
        token = after_reboot(world, tmp_path / f"world-{i}").claim("x-box-1", {POOL})
        assert token is not None, str(world)
        assert done < len(calls) or token.attempt == 2, str(world)


def test_i5_an_end_that_was_told_stands(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    one_queued(root)
    queue = spool_queue(open_at(root))
    token, before = run_one(queue, ME), Disk.of(root)
    with recording(root) as calls:
        assert queue.end(token, SUCCESS, by=ME).accepted
    seen = set()
    for i, (world, done) in enumerate(cuts(before, calls).items()):
        rescued = after_reboot(world, tmp_path / f"world-{i}")
        outcome = rescued.outcome("a", 1)
        assert outcome is not None
        seen.add(outcome.end)
        if done == len(calls):
            assert outcome.end is End.SUCCEEDED, str(world)
    assert seen == {End.SUCCEEDED, End.LOST}


def test_i3_whoever_hears_of_a_duplicate_can_rely_on_the_job_although_its_enqueuer_did_not_sync_it(
    tmp_path: Path,
) -> None:
    """The first enqueuer is as far as its reservation, none of it synced; then the power fails for both."""
    root = tmp_path / "spool"
    nothing(root)
    spool, before = open_at(root), Disk.of(root)
    with recording(root) as calls:
        stage_only(spool, "a")
        (name,) = staged(spool)
        os.link(spool.path("tmp", name), spool.spec_path("a"))
        assert spool_queue(spool).enqueue(request("a")).deduped
    for i, (world, done) in enumerate(cuts(before, calls).items()):
        rescued = after_reboot(world, tmp_path / f"world-{i}")
        assert done < len(calls) or jobs(rescued.spool) == {"a"}, str(world)
        assert_sound(rescued.spool, tomorrow())


def test_i1_what_was_left_staged_beside_its_token_is_not_admitted_again(tmp_path: Path) -> None:
    """The last rename of an enqueue came back with half of it undone; the job has been claimed since."""
    spool = make_spool(tmp_path / "spool")
    stage_only(spool, "a")
    (name,) = staged(spool)
    (tmp_path / "kept").hardlink_to(spool.path("tmp", name))
    enqueue.sweep(spool)
    (tmp_path / "kept").rename(spool.path("tmp", name))
    (finding,) = verify.repair(spool, dry_run=True)
    assert (finding.kind, finding.detail) == ("left_staged", "a lies in queued/ already")
    assert [finding.fixed for finding in verify.repair(spool)] == [True]
    queue = spool_queue(spool)
    claim_one(queue, ME)
    assert queue.sweep() == []
    assert queue.claim("x-box-1", {POOL}) is None
    assert_sound(spool, jobs=1)


def test_what_another_enqueuer_staged_is_left_to_the_sweeper(tmp_path: Path) -> None:
    """Its nonce is not the one in jobs/: a duplicate, whose enqueuer may be about to find that out."""
    spool = make_spool(tmp_path / "spool")
    stage_only(spool, "a")
    spool_queue(spool).enqueue(request("a"))
    stage_only(spool, "a")
    assert verify.repair(spool) == []
    assert len(staged(spool)) == 1 + 1


def test_the_cuts_can_fail(tmp_path: Path) -> None:
    """Without syncs the same transition loses what it told."""
    root = tmp_path / "spool"
    nothing(root)
    before = Disk.of(root)
    with recording(root) as calls:
        spool_queue(open_at(root)).enqueue(request("a"))
    kept = [call for call in calls if call.what != "fsync"]
    lost = [w for w, done in cuts(before, kept).items() if done == len(kept) and not dict(w.folders)["queued"]]
    assert lost
    torn = [data for world in cuts(Disk.of(root), []) for _, data in world.files]
    assert all(torn), "what lay there before is durable"
    assert any(not data for world in lost for _, data in world.files)
