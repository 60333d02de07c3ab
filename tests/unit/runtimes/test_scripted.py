"""The scripted agent carries a plan through all its phases with the real ``wf`` commands."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support import fork_server
from support.runs import SUPPORT, Bench, Outcome
from wf_cli.runtimes.acp.adapter import AcpAdapter
from wf_cli.runtimes.base import Adapter, Limits, RuntimeSettings
from wf_cli.runtimes.cursor.adapter import CursorAdapter
from wf_cli.runtimes.scripted.adapter import ScriptedAdapter


def wf(root: Path, *arguments: str) -> str:
    """A person's command, forked; the agents start theirs."""
    env = {"PATH": os.environ["PATH"], "HOME": str(root), "LANG": "C.UTF-8"}
    done = fork_server.server().run(arguments, cwd=root, env=env)
    assert done.code == 0, done.err
    return done.out.decode()


def phase(root: Path) -> str:
    return str(json.loads(wf(root, "context", "1", "--json"))["phase"])


@pytest.fixture
def project(bench: Bench) -> Bench:
    subprocess.run(["git", "init", "-q", str(bench.root)], check=True)
    wf(bench.root, "set-model", "gpt-5.2")
    wf(bench.root, "plan", "Parse dates")
    return bench


def scripted(**options: Any) -> Adapter:
    return ScriptedAdapter(RuntimeSettings("scripted", "scripted", options=options))


def run(bench: Bench, step: str, adapter: Adapter, *, iteration: int = 0, **facts: Any) -> Outcome:
    job_id = f"p01-i{iteration}-{step}-coder"
    environment = {"WF_JOB_ID": job_id, "WF_ROOT": str(bench.root), **facts.pop("environment", {})}
    environment["WF_ATTEMPT"] = str(facts.get("attempt", 1))
    # Without a token: there is no spool here, and these are the commands of a person.
    return bench.run(adapter, mark="", job_id=job_id, environment=environment, **facts)


def test_a_plan_goes_through_a_rejection_to_its_end(project: Bench) -> None:
    root = project.root
    adapter = scripted(reject_once=["01"], items=3)
    assert run(project, "plan", adapter).code is None
    assert (root / "plans/01-parse-dates/todo.md").read_text().count("- [ ] [T") == 3
    wf(root, "code", "1")
    outcome = run(project, "code", adapter)
    assert outcome.code is None, outcome.result
    assert phase(root) == "awaiting_review"
    wf(root, "review", "1")
    assert run(project, "review", adapter).code is None
    assert phase(root) == "reviewing"
    wf(root, "fix", "1")
    assert run(project, "fix", adapter, iteration=1).code is None
    wf(root, "review", "1")
    assert run(project, "review", adapter, iteration=1).code is None
    assert phase(root) == "completed"
    log = subprocess.run(["git", "log", "--format=%s"], cwd=root, capture_output=True, text=True, check=True).stdout
    assert log.splitlines() == ["plan 01: T3 (fix)", "plan 01: T3 (code)", "plan 01: T2 (code)", "plan 01: T1 (code)"]


def test_the_stand_in_for_cursor_does_the_same_work(project: Bench) -> None:
    command = (sys.executable, str(SUPPORT / "cursor_agent.py"))
    outcome = run(project, "plan", CursorAdapter(RuntimeSettings("cursor", "cursor", command=command)))
    assert outcome.code is None
    assert "[T2]" in (project.root / "plans/01-parse-dates/todo.md").read_text()


def test_the_stand_in_for_acp_agents_does_the_same_work(project: Bench) -> None:
    command = (sys.executable, str(SUPPORT / "acp_agent.py"))
    adapter = AcpAdapter(RuntimeSettings("fake", "acp", command=command))
    outcome = run(project, "plan", adapter, environment={"PYTHONPATH": str(SUPPORT.parent)})
    assert outcome.code is None, outcome.result
    assert "[T2]" in (project.root / "plans/01-parse-dates/todo.md").read_text()
    wf(project.root, "code", "1")
    outcome = run(project, "code", adapter)
    assert outcome.code is None, outcome.result
    assert phase(project.root) == "awaiting_review"
    assert any(event.kind == "tool" and "finish-code" in event.text for event in outcome.events)


def test_an_attempt_that_crashes_in_the_middle_leaves_its_work_to_the_next_one(project: Bench) -> None:
    adapter = scripted(crash={"code": 1})
    run(project, "plan", adapter)
    wf(project.root, "code", "1")
    first = run(project, "code", adapter)
    assert first.code == "crashed"
    assert first.result.exit.code == -9
    assert "- [x] [T1]" in (project.root / "plans/01-parse-dates/todo.md").read_text()
    assert run(project, "code", adapter, attempt=2).code is None
    assert phase(project.root) == "awaiting_review"
    assert (project.root / "work/01-parse-dates/T1.txt").read_text().count("\n") == 1


def test_an_attempt_that_hangs_is_a_stall(project: Bench) -> None:
    outcome = run(project, "plan", scripted(hang={"plan": 1}), limits=Limits(stall_s=1.5, grace_s=0.2))
    assert outcome.code == "stall"


def test_an_error_can_be_told(project: Bench) -> None:
    fault = {"code": "rate_limited", "message": "slow down", "retry_after_s": 2.5}
    failure = run(project, "plan", scripted(error={"plan": fault})).result.verdict.failure
    assert failure is not None
    assert (failure.code, failure.retry_after_s) == ("rate_limited", 2.5)
    assert run(project, "plan", scripted(error={"plan": fault}), attempt=2).code is None


def test_a_refused_command_ends_the_attempt(project: Bench) -> None:
    failure = run(project, "code", scripted()).result.verdict.failure  # nobody has opened the plan
    assert failure is not None
    assert "wf finish-code 01" in failure.message


def test_a_job_of_ones_own_is_read_and_done(bench: Bench) -> None:
    environment = {"WF_JOB_ID": "nightly-report", "WF_ROOT": str(bench.root)}
    outcome = bench.run(
        scripted(usage={"tokens_in": 5, "cost_usd": 0.5}), mark="", prompt="{}", environment=environment
    )
    assert outcome.code is None
    assert outcome.result.verdict.usage.tokens_in == 5
    assert outcome.result.verdict.usage.tokens_out is None
