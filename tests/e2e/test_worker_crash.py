"""Workers that are killed, stopped, drained and robbed: what becomes of their jobs and of their agents."""

from __future__ import annotations

import os
import shutil
import signal

from support.box import Box, all_gone, await_gone, eventually, refs
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.proc import ProcessRef
from wf_cli.spool import lease

# A first attempt never ends, and has a child in a session of its own; later ones end at once.
STAYS = """
setsid sleep 1000 &
echo $$ $! > "$N/.pids.$1.$2"; mv "$N/.pids.$1.$2" "$N/pids.$1.$2"
[ "$2" -gt 1 ] || sleep 1000
"""
# Each attempt ends well once it is told to.
WAITS = """
setsid sleep 1000 &
echo $$ $! > "$N/.pids.$1.$2"; mv "$N/.pids.$1.$2" "$N/pids.$1.$2"
while [ ! -e "$N/end.$1.$2" ]; do sleep 0.02; done
"""


def tree(box: Box, job_id: str, attempt: int) -> list[ProcessRef]:
    """The agent of an attempt and its grandchild, living."""
    found = refs(map(int, box.noted(f"pids.{job_id}.{attempt}").split()))
    assert len(found) == 2
    assert not all_gone(found)
    return found


def remove_spool(box: Box) -> None:
    """All of it at one moment."""
    gone = box.root / "gone"
    box.spool_root.rename(gone)
    shutil.rmtree(gone)


def test_a_job_whose_worker_was_killed_runs_again_on_another_and_the_old_agents_tree_is_gone(box: Box) -> None:
    box.shell(STAYS)
    (job_id,) = box.enqueue("job")
    first = box.worker("shell", "--id", "first")
    old = tree(box, job_id, 1)
    launcher = refs([box.agent_of(first).pid])
    box.worker("shell", "--id", "second")
    first.kill()
    placed = box.await_status(job_id, Status.SUCCEEDED)
    assert (placed.token.attempt, placed.token.burned) == (2, 1)
    await_gone([*old, *launcher], "the end of the old agent's tree")
    assert [outcome.end for outcome in box.outcomes(job_id).values()] == [End.LOST, End.SUCCEEDED]
    assert box.notes_like("pids.*") == [f"pids.{job_id}.1", f"pids.{job_id}.2"]
    box.assert_sound()


def test_a_reaper_ends_the_tree_of_an_agent_whose_launcher_was_killed_with_its_worker(box: Box) -> None:
    box.shell(STAYS)
    (job_id,) = box.enqueue("job")
    first = box.worker("shell", "--id", "first")
    old = tree(box, job_id, 1)
    launcher = box.agent_of(first).pid
    first.signal(signal.SIGSTOP)  # so that it cannot do its launcher's work
    os.kill(launcher, signal.SIGKILL)
    first.kill()
    box.worker("shell", "--id", "second")
    box.await_status(job_id, Status.SUCCEEDED, attempt=2)
    await_gone(old, "the end of the old agent's tree")
    box.assert_sound()


def test_a_worker_stopped_past_its_lease_loses_its_job_and_goes_on_under_a_new_owner_id(box: Box) -> None:
    box.shell(WAITS)
    (job_id,) = box.enqueue("job")
    first = box.worker("shell", "--id", "first", "--lease", "2s")
    before = first.owner
    old = tree(box, job_id, 1)
    second = box.worker("shell", "--id", "second")
    first.signal(signal.SIGSTOP)
    tree(box, job_id, 2)
    await_gone(old, "the end of the superseded agent")
    assert first.owners == [before]

    first.signal(signal.SIGCONT)
    first.says("lost the lease")
    eventually(lambda: len(first.owners) == 2, "a new session of the first worker", box)
    assert first.owner != before
    box.note(f"end.{job_id}.2")
    placed = box.await_status(job_id, Status.SUCCEEDED)
    assert placed.token.attempt == 2
    assert box.outcomes(job_id)[1].by == second.owner
    assert [outcome.end for outcome in box.outcomes(job_id).values()] == [End.LOST, End.SUCCEEDED]

    assert second.stop().code == 0
    (after,) = box.enqueue("after")
    tree(box, after, 1)
    placed = box.await_status(after, Status.RUNNING)
    assert placed.token.owner == first.owner != before
    box.note(f"end.{after}.1")
    box.await_status(after, Status.SUCCEEDED)
    assert sorted(box.notes_like("pids.*")) == [f"pids.{after}.1", f"pids.{job_id}.1", f"pids.{job_id}.2"]
    assert first.stop().code == 0
    box.assert_sound()


def test_what_an_agent_finished_while_its_worker_stood_still_past_its_lease_counts(box: Box) -> None:
    """Invariants 2 and 5. Its launcher kept its exit."""
    box.shell(WAITS)
    (job_id,) = box.enqueue("job")
    first = box.worker("shell", "--id", "first", "--lease", "2s")
    old = tree(box, job_id, 1)
    first.signal(signal.SIGSTOP)
    box.note(f"end.{job_id}.1")
    await_gone(old, "the end of the first attempt")
    second = box.worker("shell", "--id", "second")
    placed = box.await_status(job_id, Status.SUCCEEDED)
    assert placed.token.attempt == 1
    assert box.outcomes(job_id)[1].by == second.owner
    first.signal(signal.SIGCONT)
    eventually(lambda: len(first.owners) == 2, "a new session of the first worker", box)
    assert second.stop().code == first.stop().code == 0
    assert box.notes_like("pids.*") == [f"pids.{job_id}.1"]
    box.assert_sound()


def test_what_an_agent_finished_while_its_worker_stood_still_past_its_lease_is_kept_as_late(box: Box) -> None:
    """Invariants 2 and 5. Nothing tells of its exit."""
    box.shell(WAITS)
    (job_id,) = box.enqueue("job")
    first = box.worker("shell", "--id", "first", "--lease", "2s")
    owner = first.owner
    old = tree(box, job_id, 1)
    launcher = refs([box.agent_of(first).pid])
    first.signal(signal.SIGSTOP)
    box.note(f"end.{job_id}.1")
    await_gone([*old, *launcher], "the end of the first attempt")
    box.spool.path("sessions", f"{job_id}.a1.{owner}.exit.json").unlink()
    second = box.worker("shell", "--id", "second")
    tree(box, job_id, 2)
    first.signal(signal.SIGCONT)
    eventually(lambda: len(first.owners) == 2, "a new session of the first worker", box)
    assert box.late() == [f"{job_id}.a1.{owner}.late.json"]
    box.note(f"end.{job_id}.2")
    box.await_status(job_id, Status.SUCCEEDED, attempt=2)
    assert second.stop().code == first.stop().code == 0
    box.assert_sound()


def test_an_agent_that_had_finished_when_its_worker_was_killed_does_not_run_again(box: Box) -> None:
    """Its worker stands still while it ends, and is killed before it can read that."""
    box.shell(WAITS)
    (job_id,) = box.enqueue("job")
    first = box.worker("shell", "--id", "first")
    old = tree(box, job_id, 1)
    launcher = refs([box.agent_of(first).pid])
    first.signal(signal.SIGSTOP)
    box.note(f"end.{job_id}.1")
    await_gone([*old, *launcher], "the end of the first attempt")
    first.kill()
    second = box.worker("shell", "--id", "second")
    placed = box.await_status(job_id, Status.SUCCEEDED)
    assert (placed.token.attempt, placed.token.burned) == (1, 0)
    outcome = box.outcomes(job_id)[1]
    assert (outcome.end, outcome.by) == (End.SUCCEEDED, second.owner)
    assert second.stop().code == 0
    assert box.notes_like("pids.*") == [f"pids.{job_id}.1"]
    box.assert_sound()


def test_an_agent_that_was_ended_with_its_worker_runs_again_however_well_it_ended(box: Box) -> None:
    box.shell(
        """
        trap 'exit 0' TERM
        setsid sleep 1000 &
        echo $$ $! > "$N/.pids.$1.$2"; mv "$N/.pids.$1.$2" "$N/pids.$1.$2"
        [ "$2" -gt 1 ] || while :; do sleep 0.02; done
        """
    )
    (job_id,) = box.enqueue("job")
    first = box.worker("shell", "--id", "first")
    tree(box, job_id, 1)
    box.worker("shell", "--id", "second")
    first.kill()
    box.await_status(job_id, Status.SUCCEEDED, attempt=2)
    assert [outcome.end for outcome in box.outcomes(job_id).values()] == [End.LOST, End.SUCCEEDED]
    box.assert_sound()


def test_a_step_that_was_done_when_its_worker_was_killed_is_followed_by_the_next(project: Box) -> None:
    """No agent runs again, and what follows an end follows this one."""
    project.plan_agents({"wait_after": ["plan"]})
    epic = project.epic("One")
    project.ok("epic", "run", epic)
    job_id = f"e{epic}-p01-i0-plan-orchestrator"
    first = project.worker("cursor", "--id", "first")
    project.noted(f"worked.{job_id}.a1")
    launcher = refs([project.agent_of(first).pid])
    first.signal(signal.SIGSTOP)
    project.note(f"end.{job_id}.a1")
    await_gone(launcher, "the end of the first attempt")
    first.kill()
    second = project.worker("cursor", "--id", "second")
    placed = project.await_status(job_id, Status.SUCCEEDED)
    assert placed.token.attempt == 1
    assert project.outcomes(job_id)[1].by == second.owner
    eventually(lambda: project.status(f"e{epic}-p01-i0-code-plan-coder"), "the next step", project)
    assert project.notes_like("start.*") == [f"start.{job_id}.a1"]


def test_the_first_sigterm_drains_the_running_job_is_finished_and_nothing_new_is_claimed(box: Box) -> None:
    box.shell(WAITS)
    job_id, waiting = box.enqueue("job", "waiting")
    worker = box.worker()
    old = tree(box, job_id, 1)
    worker.signal(signal.SIGTERM)
    worker.says("draining (SIGTERM): 1 job(s) to finish")
    assert not all_gone(old[:1])
    box.note(f"end.{job_id}.1")
    done = worker.ended()
    assert done.code == 0, done.text
    assert "1 processed, 1 succeeded, 0 failed, 0 released" in done.out
    assert box.status(job_id) is Status.SUCCEEDED
    assert box.tokens()[waiting].token.attempt == 0
    assert all_gone(old)
    box.assert_sound()


def test_the_second_sigterm_gives_the_job_back_and_ends_the_agents_tree(box: Box) -> None:
    box.shell(WAITS)
    (job_id,) = box.enqueue("job")
    worker = box.worker("shell", "--json")
    old = tree(box, job_id, 1)
    worker.signal(signal.SIGTERM)
    worker.says("draining")
    worker.signal(signal.SIGTERM)
    done = worker.ended()
    assert done.code == 0, done.text
    assert done.document["released"] == 1
    assert all_gone(old)
    placed = box.tokens()[job_id]
    assert placed.status is Status.QUEUED
    assert (placed.token.attempt, placed.token.burned) == (1, 0)
    box.assert_sound()


def test_a_drain_that_takes_too_long_becomes_an_abort(box: Box) -> None:
    box.shell(WAITS)
    (job_id,) = box.enqueue("job")
    worker = box.worker("shell", "--drain-timeout", "200ms")
    old = tree(box, job_id, 1)
    assert worker.stop().code == 0
    assert all_gone(old)
    assert box.tokens()[job_id].status is Status.QUEUED


def test_a_worker_whose_lease_file_was_deleted_stops_its_agent_and_starts_over(box: Box) -> None:
    box.shell(WAITS)
    (job_id,) = box.enqueue("job")
    worker = box.worker("shell", "--lease", "3s")
    before = worker.owner
    old = tree(box, job_id, 1)
    lease.path_of(box.spool, before).unlink()
    worker.says("lost the lease")
    await_gone(old, "the end of the agent")
    tree(box, job_id, 2)
    assert worker.owner != before
    box.note(f"end.{job_id}.2")
    box.await_status(job_id, Status.SUCCEEDED, attempt=2)
    assert worker.stop().code == 0
    box.assert_sound()


def test_a_worker_whose_spool_is_removed_says_so_stops_its_agents_and_never_makes_it_again(box: Box) -> None:
    box.shell(WAITS)
    (job_id,) = box.enqueue("job")
    worker = box.worker()
    old = tree(box, job_id, 1)
    remove_spool(box)
    done = worker.ended()
    assert all_gone(old)
    assert not box.spool_root.exists()
    assert "Traceback" not in done.err, done.text
    assert str(box.spool_root) in done.err
    assert "error: " in done.err
    assert done.code == 3, done.text


def test_a_worker_with_json_whose_spool_is_removed_prints_one_document(box: Box) -> None:
    box.shell(WAITS)
    box.enqueue("job")
    worker = box.worker("shell", "--json")
    tree(box, "job", 1)
    remove_spool(box)
    done = worker.ended()
    assert done.document["ok"] is False
    assert done.document["error"] == "SPOOL_MISSING"
    assert not box.spool_root.exists()


def test_a_worker_of_plan_jobs_makes_nothing_of_a_removed_spool_again(project: Box) -> None:
    project.plan_agents({"wait": ["plan"]})
    epic = project.epic("parser")
    project.ok("epic", "run", epic)
    worker = project.worker("cursor", "--concurrency", "2")
    project.noted(f"start.e{epic}-p01-i0-plan-orchestrator.a1")
    remove_spool(project)
    done = worker.ended()
    assert done.code == 3, done.text
    assert "Traceback" not in done.err
    assert not project.spool_root.exists()
    project.await_empty()


def test_cancelling_a_running_job_stops_its_agent_and_waits_for_that(box: Box) -> None:
    box.shell(WAITS)
    (job_id,) = box.enqueue("job")
    worker = box.worker()
    old = tree(box, job_id, 1)
    done = box.ok("cancel", job_id, "--json", "--reason", "not needed")
    assert done.document["ok"] is True
    await_gone(old, "the end of the cancelled agent")
    assert box.status(job_id) is Status.CANCELLED
    (after,) = box.enqueue("after")
    tree(box, after, 1)
    box.note(f"end.{after}.1")
    box.await_status(after, Status.SUCCEEDED)
    assert worker.stop().code == 0
    box.assert_sound()


def test_a_worker_without_watch_takes_what_is_ready_and_goes_home(box: Box) -> None:
    box.shell(': > "$N/ran.$1.$2"\n')
    box.enqueue(*(f"job-{n}" for n in range(5)))
    done = box.wf("worker", "--runtime", "shell", "--json", "--max-jobs", "2", "--concurrency", "4")
    assert (done.code, done.document["processed"]) == (0, 2), done.text
    assert len(box.notes_like("ran.*")) == 2
    done = box.wf("worker", "--runtime", "shell", "--json")
    assert (done.code, done.document["succeeded"]) == (0, 3), done.text
    done = box.wf("worker", "--runtime", "shell", "--json")
    assert (done.code, done.document["processed"]) == (0, 0), done.text
    box.assert_sound()


def test_an_agents_environment_has_nothing_of_the_attempt_that_its_worker_was_started_in(box: Box) -> None:
    box.shell('env > "$N/.env"; mv "$N/.env" "$N/env"\n')
    box.enqueue("job")
    outer = {"WF_JOB_TOKEN": "outer.a7.somebody-box-1", "WF_JOB_ID": "outer", "WF_ATTEMPT": "7", "WF_ROLE": "other"}
    done = box.wf("worker", "--runtime", "shell", "--once", env=outer)
    assert done.code == 0, done.text
    seen = dict(line.split("=", 1) for line in box.noted("env").splitlines() if "=" in line)
    assert (seen["WF_JOB_ID"], seen["WF_ATTEMPT"], seen["WF_ROLE"]) == ("job", "1", "builder")
    assert seen["WF_JOB_TOKEN"].startswith("job.a1.shell-")
    assert "outer" not in "".join(seen.values())
    assert (seen["WF_RUNTIME"], seen["WF_DISTRIBUTED"]) == ("shell", "1")
    assert (seen["WF_ROOT"], seen["WF_SPOOL"]) == (str(box.root), str(box.spool_root))
