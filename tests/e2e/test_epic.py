"""Epics on two workers, to their end and through everything that keeps them from it."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from support.box import HANG, Box, Running, eventually
from support.wait import wait_until
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status

pytestmark = pytest.mark.timeout(240)

SCRIPTED = {"cursor": {"adapter": "scripted"}, "opencode": {"adapter": "scripted"}}
TODO = "- [ ] [T1] first\n- [ ] [T2] second\n"
ON = {"WF_DISTRIBUTED": "1"}


def workers(box: Box) -> tuple[Running, Running]:
    return box.worker("cursor"), box.worker("opencode")


def fill(box: Box, plan_id: str) -> None:
    """What an orchestrator would write."""
    (box.plan(plan_id) / "plan.md").write_text("# a plan\n")
    (box.plan(plan_id) / "todo.md").write_text(TODO)


def lone_plan(box: Box, behaviour: dict[str, Any]) -> None:
    """A plan outside epics, filled in, with plan agents."""
    box.plan_agents(behaviour)
    box.ok("plan", "parser")
    fill(box, "01")


def assert_each_attempt_started_once(box: Box) -> None:
    assert box.notes_like("double.*") == []


def test_an_epic_of_two_plans_reaches_completed_on_two_workers(project: Box) -> None:
    project.configure(mode="command", runtimes=SCRIPTED)
    epic = project.epic("parser", "report")
    cursor = project.start("worker", "--runtime", "cursor", "--watch", env=ON)
    opencode = project.start("worker", "--runtime", "opencode", "--watch", env=ON)
    done = project.wf("epic", "run", epic, "--follow", env=ON, deadline_s=180)
    assert done.code == 0, done.text + project.story()
    assert "2 of 2 plans completed" in done.out
    assert [project.phase(p) for p in ("01", "02")] == ["completed", "completed"]

    def jobs() -> list[dict[str, Any]]:
        return project.ok("spool", "ls", "--json", env=ON).document["jobs"]

    # The last review completes the epic, and its worker publishes the outcome after that.
    wait_until(lambda: {job["status"] for job in jobs()} == {"succeeded"}, what="the outcome of the last review")
    found = {"jobs": jobs()}
    by_role = {job["role"]: job["runtime"] for job in found["jobs"]}
    assert by_role == {"orchestrator": "cursor", "plan-coder": "opencode", "plan-reviewer": "cursor"}
    assert len(found["jobs"]) == 6
    assert project.ok("epic", "status", epic, "--json").document["orchestration"]["status"] == "completed"
    files = sorted(str(p.relative_to(project.root / "work")) for p in (project.root / "work").rglob("*.txt"))
    assert files == [
        f"{plan}/{item}.txt" for plan in ("01-plan-1-parser", "02-plan-2-report") for item in ("T1", "T2")
    ]
    assert cursor.stop().code == opencode.stop().code == 0
    project.assert_sound()


def test_follow_with_json_prints_exactly_one_document_and_attaches_to_a_running_epic(project: Box) -> None:
    project.plan_agents()
    epic = project.epic("parser")
    project.ok("epic", "run", epic)
    workers(project)
    done = project.wf("epic", "run", epic, "--follow", "--json", deadline_s=180)
    assert done.code == 0, done.text
    document = done.document
    assert (document["ok"], document["end"], document["why"]) == (True, "completed", [])
    assert document["status"] == "completed"


def test_auto_workers_run_the_epic_and_go_home_with_it(project: Box) -> None:
    project.configure(runtimes=SCRIPTED)
    epic = project.epic("parser")
    done = project.wf("epic", "run", epic, "--follow", "--auto-workers", "--json", deadline_s=180)
    assert done.code == 0, done.text
    assert {entry["runtime"] for entry in done.document["auto_workers"]["started"]} == {"cursor", "opencode"}
    assert project.phase("01") == "completed"
    project.await_empty()
    project.assert_sound()


def test_ctrl_c_ends_only_the_watching_and_the_epic_goes_on(project: Box) -> None:
    project.plan_agents({"wait": ["code"]})
    epic = project.epic("parser")
    crew = workers(project)
    follower = project.start("epic", "run", epic, "--follow")
    job_id = f"e{epic}-p01-i0-code-plan-coder"
    project.noted(f"start.{job_id}.a1")
    follower.signal(signal.SIGINT)
    done = follower.ended()
    assert done.code == 130, done.text
    assert f"wf epic run {epic} --follow" in done.out + done.err
    assert "Traceback" not in done.err
    project.note(f"go.{job_id}.a1")
    eventually(lambda: project.phase("01") == "completed", "the completed plan", project)
    assert [worker.stop().code for worker in crew] == [0, 0]


def test_follow_says_which_worker_is_missing(project: Box) -> None:
    project.configure(runtimes=SCRIPTED)
    epic = project.epic("parser")
    follower = project.start("epic", "run", epic, "--follow")
    follower.says("start one: wf worker --runtime cursor --watch")


def test_a_reviewer_that_rejects_for_ever_ends_blocked_by_max_iterations(project: Box) -> None:
    project.plan_agents({"reject": ["01"]}, epic={"max_iterations": 2})
    epic = project.epic("parser", "report")
    workers(project)
    done = project.wf("epic", "run", epic, "--follow", "--json", deadline_s=200)
    assert done.code == 1, done.text
    assert done.document["ok"] is False
    assert done.document["end"] == "blocked"
    assert any(why.startswith("plan 01: ") and "wf fix 01" in why for why in done.document["why"]), done.text
    assert project.phase("01") == "blocked"
    assert json.loads((project.plan("01") / "state.json").read_text())["iteration"] == 2
    assert project.phase("02") == "completed", "a blocked plan frees the checkout for the next one"
    assert_each_attempt_started_once(project)


def test_a_code_job_that_always_fails_goes_dead_and_retry_completes_the_epic_once_the_agent_is_repaired(
    project: Box,
) -> None:
    project.plan_agents({"fail": ["code"]})
    epic = project.epic("parser")
    workers(project)
    done = project.wf("epic", "run", epic, "--follow", deadline_s=180)
    assert done.code == 1, done.text
    job_id = f"e{epic}-p01-i0-code-plan-coder"
    assert f"wf retry {job_id}" in done.out, done.text
    placed = project.tokens()[job_id]
    assert (placed.status, placed.token.attempt, placed.token.burned) == (Status.FAILED, 3, 3)
    assert project.phase("01") == "coding"

    project.behave({})
    project.ok("retry", f"e{epic}-p01-i0-code")
    done = project.wf("epic", "run", epic, "--follow", deadline_s=180)
    assert done.code == 0, done.text
    assert project.phase("01") == "completed"
    assert project.tokens()[job_id].token.attempt == 4, "attempt numbers go on"
    assert "I cannot do this" in (project.notes / f"prompt.{job_id}.a4").read_text()
    assert_each_attempt_started_once(project)


def test_jobs_of_a_paused_epic_are_not_claimed_and_resume_goes_on(project: Box) -> None:
    project.plan_agents({"wait": ["plan"]})
    epic = project.epic("parser")
    project.ok("epic", "run", epic)
    job_id = f"e{epic}-p01-i0-plan-orchestrator"
    cursor, opencode = workers(project)
    project.noted(f"start.{job_id}.a1")
    project.ok("epic", "stop", epic)
    project.note(f"go.{job_id}.a1")
    project.await_status(job_id, Status.SUCCEEDED)  # what ran goes on to its end
    project.behave({})
    project.ok("dispatch")
    assert list(project.tokens()) == [job_id], "a paused epic gets no new jobs"

    # Published before the pause, claimed by nobody: neither by these workers nor by a fresh one.
    project.ok("epic", "resume", epic)
    code = f"e{epic}-p01-i0-code-plan-coder"
    project.await_status(code, Status.SUCCEEDED)
    eventually(lambda: project.phase("01") == "completed", "the completed plan", project)
    assert cursor.stop().code == opencode.stop().code == 0


def test_a_job_queued_before_the_pause_waits_for_the_resume(project: Box) -> None:
    project.plan_agents()
    epic = project.epic("parser")
    project.ok("epic", "run", epic)
    project.ok("epic", "stop", epic)
    done = project.wf("worker", "--runtime", "cursor", "--json")
    assert done.code == 0, done.text
    assert done.document["processed"] == 0
    assert project.tokens()[f"e{epic}-p01-i0-plan-orchestrator"].token.attempt == 0
    project.ok("epic", "resume", epic)
    assert project.wf("worker", "--runtime", "cursor", "--json").document["succeeded"] == 1


@pytest.mark.parametrize("when", ["queued", "running"])
def test_a_plan_folder_that_vanishes_keeps_its_job_waiting_and_it_goes_on_when_the_folder_is_back(
    project: Box, when: str
) -> None:
    """Git takes folders away (a stash, another branch) without anybody having decided about the plan."""
    project.plan_agents({"wait": ["plan"]})
    epic = project.epic("parser", "report")
    project.ok("epic", "run", epic)
    job_id = f"e{epic}-p01-i0-plan-orchestrator"
    folder, away = project.plan("01"), project.root.parent / "away"
    if when == "running":
        cursor, opencode = workers(project)
        project.noted(f"start.{job_id}.a1")
        folder.rename(away)
        project.behave({})
        project.note(f"go.{job_id}.a1")
        cursor.says(f"{job_id}: released (plan 01 is not in the checkout")
        outcome = project.outcome(job_id, 1)
        assert outcome is not None
        assert (outcome.end, outcome.burned, outcome.failure) == (End.RELEASED, 0, None)
    else:
        folder.rename(away)
        project.behave({})
        cursor, opencode = workers(project)
        cursor.says("plan 01 is not in the checkout")
    wait_until(lambda: project.phase("02") == "completed", HANG, "the other plan, which may use the checkout")
    placed = project.await_status(job_id, Status.QUEUED)
    assert (placed.token.attempt, placed.token.burned) == (1 if when == "running" else 0, 0)
    away.rename(folder)
    done = project.wf("epic", "run", epic, "--follow", "--json", deadline_s=180)
    assert done.code == 0, done.text
    assert cursor.runs
    assert opencode.runs
    assert "Traceback" not in cursor.err + opencode.err


def test_the_gates_errors_are_in_the_prompt_of_the_next_attempt(project: Box) -> None:
    lone_plan(project, {"idle": ["code"]})
    project.ok("code", "01")
    worker = project.worker("opencode")
    job_id = "p01-i0-code-plan-coder"
    project.await_status(job_id, Status.FAILED)
    first, second = (project.noted(f"prompt.{job_id}.a{n}") for n in (1, 2))
    error = "todo items are not ticked: T1, T2"
    assert error not in first
    assert error in second
    outcomes = project.outcomes(job_id)
    assert [o.failure.code for o in outcomes.values() if o.failure] == ["no_change"] * 3
    assert worker.stop().code == 0
    project.assert_sound()


def test_a_forgotten_finish_code_is_run_by_the_worker(project: Box) -> None:
    lone_plan(project, {"forget": ["code"]})
    project.ok("code", "01")
    done = project.wf("worker", "--runtime", "opencode", "--json")
    assert done.document["succeeded"] == 1, done.text
    assert project.phase("01") == "awaiting_review"
    assert project.tokens()["p01-i0-code-plan-coder"].token.attempt == 1


def test_a_forgotten_done_is_told_to_the_reviewer_who_tries_again(project: Box) -> None:
    lone_plan(project, {"forget": ["review"]})
    project.ok("code", "01")
    project.worker("opencode")
    project.worker("cursor")
    project.await_status("p01-i0-code-plan-coder", Status.SUCCEEDED)
    job_id = "p01-i0-review-plan-reviewer"
    eventually(lambda: project.outcomes(job_id), "a failed review", project)
    project.behave({})
    project.await_status(job_id, Status.SUCCEEDED)
    assert "wf done 01" in project.noted(f"prompt.{job_id}.a2")
    assert project.phase("01") == "completed"


def test_a_worker_killed_after_finish_code_does_not_run_the_agent_again_invariant_5(project: Box) -> None:
    lone_plan(project, {"wait_after": ["code"]})
    project.ok("code", "01")
    job_id = "p01-i0-code-plan-coder"
    first = project.worker("opencode")
    project.noted(f"worked.{job_id}.a1")
    assert project.phase("01") == "awaiting_review"
    # Its agent is ended with it, so no exit tells that the work was done.
    first.kill()
    project.worker("opencode")
    placed = project.await_status(job_id, Status.SUCCEEDED)
    assert placed.token.attempt == 2
    assert project.notes_like("start.*code*") == [f"start.{job_id}.a1"]
    outcomes = project.outcomes(job_id)
    assert [o.end for o in outcomes.values()] == [End.LOST, End.SUCCEEDED]
    assert outcomes[2].result["agent"] == "none"
    eventually(lambda: "p01-i0-review-plan-reviewer" in project.tokens(), "the review job", project)
    project.assert_sound()


@pytest.mark.stress
def test_two_epics_at_once_on_one_checkout_never_work_on_two_plans_at_the_same_time(project: Box) -> None:
    project.plan_agents()
    epics = [project.epic("parser", "report", name="One"), project.epic("cache", name="Two")]
    running = [*workers(project), *workers(project)]
    followers = [project.start("epic", "run", epic, "--follow") for epic in epics]
    for follower in followers:
        done = follower.ended(200)
        assert done.code == 0, done.text + project.story()
    assert [project.phase(p) for p in ("01", "02", "03")] == ["completed"] * 3
    assert project.notes_like("overlap.*") == []
    assert project.notes_like("busy.*") == []
    assert_each_attempt_started_once(project)
    for worker in running:
        assert worker.stop().code == 0
    project.assert_sound()


@pytest.mark.stress
def test_an_epic_whose_workers_are_killed_again_and_again_completes_and_nothing_runs_twice(project: Box) -> None:
    project.plan_agents(retry={"max_attempts": 9, "backoff": {"base": "50ms", "factor": 1, "cap": "50ms"}})
    rng = random.Random(int(os.environ.get("WF_STRESS_SEED") or 7))
    epic = project.epic("parser", "report")
    crew = {runtime: [project.worker(runtime), project.worker(runtime)] for runtime in ("cursor", "opencode")}
    follower = project.start("epic", "run", epic, "--follow", "--json")
    for started in sorted(rng.sample(range(1, 7), 4)):
        eventually(lambda n=started: len(project.notes_like("start.*")) >= n, f"{started} starts", project)  # type: ignore[misc]
        runtime = rng.choice(["cursor", "opencode"])
        busy = {placed.token.owner for placed in project.tokens().values() if placed.status is Status.RUNNING}
        # One that works, if there is one: a moment later it may be another.
        everyone = [worker for some in crew.values() for worker in some]
        victim = next((w for w in everyone if w.owner in busy), rng.choice(crew[runtime]))
        runtime = next(name for name, some in crew.items() if victim in some)
        crew[runtime].remove(victim)
        victim.kill()
        crew[runtime].append(project.worker(runtime))
    done = follower.ended(200)
    assert done.code == 0, done.text + project.story()
    assert done.document["end"] == "completed"
    # The last review completes the epic, and its worker publishes the outcome after that.
    wait_until(lambda: {p.folder for p in project.tokens().values()} == {"done"}, what="the last outcome")
    assert_each_attempt_started_once(project)
    assert project.notes_like("overlap.*") == []
    for placed in project.tokens().values():
        ends = [outcome.end for outcome in project.outcomes(placed.token.job_id).values()]
        assert ends.pop() is End.SUCCEEDED
        assert set(ends) <= {End.LOST, End.RELEASED}
    for worker in [worker for some in crew.values() for worker in some]:
        assert worker.stop().code == 0
    project.assert_sound()


def test_a_persons_code_and_review_and_fix_publish_jobs_instead_of_changing_the_phase(project: Box) -> None:
    lone_plan(project, {})
    done = project.ok("code", "01")
    assert "published: p01-i0-code-plan-coder (queued)" in done.out
    assert project.phase("01") == "planning"
    again = project.ok("code", "01")
    assert "is there already" in again.out
    assert list(project.tokens()) == ["p01-i0-code-plan-coder"]


@pytest.mark.parametrize(
    ("phase", "command", "job_id", "runtime", "then"),
    [
        ("coding", "code", "p01-i0-code-plan-coder", "opencode", "awaiting_review"),
        ("reviewing", "review", "p01-i0-review-plan-reviewer", "cursor", "completed"),
        ("fixing", "fix", "p01-i0-fix-plan-fixer", "opencode", "awaiting_review"),
        ("blocked", "fix", "p01-i0-fix-plan-fixer", "opencode", "awaiting_review"),
    ],
)
def test_a_plan_that_a_person_left_inside_a_phase_is_adopted(
    project: Box, phase: str, command: str, job_id: str, runtime: str, then: str
) -> None:
    lone_plan(project, {})
    off = {"WF_DISTRIBUTED": "0"}
    project.ok("code", "01", env=off)
    if phase != "coding":
        implement(project)
        project.ok("finish-code", "01", env=off)
        project.ok("review", "01", env=off)
    if phase in ("fixing", "blocked"):
        project.ok("todo", "reject", "01", "T2", "--reason", "no", env=off)
    if phase == "fixing":
        project.ok("fix", "01", env=off)
    if phase == "blocked":
        state = project.plan("01") / "state.json"
        state.write_text(json.dumps({**json.loads(state.read_text()), "phase": "blocked"}))
    assert project.phase("01") == phase
    published = project.ok(command, "01")
    assert f"published: {job_id} (queued)" in published.out, published.text
    assert project.phase("01") == phase
    done = project.wf("worker", "--runtime", runtime, "--json")
    assert done.document["succeeded"] >= 1, done.text
    assert project.tokens()[job_id].status is Status.SUCCEEDED
    assert project.phase("01") == then


def implement(box: Box) -> None:
    """A person's work on both items."""
    for item in ("T1", "T2"):
        path = Path(box.root, "work", box.plan("01").name, f"{item}.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("work\n")
        box.ok("todo", "implemented", "01", item, "--test", "true", "--output", "ok", env={"WF_DISTRIBUTED": "0"})
