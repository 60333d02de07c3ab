"""What keeps a repository from carrying worktrees is told with its key and a remedy; everything else carries them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from support import merges
from wf_cli import git
from wf_cli.workspace import ground


def told(root: Path, folder: str = "../trees", branches: str = "wf/", target: str = "epic") -> list[str]:
    found = list(ground.objections(root, folder=root / folder, branches=branches, target=target))
    assert all(one.text and one.remedy for one in found)
    return [one.key for one in found]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    merges.make_repository(tmp_path / "r", {"a.txt": "a\n", ".gitignore": "trees/\n", "sub/x": "x\n"})
    return tmp_path / "r"


def test_an_ordinary_repository_carries_worktrees(root: Path) -> None:
    assert told(root) == []
    assert told(root / "sub") == []
    assert told(root, folder="trees") == [], "inside, and ignored"
    assert told(root, target="main") == []


def test_a_linked_worktree_and_a_submodule_carry_worktrees(root: Path, tmp_path: Path) -> None:
    assert told(merges.add_worktree(root, tmp_path / "linked"), folder="../trees") == []
    git.need(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", os.fspath(root), "lib")
    assert told(root / "lib", folder="../../trees") == []


def nothing(path: Path) -> None:
    path.mkdir()


def unborn(path: Path) -> None:
    path.mkdir()
    git.need(path, "init", "-q")


def bare(path: Path) -> None:
    path.mkdir()
    git.need(path, "init", "-q", "--bare")


@pytest.mark.parametrize("make", [nothing, unborn, bare])
def test_what_is_no_repository_with_a_commit_is_told_alone(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "x")
    assert told(tmp_path / "x", branches="wf/", target="gone") == ["isolation.mode"]


@pytest.mark.parametrize(("branch", "branches"), [("wf", "wf/"), ("bots", "bots/wf/"), ("bots/wf", "bots/wf/")])
def test_a_branch_in_the_way_of_the_prefix_is_told(root: Path, branch: str, branches: str) -> None:
    git.need(root, "branch", branch)
    assert told(root, branches=branches) == ["isolation.branches"]
    assert git.ask(root, "branch", f"{branches}e01").exit_code != 0, "git can make none, indeed"


def test_a_branch_beside_the_prefix_is_no_hindrance(root: Path) -> None:
    git.need(root, "branch", "wf/mine")
    assert told(root) == []


@pytest.mark.parametrize("target", ["gone", "refs/heads/main", "main~0", "v1"])
def test_a_target_has_to_be_a_branch(root: Path, target: str) -> None:
    git.need(root, "tag", "v1")
    assert told(root, target=target) == ["isolation.target"]


@pytest.mark.parametrize("folder", [".", "trees2", "sub/trees2", "../r/trees2"])
def test_a_folder_that_git_would_add_is_told(root: Path, folder: str) -> None:
    assert told(root, folder=folder) == ["isolation.dir"]


def test_a_link_that_leads_into_the_checkout_is_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root / "sub")
    assert told(root, folder="../link/trees2") == ["isolation.dir"]


@pytest.mark.parametrize("version", ["git version 2.30.9", "git version 1.9", "garbage"])
def test_an_old_git_is_told(root: Path, tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    assert told(root) == ["isolation.mode"]


def test_no_git_is_told(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    assert told(root) == ["isolation.mode"]


def test_changes_that_agents_do_not_see_are_those_of_the_project_alone(root: Path) -> None:
    assert not ground.uncommitted(root)
    for name in ("plans/01-x/plan.md", "epics/01-x/epic.md", ".wf/note"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("x\n")
    assert not ground.uncommitted(root)
    (root / "new").write_text("x\n")
    assert ground.uncommitted(root)


def test_submodules_and_agents_files_that_a_worktree_lacks_are_found(root: Path) -> None:
    assert not ground.has_submodules(root)
    (root / ".cursor").mkdir()
    (root / ".cursor" / "rules").write_text("x\n")
    assert ground.unseen(root, [".cursor", ".opencode"], ()) == (".cursor",)
    assert ground.unseen(root, [".cursor"], (".cursor",)) == ()
    git.need(root, "add", ".cursor")
    assert ground.unseen(root, [".cursor"], ()) == ()
    git.need(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", os.fspath(root), "lib")
    git.need(root, "commit", "-qm", "lib")
    assert ground.has_submodules(root)
