"""Which folder is the root of the project that a command means."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from wf_cli.config import root
from wf_cli.errors import NotFound

ON = {"WF_DISTRIBUTED": "1"}


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with the mode on, a spool and a folder below."""
    folder = tmp_path / "project"
    (folder / "packages" / "web").mkdir(parents=True)
    git(folder, "init", "-q")
    (folder / "wf.config.yaml").write_text("mode: distributed\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "start")
    (folder / ".wf" / "spool").mkdir(parents=True)
    return folder


def person(folder: Path, environ: dict[str, str] | None = None, *, contract: bool = True) -> Path:
    return root.of_person(folder, environ or {}, contract=contract).path


@pytest.mark.parametrize("contract", [True, False])
def test_below_a_checkout_the_project_is_found(project: Path, contract: bool) -> None:
    assert person(project / "packages" / "web", contract=contract) == project
    assert person(project, contract=contract) == project


def test_what_a_wf_left_behind_in_the_wrong_folder_is_no_project(project: Path) -> None:
    web = project / "packages" / "web"
    for name in (".wf/locks", ".cursor/session", "plans/01-x"):
        (web / name).mkdir(parents=True)
    assert person(web) == project
    assert person(web, ON) == project


def test_the_nearest_project_counts(project: Path) -> None:
    web = project / "packages" / "web"
    (web / "src").mkdir()
    (web / "wf.config.yaml").write_text("mode: distributed\n")
    assert person(web / "src") == web


@pytest.mark.parametrize("environ", [{}, {"WF_DISTRIBUTED": "0"}])
def test_with_the_mode_off_the_contracts_commands_mean_the_working_directory(
    project: Path, environ: dict[str, str]
) -> None:
    if not environ:
        (project / "wf.config.yaml").write_text("mode: command\n")
    web = project / "packages" / "web"
    assert person(web, environ) == web
    assert person(web, environ, contract=False) == project


def test_a_project_that_the_environment_alone_turns_on(project: Path) -> None:
    (project / "wf.config.yaml").unlink()
    (project / ".wf" / "spool").rmdir()
    (project / ".wf").rmdir()
    web = project / "packages" / "web"
    assert person(web, ON) == web, "there is no project yet"
    (project / "epics").mkdir()
    assert person(web, ON) == project


def test_a_repository_inside_is_one_of_its_own_and_a_submodule_is_part_of_the_project(project: Path) -> None:
    inner = project / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    assert person(inner) == inner
    git(inner, "commit", "-q", "--allow-empty", "-m", "start")
    git(project, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "lib")
    (project / "lib" / "src").mkdir()
    assert person(project / "lib" / "src") == project


def test_a_linked_worktree_means_the_checkout_with_the_jobs_and_says_so(project: Path, tmp_path: Path) -> None:
    git(project, "worktree", "add", "-q", str(tmp_path / "wt"), "-b", "side")
    worktree = tmp_path / "wt"
    (worktree / "src").mkdir()
    for folder in (worktree, worktree / "src"):
        found = root.of_person(folder, {}, contract=True)
        assert found.path == project
        assert str(project) in (found.note or "")
    assert person(worktree / "src", {"WF_ROOT": str(worktree)}) == worktree, "it is told to be one of its own"
    (worktree / ".wf" / "spool").mkdir(parents=True)
    assert person(worktree / "src") == worktree, "it has jobs of its own"


def test_a_linked_worktree_whose_configuration_names_one_spool_for_all_means_the_main_checkout(
    project: Path, tmp_path: Path
) -> None:
    git(project, "worktree", "add", "-q", str(tmp_path / "wt"), "-b", "side")
    (tmp_path / "wt" / "wf.config.yaml").write_text(f"spool: {{dir: {project}/.wf/spool}}\n")
    assert person(tmp_path / "wt") == project


def test_a_linked_worktree_of_a_checkout_without_jobs_is_its_own_project(project: Path, tmp_path: Path) -> None:
    (project / ".wf" / "spool").rmdir()
    git(project, "worktree", "add", "-q", str(tmp_path / "wt"), "-b", "side")
    (tmp_path / "wt" / "src").mkdir()
    assert person(tmp_path / "wt" / "src") == tmp_path / "wt"


def test_a_list_that_is_empty_names_the_checkout_that_has_jobs(project: Path, tmp_path: Path) -> None:
    (project / ".wf" / "spool").rmdir()
    for name in ("one", "two"):
        git(project, "worktree", "add", "-q", str(tmp_path / name), "-b", name)
    (tmp_path / "two" / ".wf" / "spool").mkdir(parents=True)
    assert root.elsewhere(tmp_path / "one") == tmp_path / "two"
    assert root.elsewhere(project) == tmp_path / "two"


def test_without_git_no_folder_that_anybody_may_write_to_is_a_project(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    mine = shared / "mine" / "src"
    mine.mkdir(parents=True)
    (shared / "wf.config.yaml").write_text("mode: distributed\n")
    os.chmod(shared, 0o1777)
    assert person(mine) == mine
    (shared / "mine" / "wf.config.yaml").write_text("mode: distributed\n")
    assert person(mine) == shared / "mine"
    assert person(mine, {"HOME": str(shared / "mine")}) == mine, "a home folder is no project around others"


class TestAnAgent:
    """``WF_JOB_TOKEN`` is set."""

    def test_means_the_root_of_its_job_wherever_it_is(self, project: Path) -> None:
        assert root.of_agent({"WF_JOB_TOKEN": "x", "WF_ROOT": str(project)}) == project

    def test_without_a_token_is_none(self, project: Path) -> None:
        assert root.of_agent({"WF_ROOT": str(project)}) is None

    def test_whose_root_is_gone_is_told_so(self, project: Path) -> None:
        with pytest.raises(NotFound, match="WF_ROOT names"):
            root.of_agent({"WF_JOB_TOKEN": "x", "WF_ROOT": str(project / "gone")})
