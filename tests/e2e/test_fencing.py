"""Who may change a plan: the agent of its live attempt, and nobody with an older token (invariant 2)."""

from __future__ import annotations

import json

import pytest

from support.box import Box
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool, Token, mark

TODO = "- [ ] [T1] first\n"
REVIEW = """# Review

## T1

- intent_match: pass
- behavior_match: pass
- test_adequacy: pass
- risk: low
- code_refs: work/a.py:1
"""
IMPLEMENTED = ("todo", "implemented", "01", "T1", "--test", "make check", "--output", "ok")
CODER, REVIEWER = Pool("plan-coder", "opencode"), Pool("plan-reviewer", "cursor")


class Job:
    """The live job of a plan, its attempts taken by hand: no worker is about."""

    def __init__(self, box: Box, pool: Pool, owner: str):
        self._queue = box.app.queue(box.spool)
        self._box = box
        self._pool = pool
        self.token = self._take(owner)

    def _take(self, owner: str) -> Token:
        token = self._queue.claim(owner, {self._pool})
        assert token is not None
        with self._queue.fence(token.job_id):
            self._queue.start(token)
        return token

    @property
    def environ(self) -> dict[str, str]:
        """What the agent of the current attempt has."""
        token = self.token
        return {
            "WF_JOB_ID": token.job_id,
            "WF_ATTEMPT": str(token.attempt),
            "WF_JOB_TOKEN": mark(token),
            "WF_ROLE": token.pool.role,
            "WF_RUNTIME": token.pool.runtime,
            "WF_ROOT": str(self._box.root),
            "WF_SPOOL": str(self._box.spool_root),
            "WF_DISTRIBUTED": "1",
        }

    def supersede(self, owner: str) -> dict[str, str]:
        """Another session reaps the attempt and takes the next one; the environment of the old one."""
        old = self.environ
        self._queue.end(self.token, Ending(End.LOST, failure=Failure("lost", "gone")), by=owner)
        self.token = self._take(owner)
        return old

    def succeed(self) -> None:
        self._queue.end(self.token, Ending(End.SUCCEEDED), by=self.token.owner or "")


@pytest.fixture
def plan(project: Box) -> Box:
    """A project with one plan, filled in."""
    project.configure()
    project.ok("plan", "parser")
    (project.plan("01") / "plan.md").write_text("# parser\n")
    (project.plan("01") / "todo.md").write_text(TODO)
    return project


def coding(box: Box) -> Job:
    """The plan in coding, with a running job."""
    box.ok("code", "01")
    job = Job(box, CODER, "first-box-1")
    box.ok("code", "01", "--as-operator")
    return job


def reviewing(box: Box) -> Job:
    """The plan in reviewing, with a running job, everything accepted."""
    job = coding(box)
    box.ok(*IMPLEMENTED, env=job.environ)
    box.ok("finish-code", "01", env=job.environ)
    job.succeed()
    box.ok("review", "01")
    job = Job(box, REVIEWER, "first-box-2")
    box.ok("review", "01", "--as-operator")
    (box.plan("01") / "review.md").write_text(REVIEW)
    box.ok("todo", "accept", "01", "T1", env=job.environ)
    return job


def assert_refused(box: Box, env: dict[str, str], *words: str) -> None:
    """Exit code 4, the reason is told, nothing is changed."""
    before = box.tree()
    done = box.wf(*words, env=env)
    assert done.code == 4, f"wf {' '.join(words)}: {done.text}"
    assert "superseded" in done.err
    assert box.tree() == before


def test_a_superseded_coders_commands_exit_4_and_change_nothing_invariant_2(plan: Box) -> None:
    job = coding(plan)
    plan.ok(*IMPLEMENTED, env=job.environ)
    old = job.supersede("second-box-1")
    assert_refused(plan, old, "finish-code", "01")
    assert_refused(plan, old, *IMPLEMENTED)
    assert_refused(plan, old, *IMPLEMENTED, "--json")
    plan.ok("finish-code", "01", env=job.environ)
    assert plan.phase("01") == "awaiting_review"
    assert_refused(plan, old, "finish-code", "01")


def test_a_superseded_reviewers_commands_exit_4_and_change_nothing_invariant_2(plan: Box) -> None:
    job = reviewing(plan)
    old = job.supersede("second-box-1")
    assert_refused(plan, old, "done", "01")
    assert_refused(plan, old, "review", "01")
    assert_refused(plan, old, "todo", "accept", "01", "T1")
    assert_refused(plan, old, "todo", "reject", "01", "T1", "--reason", "no")
    plan.ok("done", "01", env=job.environ)
    assert plan.phase("01") == "completed"


def test_a_superseded_fixer_cannot_raise_the_iteration(plan: Box) -> None:
    job = reviewing(plan)
    plan.ok("todo", "reject", "01", "T1", env=job.environ)
    job.succeed()
    plan.ok("fix", "01")
    job = Job(plan, Pool("plan-fixer", "opencode"), "first-box-3")
    old = job.supersede("second-box-1")
    assert_refused(plan, old, "fix", "01")
    plan.ok("fix", "01", env=job.environ)
    assert json.loads((plan.plan("01") / "state.json").read_text())["iteration"] == 1


def test_an_agent_whose_job_was_cancelled_changes_nothing_any_more(plan: Box) -> None:
    job = coding(plan)
    plan.ok(*IMPLEMENTED, env=job.environ)
    plan.ok("cancel", job.token.job_id, "--no-wait")
    assert_refused(plan, job.environ, "finish-code", "01")


def test_the_agents_of_a_killed_worker_leave_tokens_that_open_nothing(project: Box) -> None:
    """The same with real workers: the environment is the one that the first attempt's agent had."""
    project.plan_agents({"wait": ["code"]})
    project.ok("plan", "parser")
    (project.plan("01") / "plan.md").write_text("# parser\n")
    (project.plan("01") / "todo.md").write_text(TODO)
    project.ok("code", "01")
    job_id = "p01-i0-code-plan-coder"
    first = project.worker("opencode", "--id", "first")
    old = json.loads(project.noted(f"environment.{job_id}.a1"))
    project.ok(*IMPLEMENTED, env=old)
    first.kill()
    second = project.worker("opencode", "--id", "second")
    new = json.loads(project.noted(f"environment.{job_id}.a2"))
    assert_refused(project, old, "finish-code", "01")
    assert_refused(project, old, *IMPLEMENTED)
    (project.root / "parser.py").write_text("parse = int\n")
    project.ok("finish-code", "01", env=new)
    project.note(f"go.{job_id}.a2")
    project.await_status(job_id, Status.SUCCEEDED, attempt=2)
    assert second.stop().code == 0


def test_an_agent_may_not_change_another_plan_than_its_own(plan: Box) -> None:
    plan.ok("plan", "other")
    (plan.plan("02") / "plan.md").write_text("# other\n")
    (plan.plan("02") / "todo.md").write_text(TODO)
    plan.ok("code", "02", "--as-operator")
    job = coding(plan)
    before = plan.tree()
    for words in (("todo", "implemented", "02", *IMPLEMENTED[3:]), ("finish-code", "02")):
        done = plan.wf(*words, env=job.environ)
        assert done.code != 0
    done = plan.wf("todo", "implemented", "02", *IMPLEMENTED[3:], env=job.environ)
    assert done.code == 4, done.text
    assert "may not change plan 02" in done.err
    assert plan.tree() == before


@pytest.mark.parametrize("mode", ["1", "0", None])
def test_a_person_is_refused_while_a_job_lives_whatever_the_shells_mode_unless_as_operator(
    plan: Box, mode: str | None
) -> None:
    job = coding(plan)
    env = {"WF_DISTRIBUTED": mode}
    before = plan.tree()
    done = plan.wf("todo", "implemented", "01", *IMPLEMENTED[3:], env=env)
    assert done.code == 1, done.text
    assert job.token.job_id in done.err
    done = plan.wf("finish-code", "01", env=env)
    assert done.code == 1
    assert plan.tree() == before
    done = plan.wf(*IMPLEMENTED, "--as-operator", env=env)
    assert done.code == 0, done.text
    plan.ok("finish-code", "01", "--as-operator", env=env)
    assert plan.phase("01") == "awaiting_review"


def test_a_person_is_refused_while_the_job_is_only_queued_and_free_when_it_is_over(plan: Box) -> None:
    plan.ok("code", "01")
    off = {"WF_DISTRIBUTED": "0"}
    done = plan.wf("code", "01", env=off)
    assert done.code == 1, done.text
    assert "p01-i0-code-plan-coder is queued" in done.err
    assert plan.phase("01") == "planning"
    plan.ok("cancel", "p01-i0-code")
    plan.ok("code", "01", env=off)
    assert plan.phase("01") == "coding"


@pytest.mark.parametrize(
    "token", ["garbage", "../../etc/passwd", "p01-i0-code-plan-coder.a1.nobody-box-9", "x" * 5000, "p01-i0-code.a1.é"]
)
def test_a_token_that_is_none_or_that_nobody_holds_opens_nothing(plan: Box, token: str) -> None:
    job = coding(plan)
    before = plan.tree()
    done = plan.wf(*IMPLEMENTED, env={**job.environ, "WF_JOB_TOKEN": token})
    assert done.code == 4, done.text
    assert "Traceback" not in done.err
    assert plan.tree() == before


def test_a_garbage_token_without_a_role_exits_4_too(plan: Box) -> None:
    before = plan.tree()
    done = plan.wf("code", "01", env={"WF_JOB_TOKEN": "garbage"})
    assert done.code == 4, done.text
    assert plan.tree() == before


def test_a_token_whose_spool_is_gone_opens_nothing_and_makes_no_spool(plan: Box) -> None:
    job = coding(plan)
    plan.spool_root.rename(plan.root / "gone")
    before = plan.tree()
    done = plan.wf(*IMPLEMENTED, env=job.environ)
    assert done.code == 4, done.text
    assert plan.tree() == before
    assert not plan.spool_root.exists()


def test_reading_commands_need_no_permission(plan: Box) -> None:
    old = coding(plan).environ
    for env in (old, {**old, "WF_JOB_TOKEN": "garbage"}, {}):
        plan.ok("context", "01", "--json", env=env)
        plan.ok("todo", "list", "01", "--json", env=env)
        assert plan.wf("verify", "01", "--json", env=env).code == 1
