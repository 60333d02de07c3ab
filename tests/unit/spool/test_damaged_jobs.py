"""The files of a job are damaged, the spool is repaired, and the job's key is enqueued once more.

What then runs is what was enqueued, and a result that stands is of what ran. A key whose old outcomes stayed behind
would end its new job by them, without running it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.clock import FakeClock
from support.spools import (
    POOL,
    WATCH,
    assert_sound,
    claim_one,
    failing,
    make_spool,
    problems,
    request,
    run_one,
    spool_queue,
    tokens_on_disk,
    where,
)
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import attempt, records, retention, verify
from wf_cli.spool.findings import Finding
from wf_cli.spool.layout import Spool

FOLDERS = ("jobs", "queued", "held", "done", "dead", "archive", "outcomes", "started", "transcripts")


@dataclass
class Scene:
    """A spool with a job ``k``, which a test damages, and a job ``other`` that stays whole."""

    spool: Spool
    clock: FakeClock = field(default_factory=FakeClock)
    #: (job, attempt, payload) of each run.
    ran: list[tuple[str, int, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue: SpoolQueue = spool_queue(self.spool, self.clock)

    def work(self, ending: Callable[[object], Ending]) -> None:
        """Run the next job. Its result names the payload that ran.

        The start of a job whose attempt was begun before its files were lost ends that attempt, and runs nothing.
        """
        token = claim_one(self.queue, f"w-box-{len(self.ran)}")
        with self.queue.fence(token.job_id):
            answer = self.queue.start(token)
        if answer == "ended":
            self.clock.advance(3600)
            return
        assert answer == "go"
        spec = records.token_spec(self.spool, token, "running")
        self.ran.append((token.job_id, token.attempt, spec.payload))
        self.spool.transcript_path(token.job_id, token.attempt).write_text("what its agent printed\n")
        self.queue.end(token, ending(spec.payload), by=token.owner or "")
        self.clock.advance(3600)

    def work_all(self) -> None:
        while self.queue.next_ready((POOL,)) is not None or self._listed():
            self.work(succeeded)

    def _listed(self) -> bool:
        self.queue.rescan()
        return self.queue.next_ready((POOL,)) is not None

    def files(self, job_id: str) -> list[Path]:
        """Every file of the job but its lock."""
        return sorted(
            path
            for folder in FOLDERS
            for path in self.spool.folder(folder).iterdir()
            if job_id in path.name.split(".")
        )

    def fix(self) -> list[Finding]:
        return verify.verify(self.spool, self.clock, fix=True, watch=WATCH)

    def result(self, job_id: str) -> object:
        placed = self.queue.find(job_id)
        assert placed is not None
        outcome = self.queue.outcome(job_id, placed.token.attempt)
        return outcome.result.get("of") if outcome is not None else None


def succeeded(payload: object) -> Ending:
    return Ending(End.SUCCEEDED, result={"of": payload})


def crashed(_payload: object) -> Ending:
    return failing("crashed")


def scene(root: Path, topology: str, crashes: int, end: str) -> Scene:
    made = Scene(make_spool(root, topology=topology))
    made.queue.enqueue(request("other", payload="other"))
    made.work(succeeded)
    made.queue.enqueue(request("k", payload="old", max_attempts=9))
    for _ in range(crashes):
        made.work(crashed)
    if end in ("done", "archive", "forced"):
        made.work(succeeded)
    if end == "dead":
        made.work(lambda _: failing("policy_denied"))
    if end == "cancelled":
        made.queue.cancel("k", by="me")
    if end == "held":
        made.queue.hold("k")
    if end == "archive":
        made.queue.gc(older_s=0)
    if end == "forced":
        made.queue.retry("k", force=True)
        made.work(crashed)
    if crashes:
        outcome = made.queue.outcome("k", 1)
        assert outcome is not None
        attempt.keep_late(made.spool, outcome, "w-late-1")
    return made


def damage(path: Path, how: str, other: Path) -> None:
    if not os.path.lexists(path):
        return
    if how == "delete":
        path.unlink()
    elif how == "truncate":
        os.truncate(path, path.stat().st_size // 2)
    elif how == "garble":
        path.write_bytes(b"\0\xffno record\n" * 3)
    elif how == "replace":  # The other links of the file stay as they are.
        path.unlink()
        path.write_bytes(b"{")
    elif how == "swap" and other != path and other.exists():
        mine, its = path.read_bytes(), other.read_bytes()
        path.unlink()
        other.unlink()
        path.write_bytes(its)
        other.write_bytes(mine)


HOW = st.sampled_from(["keep", "delete", "truncate", "garble", "replace", "swap"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["local", "shared"]),
    st.integers(0, 2),
    st.sampled_from(["queued", "held", "done", "dead", "cancelled", "archive", "forced"]),
    st.data(),
)
def test_what_runs_after_a_repair_is_what_was_enqueued(
    topology: str, crashes: int, end: str, data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        made = scene(Path(folder) / "spool", topology, crashes, end)
        spool, queue = made.spool, made.queue
        mine = made.files("k")
        for path in mine:
            how = data.draw(HOW, label=str(path.relative_to(spool.root)))
            damage(path, how, data.draw(st.sampled_from(mine), label="with") if how == "swap" else path)
        made.fix()
        made.fix()  # What the first look has made again may be looked at as a whole only now.
        assert [f for f in made.fix() if not f.fixed] == []
        new = not queue.enqueue(request("k", payload="new")).deduped
        if where(queue, "k") == "held":
            queue.unhold("k")
        made.clock.advance(24 * 3600)
        before = len(made.ran)
        made.work_all()
        runs = [(number, payload) for job_id, number, payload in made.ran[before:] if job_id == "k"]
        wanted = "new" if new else "old"
        assert all(payload == wanted for _, payload in runs)
        if new:
            assert runs == [(1, "new")]
        if runs:
            assert (where(queue, "k"), made.result("k")) == ("done", wanted)
        assert made.result("other") == "other"
        if where(queue, "k") in ("done", "dead"):
            assert queue.retry("k", force=True)
            made.work_all()
            assert made.ran[-1][::2] == ("k", wanted)
            assert made.result("k") == wanted
        assert_sound(spool, made.clock)


def test_a_damaged_spec_is_put_away_with_all_records_of_its_job(tmp_path: Path) -> None:
    made = scene(tmp_path / "spool", "local", 1, "done")
    made.spool.spec_path("k").write_text("{")
    assert [(f.kind, f.fixed) for f in made.fix()] == [("damaged_spec", True)]
    assert made.files("k") == []
    assert len(list(made.spool.path("archive", "quarantine").iterdir())) == 7  # spec, token, 2 ends, late, 2 texts
    assert not made.queue.enqueue(request("k", payload="new")).deduped
    made.work_all()
    assert made.ran[-1] == ("k", 1, "new")
    assert made.result("k") == "new"


@pytest.mark.parametrize("folder", ["claimed", "running"])
def test_a_damaged_job_at_work_stays_until_it_has_ended(tmp_path: Path, folder: str) -> None:
    """Its agent works on. A new job of the key would work beside it."""
    made = scene(tmp_path / "spool", "local", 0, "queued")
    token = run_one(made.queue) if folder == "running" else made.queue.claim("w-box-1", (POOL,))
    assert token is not None
    made.spool.spec_path("k").write_text("{")
    (found,) = made.fix()
    assert (found.kind, found.fixed, found.remedy) == ("damaged_spec", False, "wf cancel k")
    assert where(made.queue, "k") == folder
    made.queue.cancel("k", by="me")
    assert [f.fixed for f in made.fix()] == [True]
    assert made.files("k") == []


def test_a_token_without_spec_and_with_foreign_content_takes_its_outcomes_with_it(tmp_path: Path) -> None:
    """The repair at a session's start does this, not only `--fix`."""
    made = scene(tmp_path / "spool", "local", 0, "done")
    (token,) = made.spool.folder("done").glob("*.k.*")
    token.write_text("{")
    made.spool.spec_path("k").unlink()
    assert [(f.kind, f.fixed) for f in verify.repair(made.spool)] == [("unreserved_token", True)]
    assert made.files("k") == []


def test_outcomes_without_a_key_are_found_and_put_away(tmp_path: Path) -> None:
    made = scene(tmp_path / "spool", "local", 1, "done")
    for path in [*made.spool.folder("done").glob("*.k.*"), made.spool.spec_path("k")]:
        path.unlink()
    assert [line.partition(":")[0] for line in problems(made.spool)] == ["keyless_record"]
    assert [(f.kind, f.fixed) for f in made.fix()] == [("keyless_record", True)]
    assert problems(made.spool) == []
    made.queue.enqueue(request("k", payload="new"))
    made.work_all()
    assert made.ran[-1] == ("k", 1, "new")


@pytest.mark.parametrize("end", ["queued", "held", "done", "dead", "cancelled", "archive"])
def test_an_ended_attempt_without_outcome_is_found_and_keeps_its_number(tmp_path: Path, end: str) -> None:
    made = scene(tmp_path / "spool", "local", 1, end)
    placed = next(p for p in tokens_on_disk(made.spool) if p.token.job_id == "k")
    made.spool.outcome_path("k", placed.token.attempt).unlink()
    assert [line.partition(":")[0] for line in problems(made.spool)] == ["missing_outcome"]
    assert [(f.kind, f.fixed) for f in made.fix()] == [("missing_outcome", True)]
    assert_sound(made.spool)
    outcome = made.queue.outcome("k", placed.token.attempt)
    assert outcome is not None
    assert "was lost" in (outcome.reason or "")
    # The token is lost too, and comes back where it was.
    made.spool.path(placed.folder, placed.token.name).unlink()
    made.fix()
    back = next(p for p in tokens_on_disk(made.spool) if p.token.job_id == "k")
    assert back.token.attempt == placed.token.attempt
    assert back.folder == ("done" if end == "archive" else placed.folder)


def test_a_token_with_another_content_than_its_spec_gets_it_back(tmp_path: Path) -> None:
    made = scene(tmp_path / "spool", "local", 0, "queued")
    (token,) = made.spool.folder("queued").iterdir()
    token.unlink()
    token.write_text("{")
    assert [(f.kind, f.fixed) for f in made.fix()] == [("damaged_token", True)]
    assert_sound(made.spool)
    made.work_all()
    assert made.ran[-1] == ("k", 1, "old")


def test_a_token_made_again_after_a_damaged_outcome_counts_on(tmp_path: Path) -> None:
    made = scene(tmp_path / "spool", "local", 2, "queued")
    (token,) = made.spool.folder("queued").iterdir()
    token.unlink()
    made.spool.outcome_path("k", 2).write_text("{")
    made.fix()
    made.work_all()
    assert made.ran[-1] == ("k", 3, "old")


@pytest.mark.parametrize("die_at", range(12))
def test_dying_while_a_key_is_freed_never_leaves_outcomes_to_a_free_key(tmp_path: Path, die_at: int) -> None:
    """Each put-away is one rename. After any of them the key is taken, or nothing of its job is left."""
    from wf_cli import seams

    made = scene(tmp_path / "spool", "local", 1, "done")
    made.spool.spec_path("k").write_text("{")
    steps = itertools.count()

    class Died(BaseException):
        pass

    def die(name: str) -> None:
        if name == "quarantine.ready" and next(steps) == die_at:
            raise Died

    seams.install(die)
    try:
        made.fix()
    except Died:
        pass
    finally:
        seams.install(None)
    assert made.spool.spec_path("k").exists() or made.files("k") == []
    made.fix()
    assert made.files("k") == []


def test_a_purged_epic_leaves_nothing_to_the_jobs_that_come_again(tmp_path: Path) -> None:
    from wf_cli.contract.identity import Target
    from wf_cli.queue.values import JobRequest

    made = Scene(make_spool(tmp_path / "spool"))
    step = JobRequest("coder", "opencode", target=Target("03", 0, "code", "coder", epic_id="01"), payload="old")
    made.queue.enqueue(step)
    made.work(crashed)
    made.work(succeeded)
    (job_id,) = retention.purge(made.spool, "01")
    assert made.files(job_id) == []
    made.queue.enqueue(step)
    made.work_all()
    assert made.ran[-1][1] == 1
    assert_sound(made.spool)
