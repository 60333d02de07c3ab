"""Names of branches, refs and worktrees: no two things have one name, and git and file systems take each."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli import git, ids
from wf_cli.workspace import names
from wf_cli.workspace.names import Mark

_BRANCH = st.text("abcdAB01-_/.e", min_size=1, max_size=60)


def test_the_names_are_those_of_the_documents() -> None:
    assert names.plan_key("03", "01") == "e01-p03"
    assert names.plan_key("07", None) == "p07"
    assert names.plan_branch("e01-p03") == "wf/e01-p03"
    assert names.epic_branch("01", branches="bots/") == "bots/e01"
    assert names.kept_ref("e01-p03") == "refs/wf/kept/e01-p03"
    assert names.into_key("wf/e01") == "into-wf-e01"
    assert str(Mark("e01-p03", "box")) == "wf e01-p03 box"


@pytest.mark.parametrize("plan", ["", "3/..", "-1", "٣", "3 4", "p3", "1" * 10])
def test_a_key_is_made_of_numbers_alone(plan: str) -> None:
    with pytest.raises(ValueError, match="has no number"):
        names.plan_key(plan, "01")
    with pytest.raises(ValueError, match="has no number"):
        names.plan_key("01", plan or "x")


@given(st.from_regex(r"[0-9]{1,9}", fullmatch=True), st.none() | st.from_regex(r"[0-9]{1,9}", fullmatch=True))
def test_a_key_gives_its_numbers_back(plan: str, epic: str | None) -> None:
    assert names.numbers(names.plan_key(plan, epic)) == (plan, epic)


@given(_BRANCH, _BRANCH)
def test_two_targets_never_share_a_worktree_even_where_case_does_not_count(one: str, other: str) -> None:
    if one != other:
        assert names.into_key(one).lower() != names.into_key(other).lower()


@pytest.mark.parametrize(
    ("one", "other"), [("a/b", "a-b"), ("Main", "main"), ("a/b/c", "a-b/c"), ("x." * 60, "x." * 61), ("é", "è")]
)
def test_targets_that_look_alike_have_worktrees_of_their_own(one: str, other: str) -> None:
    assert names.into_key(one) != names.into_key(other)


@given(_BRANCH)
def test_a_worktree_of_a_target_is_one_folder_with_a_mark_that_is_read_back(target: str) -> None:
    key = names.into_key(target)
    assert "/" not in key
    assert len(key) < 70
    assert names.parse_mark(str(Mark(key, "box-1"))) == Mark(key, "box-1")


def test_this_hosts_name_can_stand_in_a_mark() -> None:
    mark = Mark("p07", ids.host_label())
    assert names.parse_mark(f"{mark}\n") == mark


@pytest.mark.parametrize(
    "reason",
    ["", "wf", "wf e01-p03", "wf e01-p03 box more", "mine", "wf e1p3 box", "wf ../x box", "wf p01 Box", "wf into- b",
     "wf p01 box/..", "WF p01 box", "wf  p01 box"],
)  # fmt: skip
def test_a_lock_of_somebody_else_is_no_mark(reason: str) -> None:
    assert names.parse_mark(reason) is None


def test_branches_of_plans_and_epic_can_exist_side_by_side(tmp_path: Path) -> None:
    git.need(tmp_path, "init", "-q")
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    git.need(tmp_path, *who, "commit", "-q", "--allow-empty", "-m", "x")
    for branch in (names.epic_branch("01"), names.plan_branch("e01-p03"), names.plan_branch("p07")):
        git.need(tmp_path, "branch", branch)
    for ref in (names.kept_ref("e01-p03"), names.green_ref("wf/e01"), names.green_ref("main")):
        git.need(tmp_path, "update-ref", ref, "HEAD")


def test_two_repositories_of_one_name_have_folders_of_their_own() -> None:
    folders = {names.folder_of_repository(Path(p)) for p in ("/a/shop/.git", "/b/shop/.git", "/c/shop.git")}
    assert len(folders) == 3
    assert all(folder.startswith("shop-") for folder in folders)


def test_worktrees_lie_in_the_users_state_folder() -> None:
    assert names.default_folder({"XDG_STATE_HOME": "/s", "HOME": "/h"}) == Path("/s/wf/worktrees")
    assert names.default_folder({"XDG_STATE_HOME": "s", "HOME": "/h"}) == Path("/h/.local/state/wf/worktrees")
    assert names.default_folder({}) is None


def test_the_commit_of_leftovers_names_the_attempt() -> None:
    assert names.left_uncommitted("03", "e01-p03-i0-code-plan-coder", 2) == (
        "plan 03: left uncommitted by e01-p03-i0-code-plan-coder a2"
    )
    assert names.left_uncommitted("03", None, None) == "plan 03: left uncommitted"
