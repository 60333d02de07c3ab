"""What a look at a spool shows: derived statuses, rows, records, reasons. Hostile files cost their own facts only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import claim_one, failing, make_spool, request, run_one
from support.views import beat, clocked, make_late, sight, write_session
from wf_cli import schema
from wf_cli.cli.jobs import listing
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import control, scan
from wf_cli.spool.layout import Spool
from wf_cli.views import transcripts
from wf_cli.views.explain import explanation
from wf_cli.views.record import record
from wf_cli.views.rows import Row, row
from wf_cli.views.survey import survey
from wf_cli.views.viewer import Criteria, Viewer


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


@pytest.fixture
def queue(spool: Spool) -> SpoolQueue:
    return clocked(spool)[0]


def look(spool: Spool) -> Viewer:
    return Viewer(spool, FakeClock())


def rows(viewer: Viewer, sort: str = "status", limit: int | None = None) -> list[Row]:
    return [row(placed, viewer) for placed in survey(viewer, Criteria()).first(limit, sort)]


def document(queue: SpoolQueue, job_id: str) -> dict[str, object]:
    placed = queue.find(job_id)
    assert placed is not None
    return {"ok": True, "schema_version": 1, **record(placed, look(queue.spool)).to_json()}


# -- statuses


def test_a_job_whose_session_is_proven_dead_is_stalled(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("a"))
    token = run_one(queue)
    beat(spool, "w-box-1")
    write_session(spool, "w-box-1", token, dead=True)
    (placed,) = scan.everything(spool)
    viewer = look(spool)
    assert viewer.status(placed) is Status.STALLED
    assert survey(viewer, Criteria()).counts == {**dict.fromkeys(map(str, Status), 0), "stalled": 1}
    assert row(placed, viewer).reason == "its session w-box-1 is dead"


def test_a_living_session_and_one_of_another_host_are_not_stalled(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue_many([request("a"), request("b")])
    for owner, facts in (("w-box-1", {}), ("w-far-1", {"boot_id": "another", "host": "far"})):
        token = run_one(queue, owner)
        beat(spool, owner)
        write_session(spool, owner, token, **facts)
    viewer = look(spool)
    assert {viewer.status(p) for p in scan.everything(spool)} == {Status.RUNNING}
    found = {p.token.owner: record(p, viewer).lease for p in scan.everything(spool)}
    assert [getattr(found[owner], "expired", "none") for owner in ("w-box-1", "w-far-1")] == [False, None]


def test_one_that_watches_sees_a_remote_lease_expire(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("a"))
    token = run_one(queue, "w-far-1")
    beat(spool, "w-far-1")
    write_session(spool, "w-far-1", token, boot_id="another")
    clock = FakeClock()
    viewer = Viewer(spool, clock)
    (placed,) = scan.everything(spool)
    seen = []
    for _ in range(6):
        viewer.refresh()
        seen.append(viewer.status(placed))
        clock.advance(10)
    assert seen[0] is Status.RUNNING
    assert seen[-1] is Status.STALLED


# -- rows


def test_rows_are_ordered_and_limited_by_names_alone(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue_many([request("low", priority=9), request("high", priority=0), request("mid")])
    viewer = look(spool)
    assert [r.job_id for r in rows(viewer, "priority")] == ["high", "mid", "low"]
    assert [r.job_id for r in rows(viewer, "age", 1)] == ["low"]
    assert {(r.owner, r.reason, r.ready_at) for r in rows(viewer)} == {(None, None, None)}


@pytest.mark.parametrize(
    ("ending", "folder", "reason"),
    [
        (failing("crashed"), "queued", "crashed: it was crashed"),
        (failing("invalid_spec"), "dead", "invalid_spec: it was invalid_spec"),
        (Ending(End.CANCELLED, reason="not needed"), "done", "not needed"),
        (Ending(End.RELEASED, reason="drained"), "queued", "drained"),
        (Ending(End.SUCCEEDED), "done", None),
    ],
)
def test_the_reason_comes_from_the_last_outcome(
    queue: SpoolQueue, spool: Spool, ending: Ending, folder: str, reason: str | None
) -> None:
    queue.enqueue(request("a"))
    queue.end(run_one(queue), ending, by="w-box-1")
    (placed,) = scan.everything(spool)
    assert (placed.folder, row(placed, look(spool)).reason) == (folder, reason)


def test_a_retried_job_tells_of_its_past(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("a"))
    queue.end(run_one(queue), failing("invalid_spec"), by="w-box-1")
    assert queue.retry("a")
    (placed,) = scan.everything(spool)
    assert row(placed, look(spool)).reason == "retried after invalid_spec: it was invalid_spec"


def test_the_reason_of_a_queued_job_is_told_as_the_last_one_because_it_may_be_repaired(spool: Spool) -> None:
    queue, clock = clocked(spool)
    queue.enqueue_many([request("a"), request("b")])
    queue.end(run_one(queue), Ending(End.RELEASED, reason="locks/a.lock is no lock"), by="w-box-1")
    queue.end(run_one(queue), failing("invalid_spec"), by="w-box-1")
    clock.advance(300)
    found = {p.token.job_id: row(p, Viewer(spool, clock)) for p in scan.everything(spool)}
    released = next(r for r in found.values() if r.status == "queued")
    assert (released.reason, released.reason_age_s) == ("locks/a.lock is no lock", 300.0)
    assert list(listing.lines([released]))[-1].endswith("last time, 5m00s ago: locks/a.lock is no lock")
    dead = next(r for r in found.values() if r.status == "failed")
    assert dead.reason_age_s is None, "a dead job is dead for this reason now"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"status": 7}', "[" * 100_000, "\xff"])
def test_a_damaged_outcome_costs_the_reason_only(queue: SpoolQueue, spool: Spool, content: str) -> None:
    queue.enqueue(request("a"))
    queue.end(run_one(queue), failing("invalid_spec"), by="w-box-1")
    spool.outcome_path("a", 1).write_text(content, encoding="latin-1")
    (placed,) = scan.everything(spool)
    assert row(placed, look(spool)).reason is None
    assert schema.problems("job", document(queue, "a")) == []


def test_a_pipe_or_a_link_as_outcome_neither_blocks_nor_is_read(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue_many([request("a"), request("b")])
    for _ in range(2):
        queue.end(run_one(queue), failing("invalid_spec"), by="w-box-1")
    for job_id in ("a", "b"):
        spool.outcome_path(job_id, 1).unlink()
    os.mkfifo(spool.outcome_path("a", 1))
    spool.outcome_path("b", 1).symlink_to("/etc/hostname")
    viewer = look(spool)
    assert [r.reason for r in rows(viewer)] == [None, None]


# -- selection


def test_criteria_take_any_value_of_each_kind_and_all_kinds_together(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue_many([request("a"), request("b", Pool("reviewer", "cursor")), request("c")])
    queue.end(run_one(queue, "w-box-1"), failing("invalid_spec"), by="w-box-1")
    viewer = look(spool)

    def fitting(criteria: Criteria) -> list[str]:
        return sorted(p.token.job_id for p in scan.everything(spool) if criteria.fits(p, viewer))

    assert fitting(Criteria()) == ["a", "b", "c"]
    assert fitting(Criteria(roles=frozenset({"reviewer", "nobody"}))) == ["b"]
    assert fitting(Criteria(runtimes=frozenset({"opencode"}), statuses=frozenset({Status.QUEUED}))) == ["c"]
    assert fitting(Criteria(errors=frozenset({"permanent"}))) == ["a"]
    assert fitting(Criteria(owners=frozenset({"w-box"}))) == ["a"]
    assert fitting(Criteria(plans=frozenset({"01"}))) == []
    assert not Criteria()
    assert Criteria(epics=frozenset({"01"}))


# -- records


def test_a_record_at_every_point_of_a_life_is_valid(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("a", payload={"x": [1, None]}))

    def status() -> object:
        found = document(queue, "a")
        assert schema.problems("job", found) == []
        return found["status"]

    seen = [status()]
    token = claim_one(queue)
    beat(spool, "w-box-1")
    write_session(spool, "w-box-1")
    seen.append(status())
    with queue.fence("a"):
        queue.start(token)
    write_session(spool, "w-box-1", token)
    seen.append(status())
    found = document(queue, "a")
    assert found["attempts"] == [
        {
            "attempt": 1, "owner": "w-box-1", "started_at": None, "ended_at": None, "status": "running",
            "error": None, "usage": None, "session_id": "ses_1", "transcript": None, "accepted": None,
        }
    ]  # fmt: skip
    spool.transcript_path("a", 1).write_text("hello\n", encoding="utf-8")
    queue.end(token, failing("gate_failed"), by="w-box-1")
    seen.append(status())
    assert document(queue, "a")["error"] == {
        "class": "quality",
        "code": "gate_failed",
        "message": "it was gate_failed",
    }
    queue.cancel("a", by="operator-box-1")
    seen.append(status())
    assert seen == ["queued", "claimed", "running", "queued", "cancelled"]
    (attempt,) = record(queue.find("a"), look(spool)).attempts  # type: ignore[arg-type]
    assert (attempt.transcript, attempt.accepted) == ("transcripts/a.a1.log", True)


def test_a_late_result_is_an_attempt_that_was_not_accepted(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("a"))
    make_late(queue, run_one(queue), answer=42)
    attempts = document(queue, "a")["attempts"]
    assert [(a["status"], a["accepted"]) for a in attempts] == [("lost", True), ("succeeded", False)]  # type: ignore[attr-defined]
    assert schema.problems("job", document(queue, "a")) == []


def test_a_hostile_token_without_spec_still_makes_a_valid_record(queue: SpoolQueue, spool: Spool) -> None:
    name = "5.1764000000000.evil.coder@opencode.a999999b0of999999.json"
    spool.path("queued", name).write_text("{}", encoding="utf-8")
    spool.spec_path("evil").write_text('{"job_id": "evil"}', encoding="utf-8")
    found = document(queue, "evil")
    assert schema.problems("job", found) == []
    assert found["payload"] is None
    assert "problem" in found


# -- why


def test_each_obstacle_of_a_waiting_job_is_named_with_its_command(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("a", delay_s=60.0))
    control.request(spool, "pause", FakeClock(), reason="lunch")
    control.request(spool, "cooldown.opencode", FakeClock(), seconds=30.0)
    placed = queue.find("a")
    assert placed is not None
    found = explanation(placed, sight(look(spool), placed), epic_paused=lambda _epic: False)
    holds = {c.name: c.holds for c in found.conditions}
    assert holds == {"not_paused": False, "not_cooling_down": False, "ready": False, "worker": False}
    assert {c.command for c in found.conditions} == {
        "wf resume", "wf resume --runtime opencode", "wf retry --now a",
        "wf worker coder --runtime opencode --watch",
    }  # fmt: skip
    assert found.next == "wf resume"


def test_a_plan_job_waits_for_the_checkout_and_its_epic(queue: SpoolQueue, spool: Spool) -> None:
    from wf_cli.contract.identity import Target
    from wf_cli.queue.values import JobRequest

    for plan in ("01", "02"):
        target = Target(plan, 0, "code", "plan-coder", epic_id="01")
        queue.enqueue(JobRequest(role="plan-coder", runtime="opencode", target=target))
    run_one(queue, "w-box-1", Pool("plan-coder", "opencode"))
    placed = queue.find("e01-p02-i0-code-plan-coder")
    assert placed is not None
    found = explanation(placed, sight(look(spool), placed), epic_paused=lambda epic: epic == "01")
    holds = {c.name: (c.holds, c.command) for c in found.conditions}
    assert holds["checkout_free"] == (False, "wf cancel e01-p01-i0-code-plan-coder")
    assert holds["epic_not_paused"] == (False, "wf epic resume 01")


def test_a_worker_with_a_free_hand_is_found_and_a_busy_one_told_apart(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue_many([request("a"), request("b")])
    beat(spool, "w-box-1")
    write_session(spool, "w-box-1")

    def conditions(job_id: str) -> dict[str, bool | None]:
        placed = queue.find(job_id)
        assert placed is not None
        found = explanation(placed, sight(look(spool), placed), epic_paused=lambda _epic: False)
        return {c.name: c.holds for c in found.conditions}

    assert conditions("b") == {"not_paused": True, "not_cooling_down": True, "worker": True, "worker_free": True}
    run_one(queue, "w-box-1")
    assert conditions("b")["worker_free"] is False
    assert conditions("a") == {"session_alive": True, "agent": None}
    control.request(spool, "drain.w-box-1", FakeClock())
    assert conditions("b")["worker"] is False, "who was asked to drain takes no more"


def test_every_status_has_an_explanation(queue: SpoolQueue, spool: Spool) -> None:
    said = {}

    def note() -> None:
        placed = queue.find("a")
        assert placed is not None
        found = explanation(placed, sight(look(spool), placed), epic_paused=lambda _epic: False)
        said[found.status] = found.summary

    queue.enqueue(request("a"))
    note()
    queue.hold("a")
    note()
    queue.unhold("a")
    token = claim_one(queue)
    note()  # without a session: stalled
    beat(spool, "w-box-1")
    write_session(spool, "w-box-1")
    note()
    with queue.fence("a"):
        queue.start(token)
    note()
    queue.end(token, failing("invalid_spec"), by="w-box-1")
    note()
    queue.retry("a")
    queue.cancel("a", by="operator-box-1")
    note()
    queue.retry("a")
    queue.end(run_one(queue), Ending(End.SUCCEEDED), by="w-box-1")
    note()
    queue.gc(older_s=-1)
    note()
    assert set(said) == {*map(str, Status), "archived"}


def test_the_holder_of_a_fence_is_named(queue: SpoolQueue, spool: Spool) -> None:
    if not Path("/proc/locks").exists():
        pytest.skip("only Linux tells who holds a lock")
    queue.enqueue(request("a"))
    placed = queue.find("a")
    assert placed is not None
    code = """if True:
        import sys
        from pathlib import Path
        from wf_cli import locks
        with locks.hold(Path(sys.argv[1])):
            print(flush=True)
            input()
    """
    lock = spool.path("locks", "a.lock")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        found = explanation(placed, sight(look(spool), placed), epic_paused=lambda _epic: False)
        holder.communicate(b"\n")
    texts = {c.name: c.text for c in found.conditions}
    assert str(holder.pid) in texts["fence_free"]


# -- transcripts


def test_following_reads_on_and_ends_with_the_job(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("a"))
    path = spool.transcript_path("a", 1)
    token = None

    def acts() -> Iterator[None]:
        nonlocal token
        token = run_one(queue)
        path.write_bytes(b"one\ntw")
        yield
        path.write_bytes(b"one\ntwo\nthr\xff")
        yield
        queue.end(token, Ending(End.SUCCEEDED), by="w-box-1")
        yield

    script = acts()
    lines = transcripts.follow(spool, "a", None, lambda _seconds: next(script))
    assert [(line.attempt, line.text) for line in lines] == [(1, "one"), (1, "two"), (1, "thr�")]


def test_following_goes_on_to_the_next_attempt_unless_one_was_named(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("a"))
    first = run_one(queue)
    spool.transcript_path("a", 1).write_text("first\n", encoding="utf-8")

    def again(_seconds: float) -> None:
        queue.end(first, Ending(End.LOST), by="reaper-box-1")
        second = run_one(queue)
        spool.transcript_path("a", 2).write_text("second", encoding="utf-8")
        queue.end(second, Ending(End.SUCCEEDED), by="w-box-1")

    assert [line.text for line in transcripts.follow(spool, "a", None, again)] == ["first", "second"]
    assert [line.text for line in transcripts.follow(spool, "a", 1, again)] == ["first"]


def test_a_transcript_that_is_a_pipe_reads_as_none(spool: Spool) -> None:
    os.mkfifo(spool.transcript_path("a", 1))
    from wf_cli.errors import NotFound

    with pytest.raises(NotFound):
        list(transcripts.read(spool, "a", 1))


def test_the_record_of_a_job_is_json(queue: SpoolQueue) -> None:
    queue.enqueue(request("a"))
    json.dumps(document(queue, "a"))
