"""Done is proven, and paid for: attempts that changed nothing, budgets, sessions that go on, secrets that stay in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.box import Box, eventually
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.spool import control, session

pytestmark = pytest.mark.timeout(240)

CODE = "p01-i0-code-plan-coder"
SECRET = "hunter2-is-no-good-password"
SPENDER = Path(__file__).parents[1] / "support" / "acp_spender.py"
#: An agent that speaks ACP; what it does is told by `told`.
ACP = {"adapter": "acp", "command": [sys.executable, "-P", str(SPENDER)]}


def told(box: Box, mode: str, **more: Any) -> dict[str, str]:
    """The environment in which `ACP` behaves so, and notes what it is asked."""
    return {
        "WF_FAKE_ACP": json.dumps({"mode": mode, **more}),
        "WF_FAKE_ACP_NOTES": str(box.notes / "acp"),
        "PYTHONPATH": str(SPENDER.parents[1]),
    }


def asked(box: Box) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (box.notes / "acp").read_text().splitlines()]


def lone_plan(box: Box) -> None:
    """A plan outside epics, filled in."""
    box.ok("plan", "parser")
    (box.plan("01") / "plan.md").write_text("# a plan\n")
    (box.plan("01") / "todo.md").write_text("- [ ] [T1] first\n")


def talker(box: Box, script: str, **values: Any) -> None:
    """Both pools run this POSIX script for every step: ``$N`` takes notes."""
    path = box.notes.parent / "agent.sh"
    path.write_text(f"N={box.notes}\ncat > $N/prompt.$WF_JOB_ID.a$WF_ATTEMPT\n{script}")
    agent = {"adapter": "command", "argv": ["sh", str(path)]}
    box.configure(runtimes={"cursor": agent, "opencode": agent}, **values)


#: Evidence and nothing else: what an agent does that wants to be done.
FAKE = """
wf todo implemented 01 T1 --test='true' --output='fine' || exit 3
wf finish-code 01 2> $N/refused.a$WF_ATTEMPT; echo $? > $N/code.a$WF_ATTEMPT
"""


class TestNoChange:
    @pytest.mark.parametrize("versioned", [True, False], ids=["git", "no git"])
    def test_evidence_without_a_change_is_refused_to_the_agent_and_fails_the_attempt(
        self, project: Box, versioned: bool
    ) -> None:
        if versioned:
            subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
        talker(project, FAKE, retry={"max_attempts": 1})
        lone_plan(project)
        project.ok("code", "01")
        done = project.wf("worker", "--runtime", "opencode", "--once", "--json")
        assert done.document["failed"] == 1, done.text
        outcome = project.outcome(CODE, 1)
        assert outcome is not None
        assert outcome.failure is not None
        assert outcome.failure.code == "no_change"
        assert outcome.burned == 1
        assert project.noted("code.a1").strip() == "1", "not 4: the job is still its own"
        assert "nothing outside plans/01-parser/ has changed" in project.noted("refused.a1")
        assert project.phase("01") == "coding"
        assert project.status(CODE) is Status.FAILED

    def test_what_tools_leave_behind_is_no_work(self, project: Box) -> None:
        subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
        left = "mkdir -p src/__pycache__ docs/_build && echo x | tee src/__pycache__/a.pyc docs/_build/i test.log\n"
        checks = {"no_change": "fail", "ignore": ["docs/_build"]}
        talker(project, left + FAKE, retry={"max_attempts": 1}, checks=checks)
        lone_plan(project)
        project.ok("code", "01")
        project.ok("worker", "--runtime", "opencode", "--once")
        outcome = project.outcome(CODE, 1)
        assert outcome is not None
        assert outcome.failure is not None, project.story()
        assert outcome.failure.code == "no_change"
        assert project.noted("code.a1").strip() == "1"

    def test_the_next_attempt_is_told_and_its_work_counts(self, project: Box) -> None:
        talker(project, "[ $WF_ATTEMPT = 1 ] || echo work > work.txt\n" + FAKE)
        lone_plan(project)
        project.ok("code", "01")
        project.ok("worker", "--runtime", "opencode", "--max-jobs", "2", "--watch")
        assert project.status(CODE) is Status.SUCCEEDED
        assert "nothing outside plans/01-parser/ has changed" in project.noted(f"prompt.{CODE}.a2")
        assert project.phase("01") == "awaiting_review"

    def test_what_an_earlier_attempt_changed_counts_for_the_job(self, project: Box) -> None:
        talker(project, "[ $WF_ATTEMPT = 2 ] || { echo work > work.txt; kill -9 $$; }\n" + FAKE)
        lone_plan(project)
        project.ok("code", "01")
        project.ok("worker", "--runtime", "opencode", "--max-jobs", "2", "--watch")
        assert project.status(CODE) is Status.SUCCEEDED, project.story()

    def test_i5_what_an_attempt_of_a_killed_worker_changed_counts_too(self, project: Box) -> None:
        talker(project, "[ $WF_ATTEMPT = 2 ] || { echo work > work.txt; : > $N/worked; sleep 1000; }\n" + FAKE)
        lone_plan(project)
        project.ok("code", "01")
        first = project.worker("opencode")
        project.noted("worked")
        first.kill()
        project.worker("opencode")
        project.await_status(CODE, Status.SUCCEEDED, attempt=2)

    def test_it_can_be_allowed_for_a_role(self, project: Box) -> None:
        routing = {"plan-coder": {"runtime": "opencode", "checks": {"no_change": "allow"}}}
        talker(project, FAKE, routing=routing)
        lone_plan(project)
        project.ok("code", "01")
        project.ok("worker", "--runtime", "opencode", "--once")
        assert project.status(CODE) is Status.SUCCEEDED
        assert project.noted("code.a1").strip() == "0"

    def test_an_agent_inside_an_editor_is_told_the_same(self, project: Box) -> None:
        project.configure()
        lone_plan(project)
        project.ok("code", "01")
        job = project.ok("job", "next", "--runtime", "opencode", "--json").document
        env = {"WF_JOB_TOKEN": job["token"]}
        project.ok("todo", "implemented", "01", "T1", "--test=true", "--output=fine", env=env)
        refused = project.wf("finish-code", "01", env=env)
        assert refused.code == 1, refused.text
        unmet = project.wf("job", "finish", job["token"], "--json")
        assert unmet.document["error"] == "NO_CHANGE", unmet.text
        (project.root / "work.txt").write_text("work\n")
        project.ok("job", "finish", job["token"])
        assert project.phase("01") == "awaiting_review"


class TestMoney:
    USAGE = {"tokens_in": 1000, "tokens_out": 10, "cost_usd": 0.6}  # noqa: RUF012 (a constant)

    def test_an_epic_over_its_budget_is_held_says_so_and_goes_on_after_release(self, project: Box) -> None:
        agent = {"adapter": "scripted", "options": {"usage": self.USAGE}}
        runtimes = {"cursor": agent, "opencode": agent}
        project.configure(runtimes=runtimes, budget={"per_epic_usd": 1.0})
        epic = project.epic("parser")
        project.ok("epic", "run", epic)
        crew = [project.worker(runtime) for runtime in ("cursor", "opencode")]
        done = project.wf("epic", "run", epic, "--follow", deadline_s=120)
        assert done.code == 1, done.text
        review = f"e{epic}-p01-i0-review-plan-reviewer"
        assert f"{review} is held: epic {epic} has cost $1.2000 of $1" in done.out
        placed = project.await_status(review, Status.HELD)
        assert placed.token.burned == 0
        row = project.ok("spool", "ls", "--status", "held", "--json").document["jobs"][0]
        assert "budget.per_epic_usd" in row["reason"]
        explained = project.ok("explain", review)
        assert "wf release" in explained.out
        assert "has cost $1.2000" in explained.out
        # The running workers read the new limit.
        project.configure(runtimes=runtimes, budget={"per_epic_usd": 5.0})
        project.ok("release", review)
        done = project.wf("epic", "run", epic, "--follow", deadline_s=120)
        assert done.code == 0, done.text
        project.await_status(review, Status.SUCCEEDED, attempt=2)
        usage = project.outcomes(review)[2].usage
        assert usage is not None
        assert usage["cost_usd"] == 0.6
        for worker in crew:
            assert worker.stop().code == 0
        project.assert_sound()

    def test_a_running_agent_that_becomes_too_expensive_is_stopped_and_the_job_held(self, project: Box) -> None:
        budget = {"per_job_usd": 0.5}
        project.configure(runtimes={"shell": ACP}, routing={"builder": {"runtime": "shell"}}, budget=budget)
        project.enqueue("job")
        env = told(project, "spends", dollars=[0.2, 0.4, 0.6])
        worker = project.start("worker", "--runtime", "shell", "--once", "--json", env=env)
        done = worker.ended()
        assert json.loads(done.out)["released"] == 1, done.text
        placed = project.await_status("job", Status.HELD, attempt=1)
        assert placed.token.burned == 0
        outcome = project.outcome("job", 1)
        assert outcome is not None
        assert outcome.failure is not None
        assert outcome.failure.code == "over_budget"
        assert outcome.usage is not None
        assert outcome.usage["cost_usd"] == pytest.approx(0.6)
        assert not control.has(project.spool, "cooldown.shell"), "no fault of the provider"
        project.assert_sound()

    def test_a_step_that_is_done_counts_although_its_agent_had_to_be_stopped(self, project: Box) -> None:
        project.configure(runtimes={"cursor": ACP, "opencode": ACP}, budget={"per_job_usd": 0.5})
        lone_plan(project)
        project.ok("code", "01")
        env = told(project, "works_and_spends", dollars=[0.2, 0.6])
        project.start("worker", "--runtime", "opencode", "--once", env=env).ended()
        assert project.status(CODE) is Status.SUCCEEDED, project.story()
        assert project.phase("01") == "awaiting_review"
        usage = project.outcomes(CODE)[1].usage
        assert usage is not None
        assert usage["cost_usd"] == 0.6

    def test_an_unknown_cost_is_said_and_may_hold_the_job(self, box: Box) -> None:
        box.shell("exit 1\n", budget={"per_job_usd": 1, "unknown_cost": "hold"})
        box.enqueue("job")
        box.ok("worker", "--runtime", "shell", "--max-jobs", "2", "--watch")
        placed = box.await_status("job", Status.HELD, attempt=2)
        assert placed.token.burned == 1
        shown = box.ok("spool", "show", "job")
        assert "cost unknown" in shown.out
        assert "nobody told what job.a1 cost" in shown.out


def test_a_retried_attempt_goes_on_in_its_session_with_the_errors_alone_and_fresh_does_not(project: Box) -> None:
    """By ACP; the stand-in notes what it is told."""
    retry = {"max_attempts": 2, "backoff": {"base": "1ms"}}
    project.configure(runtimes={"cursor": ACP, "opencode": ACP}, retry=retry)
    lone_plan(project)
    project.ok("code", "01")
    env = told(project, "idle")
    done = project.start("worker", "--runtime", "opencode", "--max-jobs", "2", "--watch", env=env).ended()
    assert done.code == 0
    project.await_status(CODE, Status.FAILED, attempt=2)
    project.ok("retry", CODE, "--fresh")
    project.start("worker", "--runtime", "opencode", "--once", env=env).ended()
    said = asked(project)
    prompts = [note["text"] for note in said if note["what"] == "prompt"]
    assert [note["what"] for note in said if note["what"] in ("new", "load")] == ["new", "load", "new"]
    assert prompts[0].startswith("# Carry out plan 01")
    assert prompts[1].startswith("## Attempt 2 at the same step")
    assert "nothing outside plans/01-parser/ has changed" in prompts[1]
    assert "# Carry out plan 01" not in prompts[1]
    assert "# Carry out plan 01" in prompts[2], "a fresh session knows nothing"


class TestSecrets:
    def leaks(self, box: Box, *needles: str) -> list[str]:
        """Files below .wf that hold one of these."""
        files = [path for path in (box.root / ".wf").rglob("*") if path.is_file()]
        assert files
        return [str(path) for path in files if any(needle.encode() in path.read_bytes() for needle in needles)]

    def test_a_secret_that_an_agent_echoes_everywhere_is_in_no_file(self, box: Box) -> None:
        script = """
echo "the password is $TEST_DB_PASSWORD, the key is $ACME_API_KEY"
echo "{\\"type\\": \\"text\\", \\"text\\": \\"$TEST_DB_PASSWORD\\"}"
echo "fatal: cannot log in with $TEST_DB_PASSWORD and customer acme-0123456789abcdef" >&2
exit 1
"""
        box.shell(script, retry={"max_attempts": 1}, redact=["acme-[0-9a-f]{16}"])
        box.enqueue("job")
        env = {"TEST_DB_PASSWORD": SECRET, "ACME_API_KEY": "k3y-of-the-kingdom"}
        worker = box.start("worker", "--runtime", "shell", "--once", env=env)
        done = worker.ended()
        assert box.status("job") is Status.FAILED
        needles = (SECRET, "k3y-of-the-kingdom", "acme-0123456789abcdef")
        assert self.leaks(box, *needles) == []
        assert not any(needle in done.text for needle in needles), "nor in what the worker says"
        log = box.ok("logs", "job").out
        assert log.count("[redacted]") >= 5, log
        outcome = box.outcome("job", 1)
        assert outcome is not None
        assert outcome.failure is not None
        assert "cannot log in with [redacted] and customer [redacted]" in outcome.failure.message

    def test_a_variable_of_the_runtime_reaches_its_agents_and_is_masked_whatever_its_name(self, box: Box) -> None:
        script = (
            'printf %s "$DOOR,$PLAIN" > $N/got; echo "the door opens with $DOOR"; echo "fatal: $DOOR" >&2; exit 1'
        )
        box.shell(script, retry={"max_attempts": 1})
        config = json.loads((box.root / "wf.config.json").read_text())
        config["runtimes"]["shell"]["env"] = {"DOOR": "env:TEAM_DOOR", "PLAIN": "as it is"}
        (box.root / "wf.config.json").write_text(json.dumps(config))
        box.enqueue("job")
        for env in ({}, {"TEAM_DOOR": ""}):
            refused = box.start("worker", "--runtime", "shell", "--once", env=env).ended()
            assert refused.code == 2
            assert "runtimes.shell.env.DOOR: the variable TEAM_DOOR is not set" in refused.text
            assert box.status("job") is Status.QUEUED
            doctor = box.start("doctor", env=env).ended()
            assert "runtimes.shell.env.DOOR: the variable TEAM_DOOR is not set" in doctor.text
        done = box.start("worker", "--runtime", "shell", "--once", env={"TEAM_DOOR": SECRET}).ended()
        assert box.status("job") is Status.FAILED
        assert box.noted("got") == f"{SECRET},as it is"
        assert self.leaks(box, SECRET) == []
        assert SECRET not in done.text
        assert "the door opens with [redacted]" in box.ok("logs", "job").out

    def test_by_acp_too_where_words_come_in_pieces(self, box: Box) -> None:
        box.configure(runtimes={"shell": ACP}, routing={"builder": {"runtime": "shell"}})
        box.enqueue("job")
        env = {**told(box, "split"), "WF_TEST_TOKEN": SECRET}
        box.start("worker", "--runtime", "shell", "--once", env=env).ended()
        assert box.status("job") is Status.SUCCEEDED, box.story()
        assert self.leaks(box, SECRET) == []

    def test_nor_in_what_an_agent_inside_an_editor_says(self, box: Box) -> None:
        box.shell("exit 1", redact=["acme-[0-9a-f]{16}"])
        box.enqueue("one", "two", "three")
        env = {"TEST_DB_PASSWORD": SECRET}
        said = f"cannot log in with {SECRET}, customer acme-0123456789abcdef"
        for verb, *words in (
            ("fail", "--message", said),
            ("release", "--reason", said),
            ("finish", "--result", json.dumps({"how": [said]})),
        ):
            job = box.ok("job", "next", "--runtime", "shell", "--json", env=env).document
            box.ok("job", verb, job["token"], *words, env=env)
        assert self.leaks(box, SECRET, "acme-0123456789abcdef") == []


def test_a_usage_limit_parks_the_pool_is_shown_everywhere_and_resume_starts_the_job_at_once(box: Box) -> None:
    limit = "Error: You have hit your usage limit. Try again in 3 hours."
    script = f'[ -e "$N/paid" ] || {{ echo "{limit}" >&2; exit 75; }}\n'
    box.shell(script)
    box.enqueue("job", "other")
    worker = box.worker()
    placed = box.await_status("job", Status.QUEUED, attempt=1)
    assert placed.token.burned == 0
    worker.says("runtime shell is cooling down until")
    for words in (("spool", "ls"), ("worker", "ls")):
        shown = box.ok(*words)
        assert "runtime shell is cooling down until" in shown.err, shown.text
        assert box.ok(*words, "--json").document["stops"][0]["runtime"] == "shell"
    explained = box.ok("explain", "other", "--json").document
    assert explained["next"] == "wf resume --runtime shell"
    box.note("paid")
    box.ok("resume", "--runtime", "shell")
    box.await_status("job", Status.SUCCEEDED, attempt=2)
    box.await_status("other", Status.SUCCEEDED, attempt=1)
    assert worker.stop().code == 0
    box.assert_sound()


def test_work_goes_on_by_itself_after_the_limit(box: Box) -> None:
    box.shell('[ "$2" != 1 ] || { echo "rate limit, try again in 2s" >&2; exit 75; }\n')
    box.enqueue("job")
    worker = box.worker()
    placed = box.await_status("job", Status.SUCCEEDED)
    assert (placed.token.attempt, placed.token.burned) == (2, 0)
    eventually(lambda: not control.has(box.spool, "cooldown.shell"), "the end of the series", box)
    kinds = [event["event"] for event in box.events()]
    assert kinds.index("pool.cooldown") < kinds.index("pool.resumed")
    assert worker.stop().code == 0


def test_the_session_of_another_runtime_is_not_resumed(project: Box) -> None:
    """A step that was given to the other pool begins anew there."""
    runtimes, retry = {"cursor": ACP, "opencode": ACP}, {"max_attempts": 3, "backoff": {"base": "1ms"}}
    project.configure(runtimes=runtimes, retry=retry)
    lone_plan(project)
    project.ok("code", "01")
    env = told(project, "idle")
    project.start("worker", "--runtime", "opencode", "--once", env=env).ended()
    outcome = project.outcome(CODE, 1)
    assert outcome is not None
    assert (outcome.end, outcome.runtime) == (End.FAILED, "opencode")
    assert outcome.session_id is not None
    project.configure(runtimes=runtimes, routing={"plan-coder": {"runtime": "cursor"}}, retry=retry)
    project.ok("dispatch")
    project.start("worker", "--runtime", "cursor", "--once", env=env).ended()
    said = [note["what"] for note in asked(project)]
    assert "load" not in said
    assert said.count("new") == 2
    assert session.owners(project.spool)
