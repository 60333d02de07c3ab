"""Reconciling a whole project: trouble of one item, what is read, plans of one number, and two rounds at once."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.lookings import lookings
from support.projects import REVIEW, TODO, Cli
from support.scenes import ON, Scene
from support.stage import stage
from wf_cli.contract.identity import Target
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Pool, mark
from wf_cli.errors import Absent, Refused, Temporary
from wf_cli.planjobs import behind
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import scan
from wf_cli.workflow import epic_status, epics, plans
from wf_cli.workflow.project import Project

REJECTED = {
    "todo": TODO.replace("- [x] [T2]", "- [ ] [T2]"),
    "review": REVIEW.replace("- [T2]: pass", "- [T2]: fail"),
}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def whys(found: Any) -> dict[str, str]:
    return {entry.plan_id: entry.why for entry in found.blocked}


# -- one bad item stops no loop


def test_a_queued_job_of_a_role_that_is_routed_nowhere_is_said_once_and_the_rest_goes_on(scene: Scene) -> None:
    scene.plan("01-a")
    scene.epic("01-x", "01-a")
    odd = [scene.enqueue(Target(number, 0, "code", "tester")) for number in ("07", "08", "09")]
    moved = scene.enqueue(Target("03", 0, "review", "plan-reviewer"))
    found = scene.reconcile()
    assert found.published == ["e01-p01-i0-code-plan-coder"]
    assert scene.queue.find(moved).token.pool == Pool("plan-reviewer", "cursor"), "those behind it are rerouted"  # type: ignore[union-attr]
    (entry,) = [entry for entry in found.blocked if "is sent to no runtime" in entry.why]
    assert (entry.plan_id, entry.needs_help) == ("07", True)
    assert "the role tester is sent to no runtime" in entry.why
    assert f"{scene.spool.folder('queued')}/" in entry.why
    assert odd[0] in entry.why
    assert "wf config set routing.tester.runtime" in entry.why


def test_a_queued_job_that_lies_where_it_belongs_is_left_alone(scene: Scene) -> None:
    scene.plan("01-a")
    scene.epic("01-x", "01-a")
    (job_id,) = scene.reconcile().published
    before = scene.queue.find(job_id)
    scene.reconcile()
    assert scene.queue.find(job_id) == before
    told = "".join(path.read_text() for path in scene.spool.folder("log").iterdir())
    assert "job.enqueued" in told
    assert "job.rerouted" not in told


def test_dispatch_tells_of_the_unrouted_role_and_ends_well(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.plan("01-a")
    scene.epic("01-x", "01-a")
    scene.enqueue(Target("09", 0, "code", "tester"))
    monkeypatch.setenv("WF_DISTRIBUTED", "1")
    code, out, err = Cli(scene.root, monkeypatch, capsys)("dispatch", environ=ON)
    assert code == 0, err
    assert "published e01-p01-i0-code-plan-coder" in out
    assert "wf config set routing.tester.runtime" in out


def test_an_unreadable_epic_or_plan_is_said_with_its_remedy_and_the_others_go_on(scene: Scene) -> None:
    (scene.epic("01-broken", "01-a") / "state.json").write_text("{torn")
    for name in ("01-a", "02-b", "03-c", "04-d"):
        scene.plan(name)
    (scene.root / "plans" / "02-b" / "todo.md").write_bytes(b"\xff")
    (scene.root / "plans" / "03-c" / "state.json").write_text("{torn")
    scene.epic("02-good", "02-b", "03-c", "04-d")
    found = scene.reconcile()
    assert found.published == ["e02-p04-i0-code-plan-coder"]
    assert all(entry.needs_help for entry in found.blocked)
    told = whys(found)
    assert str(scene.root / "epics" / "01-broken" / "state.json") in told[""]
    assert "restore" in told[""]
    assert "todo.md is not UTF-8" in told["02"]
    assert "save the file as UTF-8" in told["02"]
    assert "03-c/state.json is not valid JSON" in told["03"]


def test_an_unreadable_open_plan_does_not_keep_others_from_their_turn(scene: Scene) -> None:
    """It is asked whether it goes on, for those behind it; its trouble is its own."""
    scene.plan("01-a", "reviewing", epic="01")
    scene.plan("02-b", "awaiting_review", epic="01")
    (scene.root / "plans" / "01-a" / "todo.md").write_bytes(b"\xff")
    scene.epic("01-x", "01-a", "02-b")
    found = scene.reconcile()
    assert found.published == ["e01-p02-i0-review-plan-reviewer"]
    assert list(whys(found)) == ["01"]


def test_a_plan_to_look_at_that_is_gone_is_said_and_the_others_are_looked_at(scene: Scene) -> None:
    scene.plan("02-b")
    found = scene.reconcile(also=["01", "02"])
    assert found.published == ["p02-i0-code-plan-coder"]
    assert "no plan fits '01'" in whys(found)["01"]


def test_a_damaged_spec_keeps_its_own_plan_waiting_only(scene: Scene) -> None:
    for name in ("01-a", "02-b"):
        scene.plan(name)
    scene.epic("01-x", "01-a", "02-b")
    scene.spool.spec_path("e01-p01-i0-code-plan-coder").write_text("{torn")
    found = scene.reconcile()
    assert found.published == ["e01-p02-i0-code-plan-coder"]
    assert "wf spool verify --fix" in whys(found)["01"]


def test_a_spool_that_takes_no_job_ends_the_round(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no plan's own trouble: the caller pauses, and says it with the path."""
    scene.plan("01-a")
    scene.epic("01-x", "01-a")

    def full(*_args: object) -> object:
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(SpoolQueue, "enqueue", full)
    with pytest.raises(OSError, match="somewhere"):
        scene.reconcile()


# -- what a round reads


@pytest.mark.parametrize("parallel", [1, 3])
def test_99_open_plans_cost_one_listing_per_folder_and_one_look_at_each_file(tmp_path: Path, parallel: int) -> None:
    scene = Scene(tmp_path, epic={"max_parallel_plans": parallel})
    names = [f"{n:02d}-plan" for n in range(1, 100)]
    for name in names:
        scene.plan(name, "awaiting_review", epic="01")
    scene.epic("01-x", *names)
    assert len(scene.reconcile().published) == parallel
    with lookings(tmp_path) as seen:
        found = scene.reconcile()
    assert len(found.blocked) == 99 - parallel
    listed = {path: n for path, n in seen.listed.items() if n > 1}
    assert listed == {".wf/spool/queued": 2}, "again at the end, for jobs that go back to it meanwhile"
    assert {"plans", "epics"} <= set(seen.listed)
    read = {path: n for path, n in seen.opened.items() if path.startswith(("plans/", "epics/")) and n > 1}
    assert read == {}


def test_many_plans_whose_job_has_ended_are_looked_up_in_one_listing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, epic={"max_parallel_plans": 30})
    names = [f"{n:02d}-plan" for n in range(1, 31)]
    for name in names:
        scene.plan(name)
    scene.epic("01-x", *names)
    for job_id in scene.reconcile().published:
        scene.queue.cancel(job_id, by="me-box-1")
    with lookings(tmp_path) as seen:
        found = scene.reconcile()
    assert len(found.blocked) == 30
    assert all("is cancelled and its plan still waits" in entry.why for entry in found.blocked)
    assert seen.listed[".wf/spool/done"] == 1


# -- two plans of one number


def test_two_plans_of_one_number_are_both_refused_by_name_and_the_others_go_on(scene: Scene) -> None:
    for name in ("01-a", "01-b", "02-c"):
        scene.plan(name)
    scene.epic("01-x", "01-a")
    scene.epic("02-y", "01-b", "02-c")
    found = scene.reconcile(also=["01"])
    assert found.published == ["e02-p02-i0-code-plan-coder"]
    assert [(entry.plan_id, entry.epic_id, entry.needs_help) for entry in found.blocked] == [
        ("01", "01", True),
        ("01", "02", True),
        ("01", None, True),
    ]
    for entry in found.blocked:
        assert "plans/01-a and plans/01-b" in entry.why
        assert "wf plan renumber 01-b" in entry.why


def test_a_job_of_a_shared_number_is_not_run_and_does_not_keep_the_checkout(scene: Scene) -> None:
    """It was published before the merge that brought the second plan."""
    scene.plan("01-a")
    scene.epic("01-x", "01-a", "02-c")
    (job_id,) = scene.reconcile().published
    scene.plan("01-b")
    scene.plan("02-c")
    assert scene.reconcile().published == ["e01-p02-i0-code-plan-coder"]
    steps = scene.app.steps(scene.spool, scene.app.events(scene.spool))
    target = Target("01", 0, "code", "plan-coder", "01")
    assert "plans/01-a and plans/01-b" in (steps.hindrance(target) or "")
    with pytest.raises(Temporary, match="plans/01-a and plans/01-b"), steps.opening(target):
        pass
    assert scene.queue.find(job_id).status is Status.QUEUED  # type: ignore[union-attr]
    assert {plans.need_state(plan).phase for plan in plans.all_plans(Project(scene.root))} == {"planning"}


def test_explain_names_the_second_plan_and_the_repair(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.plan("01-a")
    job_id = scene.enqueue(Target("01", 0, "code", "plan-coder"))
    wf = Cli(scene.root, monkeypatch, capsys)
    assert "plan_number" not in {condition["name"] for condition in wf.json("explain", job_id)["conditions"]}
    scene.plan("01-b")
    (condition,) = (c for c in wf.json("explain", job_id)["conditions"] if c["name"] == "plan_number")
    repair = f"wf cancel {job_id} && wf plan renumber 01-b && wf retry {job_id}"
    assert (condition["holds"], condition["command"]) == (False, repair)
    assert "plans/01-a and plans/01-b" in condition["text"]


def test_a_person_cannot_publish_a_job_of_a_shared_number(scene: Scene) -> None:
    plan = scene.plan("01-b")
    scene.plan("01-a")
    with pytest.raises(Refused, match="plans/01-a and plans/01-b") as refused:
        scene.app.dispatcher(scene.spool).publish(plan, "code")
    assert "wf plan renumber 01-b" in (refused.value.hint or "")
    assert scene.queue.placed() == []


def test_an_open_attempt_stays_with_the_plan_it_was_opened_on(scene: Scene) -> None:
    """The second plan of its number came while its agent worked."""
    plan = scene.plan("01-b", epic="01")
    steps = scene.app.steps(scene.spool, scene.app.events(scene.spool))
    target = Target("01", 0, "code", "plan-coder", "01")
    with steps.opening(target):
        pass
    scene.plan("01-a")
    assert "plans/01-b" in steps.prompt(target, 1, None)
    state = json.loads(plan.state_json.read_text())
    plan.state_json.write_text(json.dumps({**state, "phase": "awaiting_review"}))
    placed = scene.queue.find(scene.enqueue(target))
    assert placed is not None
    assert steps.check(target, placed.token) is None


def test_an_agent_cannot_change_another_plan_that_came_by_its_number(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its attempt was opened on 01-b; a merge brought 01-a, which is what `01` means to a command now."""
    scene.plan("01-b", "coding", todo=TODO.replace("[x]", "[ ]"))
    scene.enqueue(Target("01", 0, "code", "plan-coder"))
    queue = scene.queue
    token = queue.claim("me-box-1", {Pool("plan-coder", "opencode")})
    assert token is not None
    with queue.fence(token.job_id):
        queue.start(token)
    environ = {**ON, "WF_JOB_TOKEN": mark(token), "WF_ROLE": "plan-coder", "WF_SPOOL": str(scene.spool.root)}
    wf = Cli(scene.root, monkeypatch, capsys)
    words = ("todo", "implemented", "01", "T1", "--test", "true", "--output", "ok")
    code, _out, err = wf(*words, environ=environ)
    assert code == 0, err
    other = scene.plan("01-a", "coding", todo=TODO.replace("[x]", "[ ]"))
    before = {path.name: path.read_bytes() for path in other.path.iterdir()}
    code, _out, err = wf(*words, environ=environ)
    assert code == 4, err
    assert "plans/01-a and plans/01-b" in err
    assert "wf plan renumber 01-b" in err
    assert {path.name: path.read_bytes() for path in other.path.iterdir()} == before


# -- the plan of a job is looked up once


@pytest.mark.parametrize("command", ["code", "review"])
def test_the_plan_found_in_the_opening_is_handed_on(scene: Scene, command: str) -> None:
    subprocess.run(["git", "init", "-q"], cwd=scene.root, check=True)
    phase, role = {"code": ("planning", "plan-coder"), "review": ("awaiting_review", "plan-reviewer")}[command]
    scene.plan("01-a", phase)
    steps = scene.app.steps(scene.spool, scene.app.events(scene.spool))
    target = Target("01", 0, command, role)
    placed = scene.queue.find(scene.enqueue(target))
    assert placed is not None
    with lookings(scene.root) as seen:
        with steps.opening(target):
            pass
        steps.prepare(target)
        baseline = steps.baseline(target)
        steps.prompt(target, 1, None)
        idle = steps.idle(target, baseline)
        steps.check(target, placed.token, idle)
    assert seen.listed["plans"] == 1


def test_a_plan_that_vanishes_after_the_opening_is_told_as_such(scene: Scene) -> None:
    plan = scene.plan("01-a")
    steps = scene.app.steps(scene.spool, scene.app.events(scene.spool))
    target = Target("01", 0, "code", "plan-coder")
    placed = scene.queue.find(scene.enqueue(target))
    assert placed is not None
    with steps.opening(target):
        pass
    shutil.rmtree(plan.path)
    for look in (lambda: steps.check(target, placed.token), lambda: steps.prompt(target, 1, None)):
        with pytest.raises(Absent, match="plan 01 is not in the checkout"):
            look()
    with pytest.raises(Absent, match="plan 01 is not in the checkout"), steps.opening(target):
        pass


def test_dispatch_tells_of_a_live_job_whose_plan_vanished_with_its_epic_and_others_use_the_checkout(
    scene: Scene,
) -> None:
    """As after ``git stash -u``."""
    plan = scene.plan("01-a")
    epic = scene.epic("01-x", "01-a")
    scene.plan("02-b")
    scene.epic("02-y", "02-b")
    assert scene.reconcile().published == ["e01-p01-i0-code-plan-coder"]
    away = scene.root / "away"
    away.mkdir()
    plan.path.rename(away / "plan")
    epic.rename(away / "epic")
    found = scene.reconcile()
    assert found.published == ["e02-p02-i0-code-plan-coder"]
    (entry,) = found.blocked
    assert (entry.plan_id, entry.epic_id, entry.needs_help) == ("01", "01", True)
    assert "plan 01 is not in the checkout" in entry.why
    assert "git stash pop" in entry.why
    (away / "plan").rename(plan.path)
    (away / "epic").rename(epic)
    assert not scene.reconcile().blocked


def test_a_folder_without_its_state_is_an_absent_plan(scene: Scene) -> None:
    """Git leaves a folder behind that holds an ignored file, and its phase is not decided by that."""
    plan = scene.plan("01-a")
    scene.epic("01-x", "01-a")
    scene.reconcile()
    plan.state_json.unlink()
    steps = scene.app.steps(scene.spool, scene.app.events(scene.spool))
    target = Target("01", 0, "code", "plan-coder", "01")
    with pytest.raises(Absent):
        steps.hindrance(target)
    with pytest.raises(Absent), steps.opening(target):
        pass
    (entry,) = scene.reconcile().blocked
    assert "is not in the checkout" in entry.why


def test_each_opening_looks_for_its_plan_itself(scene: Scene) -> None:
    """A worker opens many jobs of one plan: what it has found once is no answer to the next one."""
    scene.plan("01-a")
    steps = scene.app.steps(scene.spool, scene.app.events(scene.spool))
    target = Target("01", 0, "code", "plan-coder")
    with steps.opening(target):
        pass
    scene.plan("01-b")
    with pytest.raises(Temporary, match="plans/01-a and plans/01-b"), steps.opening(target):
        pass


# -- dead letters and the checkout


@pytest.mark.parametrize(
    ("phase", "iteration", "dead", "published"),
    [
        ("fixing", 1, Target("01", 0, "fix", "plan-fixer"), ["e01-p02-i0-code-plan-coder"]),
        ("awaiting_review", 1, Target("01", 1, "review", "plan-reviewer"), ["e01-p02-i0-code-plan-coder"]),
        ("awaiting_review", 1, Target("01", 0, "fix", "plan-fixer"), ["e01-p01-i1-review-plan-reviewer"]),
        ("awaiting_review", 0, Target("01", 0, "code", "plan-coder"), ["e01-p01-i0-review-plan-reviewer"]),
    ],
)
def test_a_plan_leaves_the_checkout_to_others_when_the_step_it_waits_for_is_dead(
    scene: Scene, phase: str, iteration: int, dead: Target, published: list[str]
) -> None:
    """Plan 02 comes first, so it is published exactly when plan 01 counts as stuck."""
    scene.plan("01-a", phase, iteration, epic="01")
    scene.plan("02-b", epic="01")
    scene.epic("01-x", "02-b", "01-a")
    job_id = scene.dead(dead)
    found = scene.reconcile()
    assert found.published == published
    assert (f"`wf retry {job_id}`" in whys(found).get("01", "")) == (published[0].startswith("e01-p02"))


def test_a_plan_that_is_blocked_leaves_the_checkout_to_the_next_in_the_same_round(scene: Scene) -> None:
    scene.plan("01-a", "reviewing", 5, epic="01", **REJECTED)
    scene.plan("02-b", epic="01")
    scene.epic("01-x", "01-a", "02-b")
    found = scene.reconcile()
    assert found.published == ["e01-p02-i0-code-plan-coder"]
    assert whys(found) == {"01": "blocked after 5 rounds of fixing (max_iterations)"}


def test_a_published_plan_is_open_for_the_rest_of_its_round(scene: Scene) -> None:
    for name in ("01-a", "02-b"):
        scene.plan(name)
    scene.epic("01-x", "01-a", "02-b")
    found = scene.reconcile()
    assert found.published == ["e01-p01-i0-code-plan-coder"]
    assert whys(found) == {"02": "waits for plan 01 (max_parallel_plans)"}


def test_a_job_that_another_host_has_published_since_the_look_counts_as_there(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dispatch lock holds per host only where flock does not reach other hosts."""
    for name in ("01-a", "02-b"):
        scene.plan(name)
    scene.epic("01-x", "01-a", "02-b")
    target = Target("01", 0, "code", "plan-coder", "01")
    real = scan.steps
    calls: list[object] = []

    def steps(*statuses: Any) -> Any:
        found = real(*statuses)
        calls.append(statuses)
        if len(calls) == 1:
            scene.enqueue(target)
        return found

    monkeypatch.setattr(scan, "steps", steps)
    found = scene.reconcile()
    assert (found.published, found.deduped) == ([], ["e01-p01-i0-code-plan-coder"])
    assert whys(found) == {"02": "waits for plan 01 (max_parallel_plans)"}


def test_only_the_epic_that_was_asked_for_is_looked_after(scene: Scene) -> None:
    for n, name in enumerate(("01-a", "02-b"), start=1):
        scene.plan(name)
        scene.epic(f"{n:02d}-x", name)
    epic = epics.find(Project(scene.root), "02")
    found = scene.app.dispatcher(scene.spool).reconcile(epic)
    assert found.published == ["e02-p02-i0-code-plan-coder"]
    assert found.blocked == []


def test_a_busy_epic_is_said_without_a_call_for_help_and_the_others_go_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.plan("01-a", "completed")
    scene.plan("02-b")
    scene.epic("01-x", "01-a")
    scene.epic("02-y", "02-b")

    def busy(*_args: object, **_options: object) -> object:
        raise Temporary("epic-01.lock is held by another process")

    monkeypatch.setattr(epic_status, "status", busy)
    found = scene.reconcile()
    assert found.published == ["e02-p02-i0-code-plan-coder"]
    assert [(entry.epic_id, entry.why, entry.needs_help) for entry in found.blocked] == [
        ("01", "epic-01.lock is held by another process", False)
    ]


@pytest.mark.parametrize(
    ("phase", "iteration", "command", "job_id"),
    [
        ("planning", 0, "code", "p01-i0-code-plan-coder"),
        ("coding", 1, "code", "p01-i1-code-plan-coder"),
        ("reviewing", 2, "review", "p01-i2-review-plan-reviewer"),
        ("reviewing", 2, "fix", "p01-i2-fix-plan-fixer"),
        ("fixing", 2, "fix", "p01-i1-fix-plan-fixer"),
        ("fixing", 0, "fix", "p01-i0-fix-plan-fixer"),
        ("blocked", 5, "fix", "p01-i5-fix-plan-fixer"),
    ],
)
def test_a_person_publishes_the_job_of_the_round_that_the_plan_is_in(
    scene: Scene, phase: str, iteration: int, command: str, job_id: str
) -> None:
    plan = scene.plan("01-a", phase, iteration)
    dispatcher = scene.app.dispatcher(scene.spool)
    assert dispatcher.publish(plan, command) == (job_id, False)
    assert dispatcher.publish(plan, command) == (job_id, True)


# -- at the same time


def test_a_plan_that_moved_before_it_was_blocked_stays_as_it_is(scene: Scene) -> None:
    """A person puts the rejected item right and goes on while the round decides to block the plan."""
    plan = scene.plan("01-a", "reviewing", 5, epic="01", **REJECTED)
    scene.epic("01-x", "01-a")
    with stage() as play:
        actor = play.start(scene.reconcile, stop_at="reconcile.blocking")
        plan.todo_md.write_text(TODO)
        found = actor.go().result()
    assert plans.need_state(plan).phase == "reviewing"
    assert found.blocked == []
    plan.todo_md.write_text(REJECTED["todo"])
    assert "blocked after 5 rounds" in whys(scene.reconcile())["01"]
    assert plans.need_state(plan).phase == "blocked"


@pytest.mark.parametrize("moved", [{"phase": "completed"}, {"phase": "fixing", "iteration": 6}])
def test_a_plan_whose_phase_moved_before_it_was_blocked_stays_as_it_is(scene: Scene, moved: dict[str, Any]) -> None:
    plan = scene.plan("01-a", "reviewing", 5, epic="01", **REJECTED)
    scene.epic("01-x", "01-a")
    with stage() as play:
        actor = play.start(scene.reconcile, stop_at="reconcile.blocking")
        plan.state_json.write_text(json.dumps({"phase": "reviewing", "iteration": 5, "epic_id": "01", **moved}))
        assert actor.go().result().blocked == []
    assert plans.need_state(plan).phase == moved["phase"]


def test_two_reconciles_at_once_open_one_plan(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would see a free checkout: the first has decided, and has not published yet, while the second looks."""
    from wf_cli.planjobs import dispatcher

    monkeypatch.setattr(dispatcher, "_LOCK_TIMEOUT", 0.05)
    for n, name in enumerate(("01-a", "02-b"), start=1):
        scene.plan(name)
        scene.epic(f"{n:02d}-x", name)
    with stage() as play:
        first = play.start(scene.reconcile, stop_at="enqueue.part")
        second = scene.reconcile()
        assert (second.published, second.blocked) == ([], []), "skipped, because the first does the same"
        assert first.go().result().published == ["e01-p01-i0-code-plan-coder"]
    assert whys(scene.reconcile()) == {"02": "waits for plan 01 (max_parallel_plans)"}


# -- plans that are behind in the checkout


def test_a_plan_that_is_behind_its_queued_job_is_told_and_leaves_the_checkout_to_others(scene: Scene) -> None:
    """As after the checkout of an older branch: the folder is there, with the state of before."""
    plan = scene.plan("01-a", "awaiting_review", epic="01")
    scene.plan("02-b", epic="01")
    scene.epic("01-x", "01-a", "02-b")
    job_id = "e01-p01-i0-review-plan-reviewer"
    assert scene.reconcile().published == [job_id]
    later = plan.state_json.read_bytes()
    plan.state_json.write_text(json.dumps({"phase": "coding", "iteration": 0, "epic_id": "01"}))
    found = scene.reconcile()
    assert found.published == ["e01-p02-i0-code-plan-coder"]
    (entry,) = found.blocked
    assert (entry.plan_id, entry.needs_help) == ("01", True)
    assert "plans/01-a is in coding, iteration 0, and the job is review, iteration 0" in entry.why
    assert "git checkout" in entry.why
    placed = scene.queue.find(job_id)
    assert placed is not None
    assert placed.status is Status.QUEUED
    plan.state_json.write_bytes(later)
    assert not [entry for entry in scene.reconcile().blocked if "behind" in entry.why]


@pytest.mark.parametrize(("command", "phase"), [("code", "planning"), ("review", "coding")])
def test_explain_names_the_branch_stash_or_commit_that_has_the_later_state(
    scene: Scene, command: str, phase: str
) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=scene.root, check=True,
            capture_output=True,
        )  # fmt: skip

    plan = scene.plan("01-a")

    def earlier() -> None:
        plan.state_json.write_text(json.dumps({"phase": phase, "iteration": 0}))
        plan.plan_md.write_text("" if command == "code" else "# p\n")

    def later() -> None:
        after = "planning" if command == "code" else "awaiting_review"
        plan.state_json.write_text(json.dumps({"phase": after, "iteration": 0}))
        plan.plan_md.write_text("# p\n")

    project = Project(scene.root)
    target = Target("01", 0, command, {"code": "plan-coder", "review": "plan-reviewer"}[command])
    git("init", "-q", "-b", "old")
    earlier()
    git("add", "-A")
    git("commit", "-qm", "old")
    assert behind.trace(project, target).command is None
    git("checkout", "-qb", "new")
    later()
    git("commit", "-qam", "new")
    earlier()
    assert behind.trace(project, target).command == "git checkout -- plans/01-a"
    git("checkout", "-q", "--", ".")
    git("checkout", "-q", "old")
    assert behind.trace(project, target).command == "git checkout new"
    git("branch", "-qD", "new")
    later()
    git("stash", "-q")
    assert behind.trace(project, target).command == "git stash pop 'stash@{0}'"
    git("stash", "pop", "-q")
    assert behind.objection(project, target) is None
