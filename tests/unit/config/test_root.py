"""Which folder is the root of the project that a command means."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from wf_cli.config import root
from wf_cli.errors import NotFound, Refused
from wf_cli.workspace import checkout, linked, names
from wf_cli.workspace.names import Mark

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
    assert person(web, contract=False) == web, "folders that any project may have say nothing with the mode off"


def test_a_project_of_another_user_around_ones_folder_is_refused_and_ones_own_folder_is_not(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its configuration names programs to run. Whoever goes into its root means it."""
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(Refused) as refused:
        person(project / "packages" / "web")
    assert refused.value.code == "PROJECT_OF_ANOTHER_USER"
    assert str(project) in refused.value.message
    assert refused.value.hint == f"if you trust it: cd {project}"
    assert person(project) == project


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


@pytest.mark.parametrize("contract", [True, False])
@pytest.mark.parametrize("environ", [{}, ON, {"WF_ROOT": "."}])
def test_a_worktree_of_a_plan_is_refused_with_the_way_to_the_project(
    project: Path, tmp_path: Path, contract: bool, environ: dict[str, str]
) -> None:
    place = linked.place(project, tmp_path / "trees", Mark("e01-p03", "box"))
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, check=True, capture_output=True, text=True)
    checkout.need(place, head.stdout.strip())
    (place.top / "below").mkdir()
    if "WF_ROOT" in environ:
        environ = {"WF_ROOT": str(place.top)}
    for folder in (place.top, place.top / "below"):
        with pytest.raises(Refused, match="e01-p03") as refused:
            person(folder, environ, contract=contract)
        assert refused.value.code == "WORKTREE_OF_A_PLAN"
        assert str(project) in (refused.value.hint or "")
    assert root.of_agent({"WF_JOB_TOKEN": "x", "WF_PROJECT": str(project)}) == project


@pytest.mark.parametrize("record", ["", "[]", "{}", "no json", '{"project": "/x"}'])
def test_a_file_of_that_name_that_is_no_record_refuses_nothing(project: Path, tmp_path: Path, record: str) -> None:
    git(project, "worktree", "add", "-q", str(tmp_path / "wt"), "-b", "side")
    (project / ".git" / "worktrees" / "wt" / root.WORKTREE_RECORD).write_text(record)
    assert person(tmp_path / "wt") == project


def test_the_record_is_called_alike_where_it_is_written() -> None:
    assert root.WORKTREE_RECORD == names.RECORD


def test_a_linked_worktree_of_a_submodule_is_a_checkout_of_its_own(project: Path, tmp_path: Path) -> None:
    """A submodule is part of the project around it; what somebody checks out of it elsewhere is not."""
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "-q")
    git(library, "commit", "-q", "--allow-empty", "-m", "start")
    git(project, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "lib")
    git(project / "lib", "worktree", "add", "-q", str(project / "side"), "-b", "side")
    (project / "side" / "src").mkdir()
    assert person(project / "side" / "src") == project / "side" / "src"
    assert person(project / "lib") == project


def test_the_folder_around_a_bare_repository_is_no_main_checkout(project: Path, tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    (hub / ".wf" / "spool").mkdir(parents=True)
    (hub / "wf.config.yaml").write_text("mode: distributed\n")
    git(tmp_path, "clone", "-q", "--bare", str(project), str(hub / "repo.git"))
    git(hub / "repo.git", "worktree", "add", "-q", str(tmp_path / "wt"), "-b", "side")
    assert person(tmp_path / "wt") == tmp_path / "wt"


def test_wf_root_of_a_worktree_is_read_as_a_path_and_what_is_none_says_nothing(project: Path, tmp_path: Path) -> None:
    git(project, "worktree", "add", "-q", str(tmp_path / "wt"), "-b", "side")
    environ = {"HOME": str(tmp_path)}
    for given in ("~/wt", "$HOME/wt", str(tmp_path / "wt")):
        assert person(tmp_path / "wt", {**environ, "WF_ROOT": given}) == tmp_path / "wt"
    for given in ("${workspaceFolder}", "~bob/wt", "wt", ""):
        assert person(tmp_path / "wt", {**environ, "WF_ROOT": given}) == project


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

    def test_whose_checkout_is_another_folder_means_the_project(self, project: Path, tmp_path: Path) -> None:
        environ = {"WF_JOB_TOKEN": "x", "WF_ROOT": str(tmp_path / "wt"), "WF_PROJECT": str(project)}
        assert root.of_agent(environ) == project, "whether that checkout is there or not"
        assert root.of_agent({**environ, "WF_JOB_TOKEN": ""}) is None, "a person"

    @pytest.mark.parametrize("given", ["relative", ".", "", "${workspaceFolder}"])
    def test_whose_project_is_no_whole_path_means_its_root(self, project: Path, given: str) -> None:
        assert root.of_agent({"WF_JOB_TOKEN": "x", "WF_ROOT": str(project), "WF_PROJECT": given}) == project

    def test_whose_project_is_gone_is_not_sent_to_its_checkout(self, project: Path) -> None:
        with pytest.raises(NotFound, match="WF_PROJECT names"):
            root.of_agent({"WF_JOB_TOKEN": "x", "WF_ROOT": str(project), "WF_PROJECT": str(project / "gone")})

    @pytest.mark.parametrize("given", ["relative", ".", "", "${workspaceFolder}"])
    def test_whose_root_is_no_whole_path_has_none(
        self, project: Path, monkeypatch: pytest.MonkeyPatch, given: str
    ) -> None:
        monkeypatch.chdir(project)
        assert root.of_agent({"WF_JOB_TOKEN": "x", "WF_ROOT": given}) is None

    def test_without_a_token_is_none(self, project: Path) -> None:
        assert root.of_agent({"WF_ROOT": str(project)}) is None

    def test_whose_root_is_gone_is_told_so(self, project: Path) -> None:
        with pytest.raises(NotFound, match="WF_ROOT names"):
            root.of_agent({"WF_JOB_TOKEN": "x", "WF_ROOT": str(project / "gone")})
