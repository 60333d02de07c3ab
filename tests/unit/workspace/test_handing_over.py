"""A hand-over moves the plan's branch forward to what its worktree holds, or moves nothing and says why."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import merges, trees
from support.trees import KEY, Bed
from wf_cli import git
from wf_cli.errors import Refused, StaleAttempt, WfError
from wf_cli.workspace import checkout, handover, names
from wf_cli.workspace.handover import Due, HandedOver, hand_over

BRANCH = names.plan_branch(KEY)
MESSAGE = "plan 03: left uncommitted by a test"


class Plan(Bed):
    """A worktree whose plan has begun at ``start``, and the state that a hand-over records."""

    def __init__(self, folder: Path, files: merges.Changes = trees.FILES):
        super().__init__(folder, files)
        self.ready = self.need()
        git.need(self.root, "branch", BRANCH, self.start)
        self.due = Due(BRANCH, self.start)
        self.recorded: list[HandedOver] = []
        #: Where the branch stood at the beginning and at the end of each permit.
        self.seen: list[str | None] = []

    @contextlib.contextmanager
    def permit(self) -> Iterator[None]:
        self.seen.append(self.branch)
        yield
        self.seen.append(self.branch)

    @property
    def branch(self) -> str | None:
        found = git.ask(self.root, "rev-parse", "-q", "--verify", f"refs/heads/{BRANCH}")
        return found.text.strip() or None

    @property
    def head(self) -> str:
        return git.need(self.top, "rev-parse", "HEAD").text.strip()

    def hand_over(self, **changes: object) -> HandedOver:
        due = Due(BRANCH, changes.pop("head", self.due.head), **changes)  # type: ignore[arg-type]
        return hand_over(self.ready, due, MESSAGE, self.permit, self.recorded.append)

    def commit(self, path: str, text: str) -> str:
        (self.top / path).parent.mkdir(parents=True, exist_ok=True)
        (self.top / path).write_text(text)
        git.need(self.top, "add", "--all")
        git.need(self.top, "commit", "-qm", "work")
        return self.head


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(tmp_path)


def test_the_branch_moves_to_what_was_committed_and_the_project_does_not(plan: Plan) -> None:
    (plan.root / "a.txt").write_text("mine\n")
    before = merges.state_of(plan.root)
    head = plan.commit("a.txt", "work\n")
    assert plan.hand_over() == HandedOver(head)
    assert (plan.branch, [one.head for one in plan.recorded]) == (head, [head])
    assert plan.seen == [plan.start, head], "the branch moves inside of the permit and nowhere else"
    after = merges.state_of(plan.root)
    assert {key: after[key] for key in ("status", "index", "config")} == {
        key: before[key] for key in ("status", "index", "config")
    }


def test_what_lay_uncommitted_is_one_commit(plan: Plan) -> None:
    (plan.top / "a.txt").write_text("work\n")
    (plan.top / "new").write_text("new\n")
    (plan.top / "x.log").write_text("ignored\n")
    handed = plan.hand_over()
    assert git.need(plan.root, "log", "-1", "--format=%s|%P", handed.head).text.strip() == f"{MESSAGE}|{plan.start}"
    assert trees.contents(plan.root, handed.head) == trees.lying(plan.top)


def test_no_hook_and_no_signature_is_asked_for(plan: Plan) -> None:
    hooks = plan.root / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "commit-msg", "post-commit", "reference-transaction", "prepare-commit-msg"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {plan.root}/ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    git.need(plan.root, "config", "core.hooksPath", os.fspath(hooks))
    git.need(plan.root, "config", "commit.gpgSign", "true")
    git.need(plan.root, "config", "gpg.program", "false")
    (plan.top / "new").write_text("new\n")
    assert plan.hand_over().head == plan.branch
    assert not (plan.root / "ran").exists()


def test_it_may_be_repeated(plan: Plan) -> None:
    head = plan.commit("a.txt", "work\n")
    assert plan.hand_over().head == plan.hand_over().head == plan.hand_over(head=head).head == head
    assert plan.branch == head


def test_a_superseded_attempt_moves_no_branch(plan: Plan) -> None:
    plan.commit("a.txt", "work\n")

    def stale() -> contextlib.AbstractContextManager[None]:
        raise StaleAttempt("superseded")

    with pytest.raises(StaleAttempt):
        hand_over(plan.ready, plan.due, MESSAGE, stale, plan.recorded.append)
    assert (plan.branch, plan.recorded) == (plan.start, [])


def test_a_history_without_what_was_handed_over_is_refused(plan: Plan) -> None:
    first = plan.commit("a.txt", "one\n")
    plan.hand_over()
    git.need(plan.top, "reset", "-q", "--hard", plan.start)
    plan.commit("b.txt", "other\n")
    with pytest.raises(handover.HistoryRewritten, match=first[:12]):
        plan.hand_over(head=first)
    assert plan.branch == first


def left_rebase(plan: Plan) -> None:
    merges.commit(plan.root, "other", {"a.txt": "theirs\n"}, parents=[plan.start])
    plan.commit("a.txt", "ours\n")
    assert git.ask(plan.top, "rebase", "other").exit_code != 0


def left_conflict(plan: Plan) -> None:
    merges.commit(plan.root, "other", {"a.txt": "theirs\n"}, parents=[plan.start])
    plan.commit("a.txt", "ours\n")
    assert git.ask(plan.top, "merge", "other").exit_code != 0


def cloned(plan: Plan) -> None:
    merges.make_repository(plan.top / "vendored", {"x": "x\n"})


def edited_a_copy(plan: Plan) -> None:
    plan.commit("plans/03-time-zones/todo.md", "- [x] all\n")


def edited_a_copy_and_left_it(plan: Plan) -> None:
    (plan.top / "epics" / "01-x").mkdir(parents=True)
    (plan.top / "epics" / "01-x" / "epic.md").write_text("else\n")


def checked_out_by_a_person(plan: Plan) -> None:
    plan.commit("a.txt", "work\n")
    git.need(plan.root, "checkout", "-q", BRANCH)


def branch_moved_elsewhere(plan: Plan) -> None:
    plan.commit("a.txt", "work\n")
    merges.commit(plan.root, BRANCH, {"b.txt": "somebody\n"})


@pytest.mark.parametrize(
    ("deed", "code", "said"),
    [
        (left_rebase, "UNFINISHED", "a rebase"),
        (left_conflict, "UNFINISHED", "a.txt"),
        (cloned, "NOT_KEPT", "vendored"),
        (edited_a_copy, "PROJECT_FILES_CHANGED", "plans/03-time-zones/todo.md"),
        (edited_a_copy_and_left_it, "PROJECT_FILES_CHANGED", "epics/01-x/epic.md"),
        (checked_out_by_a_person, "TARGET_CHECKED_OUT", BRANCH),
        (branch_moved_elsewhere, "BRANCH_FOREIGN", BRANCH),
    ],
)
def test_what_cannot_be_handed_over_is_told_and_no_branch_moves(
    plan: Plan, deed: Callable[[Plan], None], code: str, said: str
) -> None:
    deed(plan)
    before, lying = plan.branch, trees.lying(plan.top)
    with pytest.raises(WfError, match=said) as told:
        plan.hand_over()
    assert told.value.code == code
    assert told.value.hint
    assert (plan.branch, plan.recorded) == (before, [])
    assert trees.lying(plan.top) == lying


def test_what_somebody_put_on_the_branch_is_adopted_once_it_is_merged(plan: Plan) -> None:
    branch_moved_elsewhere(plan)
    theirs = plan.branch
    assert theirs is not None
    git.need(plan.top, "merge", "-q", "--no-edit", theirs)
    assert plan.hand_over().head == plan.branch
    assert git.ask(plan.root, "merge-base", "--is-ancestor", theirs, BRANCH).exit_code == 0


@pytest.mark.parametrize("back_to_start", [True, False])
def test_a_branch_that_was_deleted_or_reset_is_made_again(plan: Plan, back_to_start: bool) -> None:
    first = plan.commit("a.txt", "one\n")
    plan.hand_over()
    if back_to_start:
        git.need(plan.root, "branch", "-f", BRANCH, plan.start)
    else:
        git.need(plan.root, "branch", "-D", BRANCH)
    second = plan.commit("a.txt", "two\n")
    plan.hand_over(head=first)
    assert plan.branch == second


def test_a_merge_without_a_conflict_left_becomes_a_merge_commit(plan: Plan) -> None:
    left_conflict(plan)
    onto = git.need(plan.root, "rev-parse", "other").text.strip()
    (plan.top / "a.txt").write_text("ours and theirs\n")
    git.need(plan.top, "add", "a.txt")
    own = plan.head
    handed = plan.hand_over(onto=onto, conflicts=("a.txt",))
    assert merges.parents(plan.root, handed.head) == [own, onto]


def test_one_side_that_was_dropped_is_refused_and_one_taken_whole_is_told(plan: Plan) -> None:
    onto = merges.commit(plan.root, "other", {"a.txt": "theirs\n", "new": "theirs\n"}, parents=[plan.start])
    plan.commit("a.txt", "ours\n")
    first = plan.hand_over().head
    with pytest.raises(Refused) as told:
        plan.hand_over(head=first, onto=onto, conflicts=("a.txt",))
    assert told.value.code == "NOT_MERGED"
    git.need(plan.top, "merge", "-q", "-s", "ours", "-m", "merged", "other")
    with pytest.raises(Refused, match="new") as told:
        plan.hand_over(head=first, onto=onto, conflicts=("a.txt",))
    assert told.value.code == "DROPPED_SIDE"
    git.need(plan.top, "checkout", onto, "--", "new")
    handed = plan.hand_over(head=first, onto=onto, conflicts=("a.txt",))
    assert [(one.path, one.side) for one in handed.whole] == [("a.txt", "plan")]


def test_project_files_that_a_merge_brings_are_no_change_of_the_plan(plan: Plan) -> None:
    onto = merges.commit(plan.root, "other", {"plans/04-x/plan.md": "a person's\n"}, parents=[plan.start])
    git.need(plan.top, "merge", "-q", "--no-edit", "other")
    assert plan.hand_over(onto=onto).head == plan.branch


def test_a_branch_that_an_agent_checked_out_stays_where_it_is(plan: Plan) -> None:
    git.need(plan.top, "checkout", "-q", "-b", "mine")
    (plan.top / "new").write_text("new\n")
    plan.hand_over()
    assert git.need(plan.root, "rev-parse", "mine").text.strip() == plan.start
    assert checkout.look(plan.place()) is not None
