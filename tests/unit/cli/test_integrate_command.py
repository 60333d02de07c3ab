"""`wf integrate` by a person, and by the agent of its job: what it says, and what it leaves alone."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from support import integrations, merges
from support.integrations import TARGET, Integration
from support.projects import Cli, make_epic, make_session
from support.scenes import ON
from wf_cli import git, ids
from wf_cli.app import App
from wf_cli.contract.token import Pool, mark
from wf_cli.workspace import names

JOB = "e01-p01-i0-integrate-integrator"
RED = [sys.executable, "-c", "print('no \\x1b[31mway'); raise SystemExit('plan' in open('src/b.txt').read())"]


class Person:
    """A project with a completed plan of its own branch, and a command line."""

    def __init__(self, job: Integration, place: Path, cli: Cli):
        self.job = job
        self.place = place
        self._cli = cli
        make_session(job.root)
        make_epic(job.root, name="01-x", plan_ids=["01-parse-dates"], orchestration={"status": "running"})

    def configure(self, **isolation: Any) -> None:
        content = {"isolation": isolation, "spool": {"durability": "none"}, "mode": "distributed"}
        (self.job.root / "wf.config.json").write_text(json.dumps(content))

    def wf(self, *words: str, **environ: str) -> tuple[int, str, str]:
        return self._cli(*words, environ={**ON, **environ})

    def json(self, *words: str) -> dict[str, Any]:
        _, out, err = self.wf(*words, "--json")
        document: dict[str, Any] = json.loads(out or err)
        return document

    @property
    def into(self) -> Path:
        common = Path(os.path.realpath(self.job.repository / ".git"))
        return names.worktree(self.place / "state" / "wf" / "worktrees", common, ids.host_label(), "into-wf-e01")


def person(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **sides: Any) -> Person:
    job = integrations.make(place, **sides)
    monkeypatch.setenv("XDG_STATE_HOME", os.fspath(place / "state"))
    monkeypatch.delenv("WF_JOB_TOKEN", raising=False)
    monkeypatch.setenv("WF_DISTRIBUTED", "1")
    found = Person(job, place, Cli(job.root, monkeypatch, capsys))
    found.configure()
    return found


@pytest.fixture
def somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Person:
    return person(tmp_path, monkeypatch, capsys)


def test_a_person_merges_a_plan_and_reads_how_to_take_it(somebody: Person) -> None:
    somebody.configure(gates=[[sys.executable, "-c", "print('fine')"]])
    before = somebody.job.untouched()
    code, out, err = somebody.wf("integrate", "01")
    target = somebody.job.target()
    assert code == 0
    assert out == f"plan 01 is merged into {TARGET}, as {target[:12]}\ntake it when you like: git merge {TARGET}\n"
    assert "fine\n" in err
    assert merges.parents(somebody.job.repository, target) == [somebody.job.onto, somebody.job.head]
    assert somebody.job.untouched() == before
    listed = git.need(somebody.job.repository, "worktree", "list", "--porcelain").text
    assert f"worktree {somebody.into}\n" in listed
    assert "locked wf into-wf-e01 " in listed
    again = somebody.json("integrate", "01")
    assert (again["verdict"], again["commit"], again["again"], again["published"]) == ("merged", target, True, [])


def test_a_conflict_is_a_verdict_and_the_fixer_gets_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    somebody = person(tmp_path, monkeypatch, capsys, ours={"src/a.txt": "plan\n"}, theirs={"src/a.txt": "target\n"})
    App(somebody.job.root, ON).create_spool()
    found = somebody.json("integrate", "01")
    assert (found["ok"], found["verdict"], found["item"], found["commit"]) == (True, "reopened", "merge-0", None)
    assert found["published"] == ["e01-p01-i0-fix-plan-fixer"]


def test_a_red_gate_is_shown_and_reopens(somebody: Person) -> None:
    somebody.configure(gates=[RED])
    code, out, err = somebody.wf("integrate", "01")
    assert code == 0
    assert "plan 01 is reopened by [gate-0]: Make `" in out
    assert "next: wf fix 01" in out
    assert "\\x1b[31mway" in err
    assert "\x1b" not in err + out


@pytest.mark.parametrize(
    ("config", "code", "exit_code"),
    [({"gates": [[sys.executable, "-c", "raise SystemExit(1)"]]}, "TARGET_RED", 4), ({}, "TARGET_CHECKED_OUT", 4)],
)
def test_a_target_that_cannot_take_it_is_an_error_with_the_way_out(
    somebody: Person, config: dict[str, Any], code: str, exit_code: int
) -> None:
    somebody.configure(**config)
    if code == "TARGET_CHECKED_OUT":
        git.need(somebody.job.repository, "worktree", "add", "-q", os.fspath(somebody.place / "mine"), TARGET)
    assert somebody.json("integrate", "01")["error"] == code
    ended, out, err = somebody.wf("integrate", "01")
    assert (ended, out) == (exit_code, "")
    assert "hint: " in err
    assert somebody.job.target() == somebody.job.onto


def test_no_repository_and_no_plan(somebody: Person) -> None:
    assert somebody.wf("integrate", "07")[0] == 3
    (somebody.job.repository / ".git").rename(somebody.place / "gone")
    code, _, err = somebody.wf("integrate", "01")
    assert code == 1
    assert "not a git repository" in err
    assert "Traceback" not in err


def test_a_plan_with_a_job_at_work_is_left_to_it_and_a_queued_one_is_not(
    somebody: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App(somebody.job.root, ON)
    spool = app.create_spool()
    assert somebody.json("dispatch")["published"] == [JOB]
    queue = app.queue(spool)
    token = queue.claim("me-box-1", {Pool("integrator", "cursor")})
    assert token is not None
    assert somebody.json("integrate", "01")["error"] == "PLAN_HAS_LIVE_JOB"
    assert somebody.job.target() == somebody.job.onto
    with queue.fence(token.job_id):
        assert queue.start(token) == "go"
    running = next(placed.token for placed in [queue.find(JOB)] if placed is not None)
    monkeypatch.setenv("WF_JOB_TOKEN", mark(running))
    monkeypatch.setenv("WF_PROJECT", os.fspath(somebody.job.root))
    monkeypatch.setenv("WF_SPOOL", os.fspath(spool.root))
    found = somebody.json("integrate", "01")
    assert found["verdict"] == "merged", found
    assert somebody.job.state()["isolation"]["merged"] == somebody.job.target()


def test_off_means_that_nothing_is_there(somebody: Person) -> None:
    state = somebody.job.state()
    del state["isolation"]
    somebody.job.plan.state_json.write_text(json.dumps(state))
    before = merges.state_of(somebody.job.repository)
    assert somebody.json("integrate", "01")["error"] == "NOT_ISOLATED"
    assert not (somebody.place / "state").exists()
    assert merges.state_of(somebody.job.repository) == before
