"""Finished jobs in packs: nothing of them is lost, their keys stay taken, and a retry brings them back."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.packed import OWNER, files_of_jobs, finished, pack, queue_of, spool_with_packs
from support.round_trips import counted
from support.spools import (
    POOL,
    SUCCESS,
    claim_one,
    make_spool,
    problems,
    recover,
    request,
    run_one,
    staged_entries,
    tokens_on_disk,
    where,
)
from support.views import write_session
from wf_cli import seams
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.errors import Refused, SpoolError
from wf_cli.queue.values import JobRequest
from wf_cli.spool import attempt, change, enqueue, layout, packing, retention, scan, verify
from wf_cli.spool.late import LateResult
from wf_cli.spool.layout import Spool
from wf_cli.spool.packs import BLOCK, Entry, Pack, encode


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return spool_with_packs(tmp_path / "spool")


def entry(n: int, attempt: int = 1) -> Entry:
    outcomes = tuple((k, f'{{"n": {n}, "attempt": {k}}}') for k in range(1, attempt + 1))
    return Entry(f"job-{n}", f"5.{n:013d}.job-{n}.x.json", attempt, n, f'{{"é": {n}}}\n', outcomes)


# -- the file


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK, BLOCK + 1, 1000])
def test_every_entry_is_found_and_no_other(tmp_path: Path, count: int) -> None:
    entries = [entry(n, 1 + n % 3) for n in range(count)]
    random.Random(1).shuffle(entries)
    path = tmp_path / "1-a.pack"
    path.write_bytes(encode(entries, ["0-b.pack"]))
    found = Pack(path)
    assert (len(found), found.replaces) == (count, ("0-b.pack",))
    assert all(found.find(one.job_id) == one for one in entries)
    assert found.find(f"job-{count}") is None
    assert sorted(found, key=lambda e: e.job_id) == sorted(entries, key=lambda e: e.job_id)


def test_ids_with_one_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wf_cli.spool.packs._hash", lambda job_id: len(job_id))
    entries = [entry(n) for n in range(300)]
    (tmp_path / "1-a.pack").write_bytes(encode(entries))
    found = Pack(tmp_path / "1-a.pack")
    assert all(found.find(one.job_id) == one for one in entries)


def test_the_latest_of_several_entries_of_a_job_counts(spool: Spool) -> None:
    later, earlier = entry(1, 3), entry(1, 2)
    spool.path("packed", "2-a.pack").write_bytes(encode([earlier]))
    spool.path("packed", "1-b.pack").write_bytes(encode([later, earlier]))
    assert spool.packed("job-1") == later
    assert list(spool.packs.entries()) == [later]


def test_a_damaged_pack_is_named_and_gives_no_key_out(spool: Spool, tmp_path: Path) -> None:
    whole = encode(entry(n) for n in range(200))
    path = spool.path("packed", "1-a.pack")
    rng = random.Random(7)
    damages: list[Callable[[], bytes]] = [
        lambda: whole[: rng.randrange(len(whole))],
        lambda: b"",
        lambda: b"x" + whole[1:],
        lambda: whole[:-1],
        lambda: _flipped(whole, rng),
    ]
    said = set()
    for n in range(200):
        path.write_bytes(damages[n % len(damages)]())
        fresh = layout.open_spool(spool.root)
        try:
            for k in range(200):
                assert fresh.packed(f"job-{k}") == entry(k), "what can be read is what was written"
        except SpoolError as error:
            said.add((error.code, str(path) in error.message))
    assert said == {("DAMAGED_PACK", True)}
    path.write_bytes(b"")
    with pytest.raises(SpoolError, match=r"1-a\.pack is damaged"):
        queue_of(spool.root).enqueue(request("fresh"))
    assert os.listdir(spool.folder("queued")) == []


def _flipped(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


# -- a job in a pack


def test_a_packed_job_leaves_no_file_and_is_all_there(spool: Spool) -> None:
    queue = queue_of(spool.root)
    finished(queue, "a", failures=2)
    was = [queue.spec("a"), *(queue.outcome("a", n) for n in (1, 2, 3))]
    done = queue.find("a")
    assert done is not None
    assert pack(queue).jobs == ["a"]
    assert files_of_jobs(spool) == []
    fresh = queue_of(spool.root)
    assert [fresh.spec("a"), *(fresh.outcome("a", n) for n in (1, 2, 3))] == was
    assert fresh.outcome("a", 4) is None
    now = fresh.find("a")
    assert now is not None
    assert (now.folder, now.token, now.status) == ("archive", done.token, done.status)
    assert problems(spool) == []


def test_its_key_stays_taken_for_the_same_and_for_another_job_of_its_id(spool: Spool) -> None:
    queue = queue_of(spool.root)
    finished(queue, "a")
    pack(queue)
    for _ in range(2):
        assert queue_of(spool.root).enqueue(request("a")).deduped
    assert files_of_jobs(spool) == []
    assert not os.listdir(spool.folder("tmp"))


@pytest.mark.parametrize("dead", [False, True])
def test_a_retry_brings_it_back_with_its_attempts_and_it_can_be_packed_again(spool: Spool, dead: bool) -> None:
    clock = FakeClock()
    queue = queue_of(spool.root, clock)
    finished(queue, "a", dead=dead)
    pack(queue, clock)
    assert queue_of(spool.root, clock).retry("a", force=not dead)
    assert where(queue, "a") == "queued"
    assert problems(spool) == []
    token = run_one(queue, OWNER)
    assert token.attempt == 2
    clock.advance(5)
    queue.end(token, SUCCESS, by=OWNER)
    assert pack(queue, clock).jobs == ["a"]
    assert files_of_jobs(spool) == []
    assert [queue.outcome("a", n) is not None for n in (1, 2, 3)] == [True, True, False]
    assert queue.enqueue(request("a")).deduped
    assert problems(spool) == []


def test_a_retried_job_that_is_cancelled_before_it_runs_is_packed_as_what_it_is(spool: Spool) -> None:
    clock = FakeClock()
    queue = queue_of(spool.root, clock)
    finished(queue, "a")
    pack(queue, clock)
    queue.retry("a", force=True)
    clock.advance(5)
    queue.cancel("a", by="op-box-1")
    assert pack(queue, clock).jobs == ["a"]
    placed = queue_of(spool.root).find("a")
    assert placed is not None
    assert placed.token.status == "cancelled"


def test_a_job_that_never_ran_is_packed_too(spool: Spool) -> None:
    queue = queue_of(spool.root)
    queue.enqueue(request("a"))
    queue.cancel("a", by="op-box-1")
    assert pack(queue).jobs == ["a"]
    assert queue.enqueue(request("a")).deduped


def test_steps_late_results_transcripts_and_damaged_jobs_stay_loose(spool: Spool) -> None:
    queue = queue_of(spool.root)
    target = Target("01", 0, "code", POOL.role, epic_id="01")
    step = queue.enqueue(JobRequest(role=POOL.role, runtime=POOL.runtime, target=target)).job_id
    queue.end(run_one(queue, OWNER), SUCCESS, by=OWNER)
    for key in ("late", "said", "torn", "lacking", "fine"):
        finished(queue, key)
    outcome = queue.outcome("late", 1)
    assert outcome is not None
    attempt.keep_late(spool, outcome, "v-box-1")
    spool.transcript_path("said", 1).write_text("said\n")
    spool.outcome_path("torn", 1).write_text("{")
    spool.outcome_path("lacking", 1).unlink()
    assert pack(queue).jobs == ["fine"]
    loose = {token.job_id for token in scan.listing(spool, "archive")}
    assert loose == {"late", "said", "torn", "lacking", step}


def test_a_late_result_that_comes_after_its_job_was_packed_waits_for_an_operator(spool: Spool) -> None:
    queue = queue_of(spool.root)
    finished(queue, "a", dead=True)
    outcome = queue.outcome("a", 1)
    assert outcome is not None
    pack(queue)
    attempt.keep_late(spool, replace(outcome, end=End.SUCCEEDED, owner="v-box-1", failure=None), "v-box-1")
    assert problems(spool) == []
    assert queue.apply_late(LateResult("a", 1, "v-box-1"), by="op-box-1").accepted
    placed = queue.find("a")
    assert placed is not None
    assert (placed.folder, placed.token.attempt, placed.token.status) == ("done", 2, "succeeded")
    assert problems(spool) == []


def test_an_old_token_that_somebody_puts_back_does_not_run_again(spool: Spool) -> None:
    queue = queue_of(spool.root)
    queue.enqueue(request("a"))
    (queued,) = spool.folder("queued").iterdir()
    copy = queued.read_bytes()
    queue.end(run_one(queue, OWNER), SUCCESS, by=OWNER)
    pack(queue)
    queued.write_bytes(copy)
    again = queue_of(spool.root)
    token = claim_one(again, "v-box-1")
    with again.fence("a"):
        assert again.start(token) == "ended"


# -- races: each at the point where it is the worst


def at(point: str, do: Callable[[], object]) -> None:
    """Do it once, when the point is reached first."""

    def hook(name: str) -> None:
        if name == point:
            seams.install(None)
            do()

    seams.install(hook)


@pytest.fixture(autouse=True)
def _no_hook() -> object:
    yield
    seams.install(None)


@pytest.mark.parametrize("point", ["enqueue.part", "enqueue.staged", "enqueue.synced"])
def test_an_enqueue_whose_key_is_packed_under_it_makes_no_second_job(spool: Spool, point: str) -> None:
    queue = queue_of(spool.root)
    finished(queue, "a")
    other = queue_of(spool.root)
    # It did not see the key, because its look was an old one.
    entries = staged_entries("a")
    at(point, lambda: pack(other))
    reserved = enqueue._reserved
    enqueue._reserved = lambda *_: False  # type: ignore[assignment]
    try:
        assert enqueue.admit(layout.open_spool(spool.root), entries) == [False]
    finally:
        enqueue._reserved = reserved
    assert files_of_jobs(spool) == []
    assert not os.listdir(spool.folder("tmp"))
    assert problems(spool) == []


def test_a_sweeper_takes_the_reservation_back_that_a_dead_enqueuer_left(spool: Spool) -> None:
    queue = queue_of(spool.root)
    finished(queue, "a")
    pack(queue)
    (one,) = staged_entries("a")
    enqueue._stage(spool, one)
    assert enqueue._reserve(spool, one)
    assert enqueue.sweep(layout.open_spool(spool.root)) == []
    assert files_of_jobs(spool) == []
    assert problems(spool) == []


def test_a_reservation_without_anything_else_is_freed_by_the_next_session(spool: Spool) -> None:
    queue = queue_of(spool.root)
    finished(queue, "a")
    pack(queue)
    (one,) = staged_entries("a")
    enqueue._stage(spool, one)
    enqueue._reserve(spool, one)
    spool.path("tmp", one.staged).unlink()
    assert [text.split(":")[0] for text in problems(spool)] == ["left_packed"]
    recover(layout.open_spool(spool.root), FakeClock())
    assert files_of_jobs(spool) == []
    assert problems(spool) == []


@pytest.mark.parametrize("point", ["pack.part", "pack.published"])
def test_a_job_that_is_retried_while_it_is_packed_stays_whole(spool: Spool, point: str) -> None:
    queue = queue_of(spool.root)
    finished(queue, "a", failures=1)
    finished(queue, "b")
    queue.gc(older_s=-1.0)
    at(point, lambda: queue_of(spool.root).retry("a", force=True))
    assert packing.run(spool, FakeClock()).jobs == ["b"]
    assert where(queue, "a") == "queued"
    assert problems(spool) == []
    assert run_one(queue, OWNER).attempt == 3


def test_packs_are_merged_while_somebody_reads_and_stay_few(spool: Spool) -> None:
    clock = FakeClock()
    queue = queue_of(spool.root, clock)
    reader = layout.open_spool(spool.root)
    keys = [f"k{n}" for n in range(3 * packing.MOST_PACKS)]
    for key in keys:
        finished(queue, key)
        clock.advance(1)
        pack(queue, clock)
        assert reader.packed(keys[0], age_s=1e9) is not None
        assert reader.packed(key, age_s=0.0) is not None
    assert len(os.listdir(spool.folder("packed"))) <= packing.MOST_PACKS
    assert all(answer.deduped for answer in queue.enqueue_many([request(key) for key in keys]))
    assert sorted(e.job_id for e in spool.packs.entries()) == sorted(keys)


def test_on_a_shared_spool_the_files_stay_until_every_host_has_seen_the_pack(tmp_path: Path) -> None:
    spool = spool_with_packs(tmp_path / "spool", topology="shared")
    queue = queue_of(spool.root)
    finished(queue, "a")
    first = pack(queue)
    assert (first.jobs, first.waiting) == ([], 1)
    assert where(queue, "a") == "archive"
    (made,) = spool.folder("packed").iterdir()
    os.utime(made, (made.stat().st_mtime - packing.RIPE_S - 1,) * 2)
    assert packing.run(spool, FakeClock()).jobs == ["a"]
    assert [name for name in files_of_jobs(spool) if not name.startswith("locks/")] == []
    assert queue_of(spool.root).enqueue(request("a")).deduped
    assert queue_of(spool.root).retry("a", force=True)
    assert problems(spool) == []


# -- what it costs


def test_the_number_of_files_does_not_grow_with_the_number_of_jobs(spool: Spool) -> None:
    clock = FakeClock()
    queue = queue_of(spool.root, clock)
    counts = []
    for batch in range(4):
        for n in range(25):
            finished(queue, f"b{batch}-{n}")
        clock.advance(1)
        pack(queue, clock)
        counts.append(sum(len(names) for _, _, names in os.walk(spool.root)))
    assert counts[3] - counts[0] == 3, f"one pack for each gc, until they are merged: {counts}"


def test_a_fresh_key_is_told_from_memory_however_many_are_packed(spool: Spool) -> None:
    spool.path("packed", "1-a.pack").write_bytes(encode(entry(n) for n in range(5000)))
    assert spool.packed("warm-up") is None
    with counted(spool.root) as trips:
        for n in range(500):
            assert spool.packed(f"fresh-{n}", age_s=1e9) is None
    assert len(trips.calls) <= 1, trips.calls


# -- the format


def test_a_spool_gets_packs_only_when_it_is_asked_for_and_older_versions_refuse_it(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    queue = queue_of(spool.root)
    finished(queue, "a")
    assert pack(queue).jobs == []
    assert where(queue, "a") == "archive"
    assert os.listdir(spool.folder("packed")) == []
    assert json.loads((spool.root / "VERSION").read_text())["format"] == 1
    assert change.allow_packs(spool.root)
    assert not change.allow_packs(spool.root)
    assert json.loads((spool.root / "VERSION").read_text())["format"] == 2
    assert layout.open_spool(spool.root).version.id == spool.version.id
    with pytest.raises(SpoolError):
        spool.assert_same()


def test_packs_are_refused_while_a_session_that_may_be_older_has_not_ended(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    write_session(spool, "w-alive-1")
    with pytest.raises(Refused, match="w-alive-1"):
        change.allow_packs(spool.root)
    assert json.loads((spool.root / "VERSION").read_text())["format"] == 1
    write_session(spool, "w-alive-1", state="stopped")
    assert change.allow_packs(spool.root)


def test_a_damaged_loose_rest_of_a_packed_job_is_repaired(spool: Spool) -> None:
    queue = queue_of(spool.root)
    finished(queue, "a")
    loose = {
        folder: {path.name: path.read_bytes() for path in spool.folder(folder).iterdir() if path.is_file()}
        for folder in ("jobs", "outcomes", "done")
    }
    pack(queue)
    for folder in ("jobs", "outcomes"):
        for name, data in loose[folder].items():
            spool.path(folder, name).write_bytes(data)
            verify.verify(layout.open_spool(spool.root), FakeClock(), fix=True)
            assert files_of_jobs(spool) == [], folder
            assert problems(spool) == []


# -- purge


@pytest.mark.parametrize("packed", [False, True])
def test_a_purged_job_leaves_nothing_and_its_key_is_free(spool: Spool, packed: bool) -> None:
    clock = FakeClock()
    queue = queue_of(spool.root, clock)
    for key in ("a", "b"):
        finished(queue, key, failures=1)
    if packed:
        pack(queue, clock)
    placed = queue.find("a")
    assert placed is not None
    assert retention.purge_own(spool, clock, [placed]) == (["a"], {})
    fresh = queue_of(spool.root, clock)
    assert fresh.find("a") is None
    assert not [name for name in files_of_jobs(spool) if "a" in name.split("/")[1].split(".")]
    assert fresh.enqueue(request("b")).deduped
    assert not fresh.enqueue(request("a")).deduped
    assert run_one(fresh, OWNER).attempt == 1
    assert problems(spool) == []


def test_a_job_that_was_packed_and_retried_and_ended_again_is_purged_whole(spool: Spool) -> None:
    clock = FakeClock()
    queue = queue_of(spool.root, clock)
    finished(queue, "a")
    pack(queue, clock)
    queue.retry("a", force=True)
    queue.end(run_one(queue, OWNER), SUCCESS, by=OWNER)
    placed = queue.find("a")
    assert placed is not None
    assert retention.purge_own(spool, clock, [placed])[0] == ["a"]
    assert not queue_of(spool.root, clock).enqueue(request("a")).deduped


def test_live_jobs_and_steps_are_not_purged_and_a_revived_one_stays_whole(spool: Spool) -> None:
    clock = FakeClock()
    queue = queue_of(spool.root, clock)
    target = Target("01", 0, "code", POOL.role, epic_id="01")
    queue.enqueue(JobRequest(role=POOL.role, runtime=POOL.runtime, target=target))
    queue.end(run_one(queue, OWNER), SUCCESS, by=OWNER)
    finished(queue, "revived")
    queue.enqueue(request("waits"))
    seen = queue.placed()
    at("purge.looked", lambda: queue_of(spool.root, clock).retry("revived", force=True))
    purged, stays = retention.purge_own(spool, clock, seen)
    assert purged == []
    assert {why.split(":")[0].split(",")[0] for why in stays.values()} == {
        "it is a step", "it is queued", "it came back to life",
    }  # fmt: skip
    assert len(tokens_on_disk(spool)) == 3
    assert problems(spool) == []


@pytest.mark.parametrize("topology", ["local", "shared"])
def test_purging_dies_after_the_new_pack_and_is_run_again(tmp_path: Path, topology: str) -> None:
    spool = spool_with_packs(tmp_path / "spool", topology=topology)
    clock = FakeClock()
    for key in ("a", "b"):
        entry_of = Entry(key, f"5.1764000000000.{key}.coder@opencode.a0b0of3.cancelled.json", 0, 1, "{}", ())
        spool.path("packed", f"1-{key}.pack").write_bytes(encode([entry_of]))

    class Dies(Exception):
        pass

    def die() -> None:
        raise Dies

    at("pack.published", die)
    with pytest.raises(Dies):
        packing.forget(spool, clock, ["a"])
    fresh = layout.open_spool(spool.root)
    assert fresh.packed("b") is not None
    assert fresh.packed("a") is None, "the pack that replaces the other one counts"
    packing.forget(fresh, clock, ["a"])
    packing.run(fresh, clock)
    assert layout.open_spool(spool.root).packed("a") is None
