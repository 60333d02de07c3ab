"""Closed terminals (SIGHUP), SIGQUIT, Ctrl-Z: what becomes of a worker, its job, and the commands that watch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from support.box import HANG, WF, Box, all_gone, eventually, refs
from support.wait import wait_until
from wf_cli.contract.lifecycle import Status

# Each attempt ends well once it is told to.
WAITS = """
echo $$ > "$N/.pids.$1.$2"; mv "$N/.pids.$1.$2" "$N/pids.$1.$2"
while [ ! -e "$N/end.$1.$2" ]; do sleep 0.02; done
"""


@pytest.fixture(autouse=True)
def started(box: Box) -> None:
    """What the end of a terminal does to a process is for the installed `wf` to show."""
    box.forks = False


def test_the_end_of_the_terminal_drains_a_worker_and_its_job_is_finished(box: Box) -> None:
    box.shell(WAITS)
    job_id, waiting = box.enqueue("job", "waiting")
    worker = box.worker()
    box.noted(f"pids.{job_id}.1")
    worker.signal(signal.SIGHUP)
    worker.says("draining (SIGHUP): 1 job(s) to finish")
    box.note(f"end.{job_id}.1")
    assert worker.ended().code == 0
    assert box.status(job_id) is Status.SUCCEEDED
    assert box.tokens()[waiting].token.attempt == 0
    box.assert_sound()


@pytest.mark.parametrize("numbers", [("SIGHUP", "SIGHUP"), ("SIGTERM", "SIGHUP"), ("SIGQUIT",)])
def test_a_second_hangup_or_the_first_sigquit_gives_the_job_back(box: Box, numbers: tuple[str, ...]) -> None:
    box.shell(WAITS)
    (job_id,) = box.enqueue("job")
    worker = box.worker()
    agent = refs(map(int, box.noted(f"pids.{job_id}.1").split()))
    for number in numbers:
        worker.signal(signal.Signals[number])
        worker.says("draining")
    assert worker.ended().code == 0
    assert all_gone(agent)
    placed = box.tokens()[job_id]
    assert (placed.status, placed.token.attempt, placed.token.burned) == (Status.QUEUED, 1, 0)
    box.assert_sound()


def test_a_worker_under_nohup_does_not_hear_the_hangup(box: Box) -> None:
    box.shell(WAITS)
    (job_id,) = box.enqueue("job")
    words = ["nohup", WF, "worker", "--runtime", "shell", "--watch"]
    with (box.tmp / "nohup.log").open("wb") as log:
        worker = subprocess.Popen(words, cwd=box.root, env=box.environ, stdout=log, stderr=log)
    try:
        box.noted(f"pids.{job_id}.1")
        worker.send_signal(signal.SIGHUP)
        box.note(f"end.{job_id}.1")
        box.await_status(job_id, Status.SUCCEEDED)
        (after,) = box.enqueue("after")
        box.note(f"end.{after}.1")
        box.await_status(after, Status.SUCCEEDED)
    finally:
        worker.send_signal(signal.SIGTERM)
    assert worker.wait(HANG) == 0


def test_a_worker_that_waits_for_a_spool_ends_with_its_terminal(box: Box) -> None:
    box.shell("exit 0\n")
    worker = box.start("worker", "--runtime", "shell", "--watch")
    worker.says("waiting for a spool")
    worker.signal(signal.SIGHUP)
    assert worker.ended().code == 0


def test_a_worker_continued_after_more_than_its_lease_says_so_and_starts_over_although_nobody_reaped_it(
    box: Box,
) -> None:
    box.shell(WAITS)
    job_id, after = box.enqueue("job", "after")
    words = [WF, "worker", "--runtime", "shell", "--watch", "--lease", "2s"]
    log = box.tmp / "worker.log"
    # SIGTSTP does nothing to an orphaned process group, so the worker has one of its own in this session.
    with log.open("wb") as sink:
        worker = subprocess.Popen(words, cwd=box.root, env=box.environ, stdout=sink, stderr=sink, process_group=0)
    try:
        box.noted(f"pids.{job_id}.1")
        os.killpg(worker.pid, signal.SIGTSTP)
        process = psutil.Process(worker.pid)
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, HANG, "the stop")
        owner = box.tokens()[job_id].token.owner
        assert owner is not None
        lease = box.spool_root / "leases" / f"{owner}.lease"
        stood_since = lease.stat().st_mtime_ns
        wait_until(lambda: _age_s(box, stood_since) > 4, HANG, "the end of the lease")
        os.killpg(worker.pid, signal.SIGCONT)
        eventually(lambda: "lost the lease" in log.read_text(), "the notice", box)
        for attempt in (1, 2):
            box.note(f"end.{job_id}.{attempt}")
        box.note(f"end.{after}.1")
        box.await_status(job_id, Status.SUCCEEDED)
        placed = box.await_status(after, Status.SUCCEEDED)
        assert placed.token.burned == 0
        assert box.outcomes(after)[1].by != owner
    finally:
        worker.send_signal(signal.SIGTERM)
    assert worker.wait(HANG) == 0
    box.assert_sound()


def _age_s(box: Box, since_ns: int) -> float:
    """Seconds since ``since_ns`` by the clock of the disk."""
    probe = box.tmp / "clock"
    probe.write_text("")
    return (probe.stat().st_mtime_ns - since_ns) / 1e9


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT])
def test_the_workers_of_a_followed_epic_leave_with_the_follower(project: Box, number: signal.Signals) -> None:
    project.plan_agents({"wait": ["plan"]})
    epic = project.epic("parser")
    following = project.start("epic", "run", epic, "--follow", "--auto-workers")
    project.noted(f"start.e{epic}-p01-i0-plan-orchestrator.a1")
    assert "alive" in project.ok("worker", "ls").out
    following.signal(number)
    project.note(f"go.e{epic}-p01-i0-plan-orchestrator.a1")
    assert following.ended().code == 130
    eventually(lambda: "alive" not in project.ok("worker", "ls").out, "the end of the workers", project)


#: `wf` whose terminal is closed when its workers were started and nothing else was done.
CLOSED_AT_ONCE = """
import os, signal, sys
from wf_cli.cli import main
from wf_cli.cli.workers import auto_workers
start = auto_workers.start
def closed(*args):
    started = start(*args)
    os.kill(os.getpid(), signal.SIGHUP)
    return started
auto_workers.start = closed
sys.argv = ["wf", *sys.argv[1:]]
main.main()
"""


def test_a_follower_that_is_hung_up_before_its_first_look_takes_its_workers_along(project: Box) -> None:
    """They stayed: the signal was heard, and they were drained, only once the follower had looked."""
    project.plan_agents({"wait": ["plan"]})
    words = ["epic", "run", project.epic("parser"), "--follow", "--auto-workers"]
    argv = [sys.executable, "-c", CLOSED_AT_ONCE, *words]
    done = subprocess.run(
        argv, cwd=project.root, env=project.environ, capture_output=True, text=True, timeout=HANG, check=False
    )
    assert done.returncode == 130, done
    project.await_empty()
