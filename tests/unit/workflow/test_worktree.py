"""Whether a checkout has changed outside some folders: with git, without it, and where it cannot be told."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wf_cli.workflow import worktree

PLAN = "plans/01-parser"


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(params=["git", "git without a commit", "no git"])
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write(tmp_path, "src/a.py", "a = 1\n")
    write(tmp_path, f"{PLAN}/plan.md", "# plan\n")
    write(tmp_path, ".gitignore", "build/\n.wf/\n")
    if request.param != "no git":
        git(tmp_path, "init", "-q")
    if request.param == "git":
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", "start")
    return tmp_path


def rewrite(root: Path) -> None:
    write(root, "src/a.py", "a = 22\n")


def add(root: Path) -> None:
    write(root, "src/b.py", "b = 1\n")


def remove(root: Path) -> None:
    (root / "src/a.py").unlink()


def executable(root: Path) -> None:
    os.chmod(root / "src/a.py", 0o755)


def the_plan(root: Path) -> None:
    write(root, f"{PLAN}/evidence.md", "it works\n")
    write(root, f"{PLAN}/plan.md", "# another\n")


def state(root: Path) -> None:
    write(root, ".wf/spool/x", "x")


@pytest.mark.parametrize("change", [rewrite, add, remove, executable])
def test_work_is_seen(checkout: Path, change: Callable[[Path], None]) -> None:
    before = worktree.baseline(checkout, [PLAN])
    assert before is not None
    change(checkout)
    assert worktree.changed(checkout, [PLAN], before) is True


@pytest.mark.parametrize("change", [the_plan, state])
def test_the_plans_own_folder_and_wfs_state_are_no_work(checkout: Path, change: Callable[[Path], None]) -> None:
    before = worktree.baseline(checkout, [PLAN])
    assert before is not None
    change(checkout)
    assert worktree.changed(checkout, [PLAN], before) is False


def test_looking_changes_nothing(checkout: Path) -> None:
    before = worktree.baseline(checkout, [PLAN])
    assert before == worktree.baseline(checkout, [PLAN])
    assert before is not None
    assert worktree.changed(checkout, [PLAN], before) is False


class TestGit:
    @pytest.fixture
    def repository(self, tmp_path: Path) -> Path:
        write(tmp_path, "src/a.py", "a = 1\n")
        write(tmp_path, f"{PLAN}/plan.md", "# plan\n")
        write(tmp_path, ".gitignore", "build/\n")
        git(tmp_path, "init", "-q")
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", "start")
        return tmp_path

    def test_work_that_was_committed_is_work(self, repository: Path) -> None:
        before = worktree.baseline(repository, [PLAN])
        assert before is not None
        rewrite(repository)
        git(repository, "commit", "-qam", "work")
        assert worktree.changed(repository, [PLAN], before) is True

    def test_a_commit_of_the_plan_alone_is_none(self, repository: Path) -> None:
        before = worktree.baseline(repository, [PLAN])
        assert before is not None
        the_plan(repository)
        git(repository, "add", "-A")
        git(repository, "commit", "-qm", "evidence")
        assert worktree.changed(repository, [PLAN], before) is False

    def test_what_was_there_before_is_none_even_once_it_is_different_from_the_commit(self, repository: Path) -> None:
        rewrite(repository)
        add(repository)
        before = worktree.baseline(repository, [PLAN])
        assert before is not None
        assert worktree.changed(repository, [PLAN], before) is False
        write(repository, "src/a.py", "a = 333\n")
        assert worktree.changed(repository, [PLAN], before) is True

    def test_ignored_files_are_no_work(self, repository: Path) -> None:
        before = worktree.baseline(repository, [PLAN])
        assert before is not None
        write(repository, "build/out", "x")
        assert worktree.changed(repository, [PLAN], before) is False

    def test_a_project_inside_a_repository_sees_its_own_part(self, repository: Path) -> None:
        part = repository / "part"
        write(part, "a.py", "a = 1\n")
        before = worktree.baseline(part, [PLAN])
        assert before is not None
        rewrite(repository)
        assert worktree.changed(part, [PLAN], before) is False
        write(part, "a.py", "a = 22\n")
        assert worktree.changed(part, [PLAN], before) is True

    def test_a_repository_inside_of_it_cannot_be_looked_into(self, repository: Path) -> None:
        before = worktree.baseline(repository, [PLAN])
        assert before is not None
        write(repository, "vendor/b.py", "b = 1\n")
        git(repository / "vendor", "init", "-q")
        git(repository / "vendor", "add", "-A")
        git(repository / "vendor", "commit", "-qm", "start")
        assert worktree.baseline(repository, [PLAN]) is None
        assert worktree.changed(repository, [PLAN], before) is None

    def test_a_project_that_the_repository_around_it_ignores_is_looked_at_without_git(self, repository: Path) -> None:
        part = repository / "build" / "project"
        write(part, "a.py", "a = 1\n")
        before = worktree.baseline(part, [PLAN])
        assert before is not None
        assert before.startswith("files:")
        write(part, "a.py", "a = 22\n")
        assert worktree.changed(part, [PLAN], before) is True

    def test_names_that_git_quotes(self, repository: Path) -> None:
        before = worktree.baseline(repository, [PLAN])
        assert before is not None
        (repository / os.fsdecode(b"new\n\xff \xc3\xa4")).write_text("x")
        assert worktree.changed(repository, [PLAN], before) is True

    def test_a_commit_that_is_gone_cannot_be_compared_with(self, repository: Path) -> None:
        assert worktree.changed(repository, [PLAN], f"git:{'0' * 40}:{'0' * 32}") is None


@pytest.mark.parametrize("before", ["", "svn:7", "git:", "git:HEAD:x", "git:--output=stolen:x"])
def test_a_baseline_that_is_none_tells_nothing(tmp_path: Path, before: str) -> None:
    git(tmp_path, "init", "-q")
    assert worktree.changed(tmp_path, [PLAN], before) is None
    assert not (tmp_path / "stolen").exists()


def test_more_files_than_can_be_looked_at_tell_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        write(tmp_path, name, name)
    before = worktree.baseline(tmp_path, [])
    assert before is not None
    monkeypatch.setattr(worktree, "FILE_LIMIT", 2)
    assert worktree.baseline(tmp_path, []) is None
    assert worktree.changed(tmp_path, [], before) is None
