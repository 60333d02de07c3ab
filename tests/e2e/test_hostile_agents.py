"""Agents that print garbage, do nothing, ask for a pause, are missing, or leave things behind."""

from __future__ import annotations

import os

import pytest

from support.box import Box, all_gone, await_gone, eventually, refs
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.spool import control

ONCE = {"max_attempts": 1}


def run_one(box: Box, script: str, **values: object) -> Status:
    """Run one own job by a worker that goes home afterwards."""
    box.shell(script, **values)
    (job_id,) = box.enqueue("job")
    done = box.wf("worker", "--runtime", "shell", "--json", "--once", deadline_s=90)
    assert done.code == 0, done.text
    assert done.document["processed"] == 1
    assert "Traceback" not in done.err
    status = box.status(job_id)
    assert status is not None
    return status


def failure(box: Box, attempt: int = 1) -> tuple[str, str]:
    """Code and message of a failed attempt of the one job."""
    outcome = box.outcome("job", attempt)
    assert outcome is not None
    assert outcome.failure is not None
    return outcome.failure.code, outcome.failure.message


GARBAGE = {
    "bytes": r"printf '\377\376\000\033[2J\033]0;title\007\r\n\303(\n{\"type\": 1\n'; head -c 65536 /dev/urandom",
    "one line without an end": "head -c 3000000 /dev/zero | tr '\\0' x",
    "nothing": "true",
    "thirty megabytes": "yes 'all work and no play makes jack a dull boy' | head -c 30000000",
    "thirty megabytes of errors": "yes 'all work and no play' | head -c 30000000 >&2",
    "a closed stdin and closed streams": "exec <&- >&- 2>&-",
}


@pytest.mark.parametrize("script", GARBAGE.values(), ids=GARBAGE.keys())
def test_what_an_agent_prints_is_no_evidence_and_harms_nobody(box: Box, script: str) -> None:
    assert run_one(box, f"{script}\nexit 0\n") is Status.SUCCEEDED
    logs = box.wf("logs", "job")
    assert logs.code in (0, 3), logs.text
    shown = box.ok("spool", "show", "job", "--json").document
    assert shown["status"] == "succeeded"
    assert len(box.ok("spool", "show", "job", "--json").out) < 100_000
    transcripts = sum(path.stat().st_size for path in box.spool.folder("transcripts").iterdir())
    assert transcripts < 20_000_000, "long transcripts are cut"
    box.assert_sound()


def test_a_payload_that_the_agent_never_reads_is_no_error(box: Box) -> None:
    box.shell("exit 0\n")
    box.enqueue("job", payload={"text": "x" * 300_000})
    box.ok("worker", "--runtime", "shell", "--once")
    assert box.status("job") is Status.SUCCEEDED


def test_an_exit_code_is_told_with_the_last_line_of_stderr(box: Box) -> None:
    assert run_one(box, "echo 'no such thing' >&2; exit 3\n", retry=ONCE) is Status.FAILED
    assert failure(box) == ("crashed", "exit code 3: no such thing")


def test_an_agent_that_dies_by_a_signal_is_told_by_its_name(box: Box) -> None:
    assert run_one(box, "kill -SEGV $$\n", retry=ONCE) is Status.FAILED
    assert failure(box)[1].startswith("killed by SIGSEGV")


def test_an_agent_that_kills_its_launcher_loses_the_attempt_and_its_children(box: Box) -> None:
    script = 'setsid sleep 1000 & echo $! > "$N/child"; kill -9 $PPID; sleep 1000\n'
    assert run_one(box, script, retry=ONCE) is Status.FAILED
    assert failure(box) == ("crashed", "the agent's launcher was killed")
    assert all_gone(refs([int(box.noted("child"))]))


def test_children_that_an_agent_leaves_behind_are_ended_and_the_job_counts(box: Box) -> None:
    script = """
setsid sleep 1000 & echo $! > "$N/own-session"
sleep 1000 & echo $! > "$N/same-session"
(trap '' TERM HUP; while :; do sleep 1; done) & echo $! > "$N/stubborn"
setsid sh -c 'sleep 1000 & echo $! > "$0/orphan"' "$N"
while [ ! -s "$N/orphan" ]; do sleep 0.02; done
exit 0
"""
    assert run_one(box, script) is Status.SUCCEEDED
    names = ("own-session", "same-session", "stubborn", "orphan")
    assert all_gone(refs(int(box.noted(name)) for name in names))


@pytest.mark.parametrize(
    ("timeouts", "script", "code"),
    [
        ({"stall": "1s"}, "echo hello; sleep 1000", "stall"),
        ({"max_runtime": "1s"}, "yes", "timeout"),
        ({"max_runtime": "1s"}, "trap '' TERM; while :; do sleep 0.1; done", "timeout"),
    ],
    ids=["silent", "endless talker", "deaf to SIGTERM"],
)
def test_an_agent_that_does_not_end_is_ended(box: Box, timeouts: dict[str, str], script: str, code: str) -> None:
    assert run_one(box, f'echo $$ > "$N/pid"\n{script}\n', retry=ONCE, timeouts=timeouts) is Status.FAILED
    assert failure(box)[0] == code
    assert all_gone(refs([int(box.noted("pid"))]))


def test_exit_code_75_cools_the_pool_down_and_burns_nothing(box: Box) -> None:
    box.shell('[ "$1" = other ] || { echo "quota is used up" >&2; exit 75; }\n')
    box.enqueue("job")
    worker = box.worker()
    placed = box.await_status("job", Status.QUEUED, attempt=1)
    assert placed.token.burned == 0
    assert placed.token.delay_s == 60
    assert failure(box)[0] == "rate_limited"
    eventually(lambda: control.has(box.spool, "cooldown.shell"), "the cool-down", box)
    worker.says("runtime shell is cooling down until")
    assert "quota is used up" in worker.err

    box.enqueue("other")
    done = box.wf("worker", "--runtime", "shell", "--json")
    assert done.code == 75, done.text
    assert "cooling down" in done.out
    other = box.tokens()["other"]
    assert (other.status, other.token.attempt) == (Status.QUEUED, 0), "the whole pool waits"
    box.ok("resume", "--runtime", "shell")
    box.await_status("other", Status.SUCCEEDED)
    assert worker.stop().code == 0
    box.assert_sound()


def test_a_pool_resumes_by_itself_when_its_cool_down_is_over(box: Box) -> None:
    box.shell(': > "$N/ran.$1"\n')
    box.enqueue("job")
    control.request(box.spool, "cooldown.shell", box.app.clock, reason="quota", seconds=600)
    worker = box.worker()
    worker.says("cooling down until")
    control.request(box.spool, "cooldown.shell", box.app.clock, reason="quota", seconds=1)
    box.await_status("job", Status.SUCCEEDED, attempt=1)
    worker.says("going on")


def test_a_rate_limited_agent_is_tried_again_after_the_time_its_provider_named(project: Box) -> None:
    fault = {"attempts": 1, "code": "rate_limited", "message": "429 slow down", "retry_after_s": 1.5}
    scripted = {"adapter": "scripted", "options": {"error": {"plan": fault}}}
    project.configure(runtimes={"cursor": scripted, "opencode": {"adapter": "scripted"}})
    epic = project.epic("parser")
    project.ok("epic", "run", epic)
    worker = project.worker("cursor")
    job_id = f"e{epic}-p01-i0-plan-orchestrator"
    placed = project.await_status(job_id, Status.SUCCEEDED)
    assert (placed.token.attempt, placed.token.burned) == (2, 0)
    outcome = project.outcome(job_id, 1)
    assert outcome is not None
    assert (outcome.end, outcome.disposition.delay_s) == (End.RELEASED, 2)
    assert "429 slow down" in worker.err


def test_a_program_that_is_not_installed_releases_the_job_pauses_the_session_and_says_what_to_do(box: Box) -> None:
    box.configure(
        runtimes={"shell": {"adapter": "command", "argv": ["no-such-agent-anywhere", "{job_id}"]}},
        routing={"builder": {"runtime": "shell"}},
    )
    box.enqueue("job", "other")
    worker = box.worker()
    worker.says("this host cannot run it; no claims for 30 s")
    placed = box.await_status("job", Status.QUEUED, attempt=1)
    assert placed.token.burned == 0
    assert placed.token.delay_s == 30
    assert failure(box) == (
        "runtime_missing",
        "no-such-agent-anywhere is not installed here; see runtimes.shell.argv",
    )
    assert "no-such-agent-anywhere is not installed here" in worker.err
    assert box.tokens()["other"].token.attempt == 0, "the session pauses"
    assert worker.stop().code == 0
    box.assert_sound()


def test_a_program_that_cannot_be_executed_is_a_fault_of_the_host(box: Box) -> None:
    path = box.home / "agent"
    path.write_bytes(b"\x7fELF broken")
    path.chmod(0o755)
    box.configure(
        runtimes={"shell": {"adapter": "command", "argv": [str(path)]}}, routing={"builder": {"runtime": "shell"}}
    )
    box.enqueue("job")
    done = box.wf("worker", "--runtime", "shell", "--json", "--once")
    assert done.document["released"] == 1, done.text
    assert failure(box)[0] in ("spawn_failed", "runtime_missing")
    assert box.tokens()["job"].token.burned == 0


def test_an_agent_that_says_done_without_doing_it_fails_by_the_gate(project: Box) -> None:
    project.plan_agents({"idle": ["plan"]}, retry={"max_attempts": 1})
    epic = project.epic("parser")
    project.ok("epic", "run", epic)
    done = project.wf("worker", "--runtime", "cursor", "--json")
    assert done.document["failed"] == 1, done.text
    job_id = f"e{epic}-p01-i0-plan-orchestrator"
    outcome = project.outcome(job_id, 1)
    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.code == "checks_unmet"
    assert any("plan.md is empty" in error for error in outcome.failure.errors)
    assert project.status(job_id) is Status.FAILED


@pytest.mark.parametrize("how", ["crash", "hang"])
def test_a_scripted_agent_that_breaks_in_the_middle_is_tried_again_and_nothing_is_done_twice(
    project: Box, how: str
) -> None:
    agent = {"adapter": "scripted", "options": {how: {"code": 1}}}
    project.configure(runtimes={"cursor": agent, "opencode": agent}, timeouts={"stall": "2s"})
    project.ok("plan", "parser")
    (project.plan("01") / "plan.md").write_text("# parser\n")
    (project.plan("01") / "todo.md").write_text("- [ ] [T1] first\n- [ ] [T2] second\n")
    project.ok("code", "01")
    worker = project.worker("opencode")
    placed = project.await_status("p01-i0-code-plan-coder", Status.SUCCEEDED)
    assert placed.token.attempt == 2
    work = {p.name: p.read_text() for p in (project.root / "work").rglob("*.txt")}
    assert {name: text.count("\n") for name, text in work.items()} == {"T1.txt": 1, "T2.txt": 1}
    assert "a1:" in work["T1.txt"]
    assert "a2:" in work["T2.txt"]
    assert worker.stop().code == 0


def test_an_agent_deaf_to_sigterm_does_not_keep_an_aborted_worker(box: Box) -> None:
    box.shell("""trap '' TERM INT HUP; echo $$ > "$N/.pid"; mv "$N/.pid" "$N/pid"; while :; do sleep 0.1; done\n""")
    box.enqueue("job")
    worker = box.worker("shell", "--drain-timeout", "100ms")
    agent = refs([int(box.noted("pid"))])
    assert worker.stop().code == 0
    await_gone(agent, "the end of the deaf agent")
    assert box.tokens()["job"].status is Status.QUEUED


def test_an_agent_cannot_reach_its_workers_descriptors_or_the_spools_locks(box: Box) -> None:
    script = 'for fd in /proc/$$/fd/*; do readlink "$fd"; done > "$N/.fds"; mv "$N/.fds" "$N/fds"\n'
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    assert run_one(box, script) is Status.SUCCEEDED
    assert ".wf/spool" not in box.noted("fds")
