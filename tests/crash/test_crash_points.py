"""A real process is SIGKILLed at every step of every transition; a fresh one recovers; nothing is lost.

The steps are found by a dry run, so a step that is added to the code is covered without editing this file.
The rescuer knows nothing but the folder: it repairs, sweeps, and reaps what the liveness `Observer` can
prove to be dead (invariant 6: same host, and the process is gone).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from support import children, stage
from support.clock import FakeClock
from support.recovery import expected, found
from support.scenarios import BY_NAME, SCENARIOS, VICTIM, Scenario, live_until_started, open_at, recover_until, rescue
from support.spools import (
    OTHER,
    POOL,
    RELEASE,
    SUCCESS,
    assert_sound,
    granted,
    make_spool,
    problems,
    recover,
    request,
    spool_queue,
    tokens_on_disk,
)
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import layout
from wf_cli.spool.layout import Spool


def points(scenario: Scenario) -> list[tuple[str, int]]:
    """The steps that a scenario passes, by a dry run."""
    with tempfile.TemporaryDirectory(prefix="wf-dry-") as folder:
        root = Path(folder) / "project" / "spool"
        root.parent.mkdir()
        scenario.before(root)
        steps = stage.steps_of(lambda: scenario.do(root))
    assert steps, f"{scenario} passes no step"
    if scenario.name in ("fail", "fail-for-good", "release", "over-budget"):
        return [step for step in steps if step[0].startswith("end.")]  # they begin like `succeed`
    return steps


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "point" in metafunc.fixturenames:
        metafunc.parametrize(
            ("scenario", "point"),
            [
                pytest.param(scenario, step, id=f"{scenario}-{step[0]}-{step[1]}")
                for scenario in SCENARIOS
                for step in points(scenario)
            ],
        )


def test_i3_i5_killed_at_any_step_nothing_is_lost_doubled_or_done_again(
    tmp_path: Path, scenario: Scenario, point: tuple[str, int]
) -> None:
    root = tmp_path / "project" / "spool"
    root.parent.mkdir()
    scenario.before(root)
    existed = {p.token.job_id for p in tokens_on_disk(open_at(root))} if layout.exists(root) else set()

    children.run_until_killed(scenario.do, root, die_at=point)

    if not layout.exists(root):  # only `create` can die before there is a spool
        assert scenario.name == "create"
        spool = make_spool(root)
        assert_sound(spool, jobs=0)
        return
    spool = open_at(root)
    registered = {path.stem for path in spool.folder("sessions").glob("[a-z]*.json")}
    was = expected(spool)
    reserved = {path.stem for path in spool.folder("jobs").iterdir()}
    staged = {name.split(".")[2] for name in layout.fsio.names(spool.folder("tmp")) if not name.endswith(".part")}

    dead = children.run(rescue, root)

    assert set(dead) == registered, "same host, same boot, and the pid is gone: proven"
    now = found(spool)
    assert existed <= set(now), "invariant 3"
    assert {job_id: now[job_id] for job_id in was} == was
    assert set(now) - set(was) <= staged | reserved, "what was staged is carried on; nothing comes from nowhere"
    assert staged | reserved <= set(now)
    assert_sound(spool, spool_clock())
    _still_works(spool, now)


def spool_clock() -> FakeClock:
    clock = FakeClock()
    clock.advance(86400)
    return clock


def _still_works(spool: Spool, now: dict[str, tuple[str, int, int]]) -> None:
    """Each job that waits can be run to its end, and each key be enqueued: what is new runs."""
    queue = spool_queue(spool, spool_clock())
    if spool.version.adopts:
        _still_adopts(queue, now)
        return
    answers = queue.enqueue_many([request(key) for key in "abc"])
    assert {a.job_id for a in answers if a.deduped} == set(now) & set("abc"), "invariant 4"
    for job_id, (folder, _, _) in now.items():
        if folder == "held":
            assert queue.unhold(job_id)
    ran = []
    while (token := queue.claim("x-box-1", (POOL, OTHER))) is not None:
        with queue.fence(token.job_id):
            assert queue.start(token) == "go"
        assert queue.end(token, SUCCESS, by="x-box-1").accepted
        ran.append(token.job_id)
        if token.job_id in now:
            assert token.attempt == now[token.job_id][1] + 1, "attempt numbers go on"
    waiting = {job_id for job_id, (folder, _, _) in now.items() if folder in ("queued", "held")}
    assert sorted(ran) == sorted(waiting | (set("abc") - set(now)))
    assert_sound(spool, spool_clock())


def _still_adopts(queue: SpoolQueue, now: dict[str, tuple[str, int, int]]) -> None:
    """What waits is the attempt that was granted, and each later one can be adopted and run."""
    spec = granted("a")
    for number in (5, 6):
        before = queue.find("a")
        waiting = before is not None and before.folder == "queued"
        ended = before is not None and not waiting and before.token.attempt >= number
        assert queue.adopt(spec, number) is (not waiting and not ended)
        while (token := queue.claim("x-box-1", (POOL,))) is not None:
            if not waiting:
                assert token.attempt == number
            assert token.attempt in (3, 5, 6), "no number that was not granted"
            with queue.fence(token.job_id):
                assert queue.start(token) == "go"
            assert queue.end(token, RELEASE, by="x-box-1").accepted
        assert queue.claim("x-box-1", (POOL,)) is None, "every end is final"
    assert_sound(queue.spool, spool_clock())


def test_i1_a_process_killed_after_its_claim_was_renamed_has_not_started_the_attempt(tmp_path: Path) -> None:
    """And the attempt is not given to anybody else under the same number."""
    root = tmp_path / "spool"
    scenario = BY_NAME["succeed"]
    scenario.before(root)
    children.run_until_killed(scenario.do, root, die_at=("claim.renamed", 1))
    spool = open_at(root)
    queue = recover(spool, FakeClock())
    outcome = queue.outcome("a", 1)
    assert outcome is not None
    assert outcome.failure is not None
    assert (outcome.failure.code, outcome.by) == ("never_started", "rescuer-box-1")
    token = queue.claim("x-box-1", (POOL,))
    assert token is not None, "the first loss is ready again at once"
    assert token.attempt == 2


def test_i6_the_attempts_of_a_living_process_are_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    BY_NAME["succeed"].before(root)
    child = children.Child(live_until_started, root, stop_at=("start.synced", 1))
    child.reached()
    spool = open_at(root)
    spool.folder("leases").joinpath(f"{VICTIM}.lease").write_text("held")
    assert children.run(rescue, root) == []
    assert found(spool) == {"a": ("running", 1, 0)}
    child.kill()
    assert children.run(rescue, root) == [VICTIM]
    assert found(spool) == {"a": ("queued", 1, 1)}


def test_a_fence_dies_with_its_process(tmp_path: Path) -> None:
    """Killed in the middle of an end, under the fence: nobody waits for it."""
    root = tmp_path / "spool"
    BY_NAME["succeed"].before(root)
    children.run_until_killed(BY_NAME["succeed"].do, root, die_at=("end.synced", 1))
    with open_at(root).fence("a", timeout=5):
        pass


def test_i3_a_rescuer_that_dies_at_every_step_is_followed_by_another(tmp_path: Path) -> None:
    """One spool, one rescuer after the other, each dying one step further than the last."""
    root = tmp_path / "spool"
    scenario = BY_NAME["recover"]
    scenario.before(root)
    point = 0
    while True:
        point += 1
        child = children.Child(recover_until, root, point)
        if child.gone() == 0:
            break
        assert point < 60
    spool = open_at(root)
    assert_sound(spool, jobs=4)
    assert {job: place[0] for job, place in found(spool).items()} == dict.fromkeys("abcd", "queued")
    assert {job: place[1:] for job, place in found(spool).items()} == {
        "a": (1, 1), "b": (1, 1), "c": (0, 0), "d": (0, 0),
    }  # fmt: skip


def test_every_transition_of_the_queue_passes_a_step() -> None:
    """A transition without one would silently not be tested here."""
    covered = {step.partition(".")[0] for scenario in SCENARIOS for step, _ in points(scenario)}
    changing = "enqueue sweep claim start end late reap cancel hold unhold retry reroute bury gc create repair fsio"
    assert covered >= set(changing.split())


def test_the_test_of_soundness_can_fail(tmp_path: Path) -> None:
    """Each kind of damage that the crash tests would have to notice is noticed."""
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool)
    queue.enqueue_many([request("a"), request("b")])
    (a, b) = sorted(spool.folder("queued").iterdir(), key=lambda path: path.name.split(".")[2])
    spool.folder("held").joinpath(a.name).write_bytes(a.read_bytes())
    b.unlink()
    assert sorted(text.split(":")[0] for text in problems(spool)) == ["duplicate_token", "missing_token"]
    with pytest.raises(AssertionError):
        assert_sound(spool)
