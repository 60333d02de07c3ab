"""Invariant 7: whatever lies in the folder, nothing crashes, nothing blocks and nothing runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.clock import START_MS, FakeClock
from support.scenarios import stage_only
from support.spools import (
    POOL,
    SUCCESS,
    WATCH,
    assert_sound,
    claim_one,
    failing,
    make_spool,
    problems,
    request,
    run_one,
    spool_queue,
    state,
    tokens_on_disk,
)
from wf_cli.contract.lifecycle import DIRECTORIES
from wf_cli.errors import ContractError, Refused
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import control, enqueue, liveness, records, session, verify
from wf_cli.spool.layout import FOLDERS, Spool

OWNER = "w-box-1"
TOKEN = "5.1764000000000.x.coder@opencode.a{n}b0of3{last}.json"
LAST = {"claimed": f".{OWNER}", "running": f".{OWNER}", "done": ".succeeded", "dead": ".failed",
        "archive": ".cancelled"}  # fmt: skip


def well_formed(folder: str) -> list[str]:
    """Names that the grammar of a folder takes: what lies under them is the question."""
    if folder in DIRECTORIES:
        return [TOKEN.format(n=1, last=LAST.get(folder, ""))]
    return {
        "tmp": [TOKEN.format(n=0, last="") + "." + "0" * 16, "0123456789abcdef.part"],
        "jobs": ["x.json"],
        "started": ["x.a1.json", "x.a2.json"],
        "outcomes": ["x.a1.json", f"x.a1.{OWNER}.late.json", "y.a1.json"],
        "leases": [f"{OWNER}.lease"],
        "sessions": [f"{OWNER}.json", f"{OWNER}.gone"],
        "control": ["pause.json", "cooldown.opencode.json"],
        "locks": ["x.lock"],
        "log": [f"{OWNER}.jsonl"],
        "transcripts": ["x.a1.log"],
        "packed": ["1764000000000-0123456789abcdef.pack"],
        "outbox": ["1764000000000-0123456789abcdef01234567.json"],
        "notified": ["epic-01-started-0123456789abcdef01234567.json", "event-0123456789abcdef01234567.json"],
    }[folder]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("x")


def link_out(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def link_loop(path: Path) -> None:
    path.symlink_to(path.name)


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def five_megabytes(path: Path) -> None:
    path.write_bytes(b'{"a": "' + b"x" * 5 * 1024 * 1024 + b'"}')


def content(data: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(data)

    return make


MAKERS: dict[str, Callable[[Path], None]] = {
    "fifo": fifo,
    "directory": directory,
    "link-out": link_out,
    "link-loop": link_loop,
    "dangling": dangling,
    "five-megabytes": five_megabytes,
    "empty": content(b""),
    "torn": content(b'{"schema_version": 1, "job_id": "x", "ded'),
    "array": content(b"[1, 2]"),
    "null": content(b"null"),
    "deep": content(b"[" * 100_000),
    "deep-object": content(b'{"a":' * 50_000),
    "huge-number": content(b'{"a": ' + b"9" * 10_000 + b"}"),
    "infinite": content(b'{"pid": 1e999, "lease_seconds": NaN, "attempt": Infinity}'),
    "not-utf-8": content(b"\xff\xfe\x00{\x80}"),
    "other-job": content(b'{"job_id": "other"}'),
}

#: Names outside the grammar, conflict copies of every tool, and what no file system should allow.
ODD_NAMES = [
    b"x",
    b".hidden",
    b"-rf",
    b"a b.json",
    b"5.1764000000000.x.coder@opencode.a0b0of3.json.tmp",
    b"5.1764000000000.x.coder@opencode.a0b0of3.sync-conflict-20260101-120000-ABCDEFG.json",
    b"5.1764000000000.x.coder@opencode.a0b0of3 (box's conflicted copy 2026-01-01).json",
    b"5.1764000000000.x.coder@opencode.a0b0of3 2.json",
    b"5.1764000000000.X.coder@opencode.a0b0of3.json",
    b"5.1764000000000.x.coder@opencode.a00b0of3.json",
    b"5.1764000000000.x.coder@opencode.a0b0of0.json",
    b"5.1764000000000.x.coder@opencode.a0b0of3.w.w.json",
    b"5.17640000000000.x.coder@opencode.a0b0of3.json",
    b"5.1764000000000d0.x.coder@opencode.a0b0of3.json",
    b"5.1764000000000.x;rm -rf $HOME.coder@opencode.a0b0of3.json",
    b"5.1764000000000.x.coder@opencode.a0b0of3.json\n",
    b"x.json\nx.json",
    b"\xff\xfe.json",
    "ünïcode-ﬁ.json".encode(),
    ("字" * 84).encode() + b".x",
    b"x" * 255,
    b".syncthing.x.json.tmp",
    b"~syncthing~x.json",
    b"x.json.part",
]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["local", "shared"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool", topology=request.param)


def everything_a_session_does(spool: Spool, clock: FakeClock) -> SpoolQueue:
    """Every reading of the folder that workers, reapers and operators do."""
    queue = spool_queue(spool, clock)
    verify.repair(spool)
    enqueue.sweep(spool)
    observer = liveness.Observer(spool, clock)
    for owner in session.owners(spool):
        observer.verdict(owner)
    for stop in control.Requests(spool, clock).stops():
        assert stop.text()
    queue.placed()
    queue.find("x")
    queue.find("y")
    queue.reap(lambda owner: "seen" * (observer.verdict(owner) in liveness.GONE), by="r-box-1")
    return queue


def run_all(queue: SpoolQueue, spool: Spool, clock: FakeClock) -> list[str]:
    """What a worker would have started: claimed, validated and begun. The others end in the dead letter."""
    started = []
    while (token := queue.claim("x-box-1", (POOL,))) is not None:
        with queue.fence(token.job_id):
            try:
                records.token_spec(spool, token, "claimed")
            except ContractError:
                queue.end(token, failing("invalid_spec"), by="x-box-1")
                continue
            if queue.start(token) == "go":
                started.append(token.job_id)
                queue.end(token, SUCCESS, by="x-box-1")
    return started


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_i7_a_hostile_file_under_a_proper_name_crashes_nothing_and_runs_nothing(
    spool: Spool, clock: FakeClock, folder: str, kind: str
) -> None:
    spool_queue(spool, clock).enqueue(request("good"))
    for name in well_formed(folder):
        MAKERS[kind](spool.path(folder, name))

    queue = everything_a_session_does(spool, clock)
    assert run_all(queue, spool, clock) == ["good"]
    queue.cancel("x", by="op-box-1")
    queue.hold("x")
    queue.retry("x", force=True)
    verify.verify(spool, clock)
    run_all(queue, spool, clock)

    for _ in range(3):
        verify.verify(spool, clock, fix=True, watch=WATCH)
    assert [p for p in problems(spool, clock) if not p.startswith("stale_part")] == []
    assert queue.find("good").status == "succeeded"  # type: ignore[union-attr]
    assert run_all(queue, spool, clock) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_i7_names_outside_the_grammar_are_not_seen_and_can_be_put_away(
    tmp_path: Path, clock: FakeClock, folder: str
) -> None:
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool, clock)
    queue.enqueue(request("good"))
    data = next(iter(spool.folder("queued").iterdir())).read_bytes()
    for name in ODD_NAMES:
        with open(os.fsencode(spool.folder(folder)) + b"/" + name, "wb") as file:
            file.write(data)

    queue = everything_a_session_does(spool, clock)
    assert [p.token.job_id for p in queue.placed()] == ["good"]
    assert queue.find("x") is None
    assert run_all(queue, spool, clock) == ["good"]
    for _ in range(3):
        verify.verify(spool, clock, fix=True, watch=WATCH)
    assert problems(spool, clock) == []
    assert [p.token.job_id for p in tokens_on_disk(spool)] == ["good"]
    kept = len(list((spool.root / "archive" / "quarantine").iterdir())) if folder != "log" else None
    assert kept is None or kept >= len(ODD_NAMES) - 4, "put away, not deleted (parts wait for a day)"


def test_i7_files_at_the_top_of_the_spool_are_found(tmp_path: Path, clock: FakeClock) -> None:
    spool = make_spool(tmp_path / "spool")
    (spool.root / "queued.sync-conflict").mkdir()
    (spool.root / "evil.sh").write_text("#!/bin/sh\n")
    assert len(problems(spool, clock)) == 2
    verify.verify(spool, clock, fix=True, watch=WATCH)
    assert problems(spool, clock) == []


def test_i7_a_conflict_copy_beside_each_real_file_changes_nothing(tmp_path: Path, clock: FakeClock) -> None:
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool, clock)
    queue.enqueue_many([request("a"), request("b")])
    queue.end(run_one(queue), failing("crashed"), by=OWNER)
    run_one(queue)
    spool.path("leases", f"{OWNER}.lease").write_text("alive")
    before = state(queue)
    for path in [p for p in spool.root.rglob("*.json") if p.is_file()]:
        path.with_name(path.name.replace(".json", ".sync-conflict-20260101-120000-ABCDEFG.json")).write_bytes(
            path.read_bytes()
        )
    assert everything_a_session_does(spool, clock).claim("x-box-1", (POOL,)) is None, "a waits, b runs"
    assert state(queue) == before
    verify.verify(spool, clock, fix=True, watch=WATCH)
    assert problems(spool, clock) == []


@pytest.mark.parametrize("key", ["fix-sync-conflict", "sync-conflict-20260101", "sync-conflict"])
def test_a_job_that_is_about_conflict_copies_is_none(tmp_path: Path, clock: FakeClock, key: str) -> None:
    """Its files were put away, its fence included, because a conflict copy was told by a part of the name."""
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool, clock)
    queue.enqueue(request(key))
    queue.end(run_one(queue), failing("crashed"), by=OWNER)
    assert list(spool.folder("locks").glob(f"{key}.lock")), "its fence was taken"
    assert problems(spool, clock) == []
    before = state(queue)
    assert verify.verify(spool, clock, fix=True, watch=WATCH) == []
    assert state(queue) == before
    assert_sound(spool, clock, jobs=1)


@pytest.mark.parametrize("name", ["a.b.json", "a.late.json", "a.a1.json"])
def test_i7_a_name_in_jobs_that_is_no_job_s_is_found(tmp_path: Path, clock: FakeClock, name: str) -> None:
    spool = make_spool(tmp_path / "spool")
    spool.path("jobs", name).write_text("{}")
    assert [finding.split(":")[0] for finding in problems(spool, clock)] == ["foreign_file"]
    verify.verify(spool, clock, fix=True, watch=WATCH)
    assert problems(spool, clock) == []


# -- records that pass the schema and mean harm


def good_outcome(spool: Spool, clock: FakeClock) -> tuple[SpoolQueue, Path, dict[str, object]]:
    """A running job, the path its outcome would have, and a valid outcome for it."""
    queue = spool_queue(spool, clock)
    queue.enqueue(request("x"))
    run_one(queue)
    twin = make_spool(spool.root.parent / "twin")
    other = spool_queue(twin, clock)
    other.enqueue(request("x"))
    other.end(run_one(other), failing("crashed"), by=OWNER)
    return queue, spool.outcome_path("x", 1), json.loads(twin.outcome_path("x", 1).read_bytes())


@pytest.mark.parametrize(
    "change",
    [
        {"attempt": 1.0, "burned": 1.0, "disposition": {"to": "queued", "time_ms": 1.764e12, "delay_s": 0.0}},
        {"burned": 999_999_999},
        {"burned": 10**6},
        {"losses": 999_999_999, "parked": 9_999_999_999},
        {"disposition": {"to": "queued", "time_ms": 0, "delay_s": 999_999_999}},
        {"disposition": {"to": "done", "time_ms": 9_999_999_999_999}},
        {"disposition": {"to": "dead", "time_ms": 0}},
        {"disposition": {"to": "../../etc", "time_ms": 0}},
        {"disposition": {"to": "claimed", "time_ms": 0}},
        {"disposition": {"to": "queued", "time_ms": 10**13}},
        {"owner": "../../x", "by": "x\n"},
        {"at": "0001-01-01T00:00:00Z"},
        {"at": "9999-99-99T99:99:99Z"},
        {"error": {"code": "x", "message": "y", "retry_after_s": 1e308}},
        {"error": {"code": "x", "message": "y", "details": {"a": [1]}, "errors": []}},
        {"result": {"__proto__": 1}, "usage": {"tokens_in": None}},
        {"job_id": "other"},
        {"attempt": 2},
    ],
    ids=str,
)
def test_i3_i7_an_outcome_from_foreign_hands_never_makes_a_job_vanish(
    spool: Spool, clock: FakeClock, change: dict[str, object]
) -> None:
    """What no token name can carry counts as damaged: put away, and the attempt can still be ended."""
    queue, path, value = good_outcome(spool, clock)
    path.write_text(json.dumps({**value, **change}))
    queue.reap(lambda _owner: "seen dead", by="r-box-1")
    (placed,) = tokens_on_disk(spool)
    assert placed.folder in ("queued", "done", "dead")
    assert problems(spool, clock) == []
    clock.advance(10**9)
    run_all(queue, spool, clock)


@pytest.mark.parametrize(
    "change",
    [
        {"created_at": "0001-01-01T00:00:00Z"},
        {"created_at": "9999-12-31T23:59:59Z"},
        {"created_at": "2026-02-31T00:00:00Z"},
        {"max_attempts": 999_999_999},
        {"max_attempts": 3.0, "priority": 5.0},
        {"priority": 10},
        {"target": {"executor_role": "coder", "executor_runtime": "r" * 46}},
        {"target": {"executor_role": "../coder", "executor_runtime": "opencode"}},
        {"dedupe_key": "key:other"},
        {"payload": {"command": "rm -rf /", "argv": ["sh"]}},
    ],
    ids=str,
)
def test_i7_a_reservation_from_foreign_hands_crashes_no_repair(
    spool: Spool, clock: FakeClock, change: dict[str, object]
) -> None:
    queue = spool_queue(spool, clock)
    queue.enqueue(request("x"))
    path = spool.spec_path("x")
    value = json.loads(path.read_bytes())
    next(iter(spool.folder("queued").iterdir())).unlink()
    path.unlink()
    path.write_text(json.dumps({**value, **change}))
    everything_a_session_does(spool, clock)
    run_all(queue, spool, clock)
    try:
        queue.enqueue(request("x"))
    except Refused as error:
        assert "verify" in (error.hint or "")  # noqa: PT017 - both are right, depending on the damage
    verify.verify(spool, clock, fix=True, watch=WATCH)


def test_i3_a_torn_staged_file_does_not_hide_that_a_job_has_no_token(tmp_path: Path, clock: FakeClock) -> None:
    """After a power cut without fsync: reserved, and what would be carried on is torn."""
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool, clock)
    queue.enqueue(request("x"))
    token = next(iter(spool.folder("queued").iterdir()))
    nonce = json.loads(token.read_bytes())["nonce"]
    spool.path("tmp", f"{token.name}.{nonce}").write_bytes(token.read_bytes()[:40])
    token.unlink()
    assert [f.kind for f in verify.repair(spool)] == ["missing_token"]
    assert run_one(queue).job_id == "x"
    verify.verify(spool, clock, fix=True, watch=WATCH)
    assert problems(spool, clock) == []


def test_i7_a_staged_file_that_is_not_what_its_name_says_is_reported(tmp_path: Path, clock: FakeClock) -> None:
    spool = make_spool(tmp_path / "spool")
    stage_only(spool, "a")
    (path,) = spool.folder("tmp").iterdir()
    path.rename(path.with_name(path.name.replace(".a.", ".b.")))
    assert enqueue.sweep(spool) == []
    assert [p.split(":")[0] for p in problems(spool)] == ["damaged_staged"]
    verify.verify(spool, clock, fix=True, watch=WATCH)
    assert problems(spool) == []


def test_i2_a_good_outcome_published_while_a_damaged_one_is_looked_at_is_not_put_away(
    tmp_path: Path, clock: FakeClock
) -> None:
    """Two sessions see the same damage; the second must not throw away what the first has published since."""
    from wf_cli import seams

    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool, clock)
    queue.enqueue(request("x"))
    token = run_one(queue)
    path = spool.outcome_path("x", 1)
    path.write_text("{")
    real, looked = records.read_outcome, []

    def read_twice(*args: object, **options: bool) -> object:
        try:
            return real(*args, **options)  # type: ignore[arg-type]
        except ContractError:
            if not looked:
                looked.append(1)
                assert queue.end(token, SUCCESS, by=OWNER).accepted  # the other session, in between
            raise

    records.read_outcome = read_twice  # type: ignore[assignment]
    try:
        assert spool_queue(spool, clock).reap(lambda _o: "seen dead", by="r-box-1") == []
    finally:
        records.read_outcome = real
        seams.install(None)
    assert queue.outcome("x", 1).end == "succeeded"  # type: ignore[union-attr]
    assert state(queue)["x"].startswith("done/")


def test_i7_a_damaged_reservation_is_refused_with_the_way_out(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    spool.spec_path("x").write_text("{")
    with pytest.raises(Refused, match="damaged") as caught:
        spool_queue(spool).enqueue(request("x"))
    assert "verify --fix" in (caught.value.hint or "")


def test_i3_a_damaged_reservation_comes_back_from_its_token(tmp_path: Path, clock: FakeClock) -> None:
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool, clock)
    queue.enqueue(request("x"))
    spec = spool.spec_path("x")
    spec.unlink()
    spec.write_text("{")
    assert [f.kind for f in verify.verify(spool, clock, fix=True, watch=WATCH)] == ["damaged_spec"]
    assert problems(spool) == []
    assert queue.enqueue(request("x")).deduped
    assert claim_one(queue).job_id == "x"


def test_i4_a_job_whose_both_files_are_damaged_never_gets_a_second_token(tmp_path: Path, clock: FakeClock) -> None:
    """They are links of one file: what tears one tears both."""
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool, clock)
    queue.enqueue(request("x"))
    spool.spec_path("x").write_text("{")
    verify.verify(spool, clock, fix=True, watch=WATCH)
    clock.advance(1)
    queue.enqueue(request("x"))
    assert [p.token.job_id for p in tokens_on_disk(spool)] == ["x"]
    assert problems(spool) == []
    assert run_all(queue, spool, clock) == ["x"]


def test_i7_a_token_that_names_another_job_or_role_is_not_valid(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool)
    queue.enqueue(request("x"))
    (path,) = spool.folder("queued").iterdir()
    for old, new in ((".x.", ".y."), ("coder@", "boss@")):
        twin = path.with_name(path.name.replace(old, new))
        twin.write_bytes(path.read_bytes())
        token = next(p.token for p in tokens_on_disk(spool) if p.token.name == twin.name)
        with pytest.raises(ContractError, match="holds the spec of x"):
            records.token_spec(spool, token, "queued")
        twin.unlink()


def test_i7_a_token_without_reservation_and_with_foreign_content_is_put_away(
    tmp_path: Path, clock: FakeClock
) -> None:
    spool = make_spool(tmp_path / "spool")
    spool.path("queued", TOKEN.format(n=0, last="")).write_text('{"job_id": "x"}')
    assert [f.kind for f in verify.repair(spool)] == ["unreserved_token"]
    assert tokens_on_disk(spool) == []
    assert problems(spool) == []


def test_clock_of_the_tests_fits_the_names() -> None:
    assert str(START_MS) in TOKEN
