"""The job `integrate` on real git: a plan ends merged, or reopened with its reasons, or waits as it was."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import integrations, merges
from support.integrations import PLAN, TARGET, Integration
from support.scenes import Scene
from wf_cli import git
from wf_cli.errors import NotFound, Refused, StaleAttempt, Temporary
from wf_cli.planjobs.integrate import Done
from wf_cli.workflow import snapshot
from wf_cli.workflow.project import Ask
from wf_cli.workspace import testing

PASSES = [sys.executable, "-c", ""]
FAILS = [sys.executable, "-c", "print('it is broken'); raise SystemExit(3)"]
#: Fails where the plan's work is.
NOT_WITH_PLAN = [sys.executable, "-c", "print('two\\nlines'); raise SystemExit('plan' in open('src/b.txt').read())"]
CONFLICT = ({"src/a.txt": "plan\n"}, {"src/a.txt": "target\n"})


@pytest.fixture
def merging(tmp_path: Path) -> Integration:
    return integrations.make(tmp_path)


@pytest.fixture
def conflicting(tmp_path: Path) -> Integration:
    return integrations.make(tmp_path, *CONFLICT)


def test_a_plan_that_fits_is_merged_and_its_state_says_so(merging: Integration) -> None:
    merging.gates = [PASSES]
    before = merging.untouched()
    done = merging()
    assert (done.verdict, done.target, done.commit, done.again) == ("merged", TARGET, merging.target(), False)
    assert merges.parents(merging.repository, merging.target()) == [merging.onto, merging.head]
    state = merging.state()
    assert state["isolation"]["merged"] == merging.target()
    assert state["phase"] == "completed"
    assert merging.events.all == [
        ("plan.merged", {"plan_id": "01", "epic_id": "01", "branch": TARGET, "commit": merging.target()})
    ]
    message = git.need(merging.repository, "log", "-1", "--format=%B", TARGET).text.strip()
    assert message == "Merge plan 01: parse-dates"
    assert merging.untouched() == before
    assert merges.head(merging.repository, PLAN) == merging.head


def test_again_is_the_same_end_without_git(merging: Integration) -> None:
    done = merging()
    git.need(merging.repository, "update-ref", "-d", f"refs/heads/{TARGET}")
    assert merging() == Done(merging.plan, "merged", TARGET, commit=done.commit, again=True)


def test_a_conflict_goes_back_to_the_fixer_who_is_told_who_and_how(conflicting: Integration) -> None:
    conflicting.gates = [["make", "test"]]
    before = conflicting.untouched()
    done = conflicting()
    assert (done.verdict, done.item) == ("reopened", "merge-0")
    onto = conflicting.onto
    todo, review = conflicting.plan.todo_md.read_text(), conflicting.plan.review_md.read_text()
    assert f"- [ ] [merge-0] Merge {TARGET} ({onto[:12]}) into this branch: conflicts in src/a.txt\n" in todo
    assert "src/a.txt: " in review
    assert "Merge plan 09: Other things" in review
    assert f"run `git merge {onto[:12]}` where you work" in review
    assert "`make test`" in review
    assert conflicting.state()["phase"] == "reviewing"
    assert conflicting.state()["isolation"]["merging"] == {"item": "merge-0", "onto": onto, "paths": ["src/a.txt"]}
    assert snapshot.take(conflicting.plan).rejected_ids == ("merge-0",)
    assert conflicting.events.kinds() == ["plan.reopened", "plan.phase"]
    assert conflicting.target() == onto
    assert conflicting.untouched() == before
    again = conflicting()
    assert (again.verdict, again.item, again.again) == ("reopened", "merge-0", True)
    assert conflicting.plan.todo_md.read_text() == todo


def test_the_fixer_of_a_conflict_gets_its_job(conflicting: Integration) -> None:
    scene = Scene(conflicting.root, mode="distributed")
    scene.epic("01-x", "01-parse-dates")
    assert scene.reconcile().published == ["e01-p01-i0-integrate-integrator"]
    conflicting()
    scene.queue.cancel("e01-p01-i0-integrate-integrator", by="me-box-1")
    assert scene.reconcile().published == ["e01-p01-i0-fix-plan-fixer"]


def test_a_gate_that_is_red_with_the_plan_goes_back_with_its_output(merging: Integration) -> None:
    merging.gates = [PASSES, NOT_WITH_PLAN]
    done = merging()
    assert (done.verdict, done.item) == ("reopened", "gate-0")
    review = merging.plan.review_md.read_text()
    assert "exit code 1" in review
    assert "  > two\n  > lines\n" in review
    assert merging.state()["isolation"]["merging"] == {"item": "gate-0", "onto": merging.onto, "paths": []}
    assert merging.target() == merging.onto


def test_a_target_that_is_red_by_itself_is_not_the_plans_fault(merging: Integration) -> None:
    merging.gates = [FAILS]
    before = {path.name: path.read_bytes() for path in merging.plan.path.iterdir()}
    with pytest.raises(Refused) as caught:
        merging()
    assert caught.value.code == "TARGET_RED"
    assert "exit code 3: it is broken" in caught.value.message
    assert TARGET in caught.value.told
    assert {path.name: path.read_bytes() for path in merging.plan.path.iterdir()} == before
    assert merging.target() == merging.onto


def test_a_plan_below_the_top_of_its_repository_has_its_gates_run_there(tmp_path: Path) -> None:
    integration = integrations.make(tmp_path, below="sub/project")
    integration.gates = [[sys.executable, "-c", "open('here')"]]
    assert integration().verdict == "merged"


# -- what does not wait for this


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"target": None}, "NO_TARGET"),
        ({"isolation": None}, "NOT_ISOLATED"),
        ({"phase": "coding"}, "NOT_COMPLETED"),
        ({"phase": "reviewing"}, "NOT_COMPLETED"),
    ],
)
def test_a_plan_that_waits_for_something_else_is_refused(
    merging: Integration, changes: dict[str, str | None], code: str
) -> None:
    state = merging.state()
    for key, value in changes.items():
        (state["isolation"] if key == "target" else state)[key] = value
    merging.plan.state_json.write_text(json.dumps(state))
    with pytest.raises(Refused) as caught:
        merging()
    assert caught.value.code == code
    assert merging.target() == merging.onto


def test_a_merge_that_is_not_approved_waits(merging: Integration) -> None:
    merging.approve = ("merge",)
    with pytest.raises(Refused) as caught:
        merging()
    assert caught.value.code == "NOT_APPROVED"
    assert merging.head[:12] in caught.value.message
    merging.plan.state_json.write_text(json.dumps({**merging.state(), "approvals": {"merge": {"of": merging.head}}}))
    assert merging().verdict == "merged"


def test_a_target_or_a_commit_that_is_gone_is_named(merging: Integration) -> None:
    merging.record(head="4" * 40)
    with pytest.raises(git.GitError, match="4444"):
        merging()
    git.need(merging.repository, "update-ref", "-d", f"refs/heads/{TARGET}")
    with pytest.raises(NotFound, match=TARGET):
        merging()


# -- what changes while the gates run


class Meanwhile:
    """A gate that passes, and what somebody does while it runs."""

    def __init__(self, act: object):
        self._act = act

    def __call__(self, _folder: Path, _argv: testing.Argv) -> testing.Result:
        self._act()  # type: ignore[operator]
        return testing.Result(0)


def test_an_approval_that_is_withdrawn_counts(merging: Integration) -> None:
    merging.approve, merging.gates = ("merge",), [PASSES]
    state = merging.state()
    merging.plan.state_json.write_text(json.dumps({**state, "approvals": {"merge": {"of": merging.head}}}))
    merging.run = Meanwhile(lambda: merging.plan.state_json.write_text(json.dumps(state)))
    with pytest.raises(Refused) as caught:
        merging()
    assert caught.value.code == "NOT_APPROVED"
    assert merging.target() == merging.onto


@pytest.mark.parametrize("change", ["phase", "head"])
@pytest.mark.parametrize("red", [False, True])
def test_a_plan_that_changes_is_neither_merged_nor_reopened(merging: Integration, change: str, red: bool) -> None:
    def act() -> None:
        if change == "head":
            merging.record(head=merging.start)
        else:
            merging.plan.state_json.write_text(json.dumps({**merging.state(), "phase": "reviewing"}))

    class Red(Meanwhile):
        def __call__(self, folder: Path, argv: testing.Argv) -> testing.Result:
            super().__call__(folder, argv)
            return testing.Result(int(red and merges.head_of(folder) != merging.onto))

    merging.gates, merging.run = [PASSES], Red(act)
    todo = merging.plan.todo_md.read_text()
    with pytest.raises(Temporary) as caught:
        merging()
    assert caught.value.code == "PLAN_CHANGED"
    assert merging.target() == merging.onto
    assert merging.plan.todo_md.read_text() == todo
    assert "merged" not in merging.state()["isolation"]


@pytest.mark.parametrize("gates", [[PASSES], [NOT_WITH_PLAN]])
def test_a_superseded_attempt_moves_no_branch_and_reopens_nothing(
    merging: Integration, gates: list[testing.Argv]
) -> None:
    asked: list[str] = []

    @contextlib.contextmanager
    def permit(plan_id: str) -> Iterator[Ask]:
        def ask() -> None:
            asked.append(plan_id)
            if len(asked) > 1:
                raise StaleAttempt("superseded")

        yield ask

    merging.gates = gates
    before = merging.state()
    with pytest.raises(StaleAttempt):
        merging(permit)
    assert asked == ["01", "01"]
    assert merging.target() == merging.onto
    assert merging.state() == before


def test_a_target_that_never_rests_is_tried_again_later(merging: Integration) -> None:
    merging.gates = [PASSES]
    merging.run = Meanwhile(
        lambda: merges.commit(merging.repository, TARGET, {"mine": merges.head(merging.repository, TARGET)})
    )
    with pytest.raises(Temporary) as caught:
        merging()
    assert caught.value.code == "TARGET_MOVING"
