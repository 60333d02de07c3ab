"""Whether a checkout has changed outside some folders: with git, without it, and where it cannot be told."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wf_cli.workflow import changes, leftovers

PLAN = "plans/01-parser"


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def make_repository(root: Path) -> Path:
    """A repository with one commit of ``b.py``."""
    write(root, "b.py", "b = 1\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "start")
    return root


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
    before = changes.baseline(checkout, [PLAN])
    assert before is not None
    change(checkout)
    assert changes.changed(checkout, [PLAN], before) is True


@pytest.mark.parametrize("change", [the_plan, state])
def test_the_plans_own_folder_and_wfs_state_are_no_work(checkout: Path, change: Callable[[Path], None]) -> None:
    before = changes.baseline(checkout, [PLAN])
    assert before is not None
    change(checkout)
    assert changes.changed(checkout, [PLAN], before) is False


LEFTOVERS = (
    "src/__pycache__/a.cpython-311.pyc", "a.pyc", ".pytest_cache/v/cache/lastfailed", ".mypy_cache/3.11/a.data.json",
    ".ruff_cache/0.9/x", ".hypothesis/examples/x", ".coverage", ".coverage.box.17.xyz", "coverage.xml",
    "htmlcov/index.html", "src/wf.egg-info/PKG-INFO", ".venv/bin/python",
    "node_modules/.cache/x", "node_modules/left-pad/index.js",
    "web/node_modules/x/y.js", "lcov.info", "web/.eslintcache", "tsconfig.tsbuildinfo", "deep/er/test-run.log",
    "src/.a.py.swp", "src/a.py~", "src/.#a.py", "src/#a.py#", "src/a.py.orig", "src/a.py.rej", ".DS_Store",
    "src/.DS_Store", "Thumbs.db", ".cursor/session/state.json",
    ".opencode/session/state.json", "plans/02-other/state.json",
    "epics/01-big/state.json", "epics/01-big/plans-map.yaml", "epics/01-big/report.md",
)  # fmt: skip
#: Names that only look like one of those.
WORK = (
    "src/pycache/a.py", "src/a.pyc.py", "coverage/model.py", "logs/reader.py", "src/login.py", "src/swap.swp.py",
    "epics/01-big/epic.md", "plans/02-other/plan.md", ".cursor/rules/mine.mdc", "build/../src/orig.py", "docs/log",
)  # fmt: skip


@pytest.mark.parametrize("name", LEFTOVERS)
def test_what_tools_leave_behind_is_no_work(checkout: Path, name: str) -> None:
    before = changes.baseline(checkout, [PLAN])
    assert before is not None
    write(checkout, name, "x")
    assert changes.changed(checkout, [PLAN], before) is False


@pytest.mark.parametrize("name", WORK)
def test_names_that_only_look_like_leftovers_are_work(checkout: Path, name: str) -> None:
    before = changes.baseline(checkout, [PLAN])
    assert before is not None
    write(checkout, name, "x")
    assert changes.changed(checkout, [PLAN], before) is True


def test_the_reference_names_every_built_in_pattern() -> None:
    told = (Path(__file__).parents[3] / "docs/reference/configuration.md").read_text()
    listed = " ".join(told.split())
    assert " ".join(leftovers.BUILT_IN) in listed


def test_patterns_of_the_project(checkout: Path) -> None:
    given = leftovers.in_force(["*.out", "docs/_build", "**/generated/*.py", "/top.txt", "cache/", "!*.log"])
    for name, work in (
        ("a/b/x.out", False),
        ("docs/_build/html/index.html", False),
        ("generated/a.py", False),
        ("deep/er/generated/a.py", False),
        ("top.txt", False),
        ("src/cache/x/y", False),
        ("__pycache__/x.pyc", False),
        ("sub/docs/_build/x", True),
        ("generated/sub/a.py", True),
        ("run.log", True),
    ):
        before = changes.baseline(checkout, [PLAN], given)
        assert before is not None
        write(checkout, name, "x")
        assert changes.changed(checkout, [PLAN], before, given) is work, name


def test_looking_changes_nothing(checkout: Path) -> None:
    before = changes.baseline(checkout, [PLAN])
    assert before == changes.baseline(checkout, [PLAN])
    assert before is not None
    assert changes.changed(checkout, [PLAN], before) is False


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
        before = changes.baseline(repository, [PLAN])
        assert before is not None
        rewrite(repository)
        git(repository, "commit", "-qam", "work")
        assert changes.changed(repository, [PLAN], before) is True

    def test_a_commit_of_the_plan_alone_is_none(self, repository: Path) -> None:
        before = changes.baseline(repository, [PLAN])
        assert before is not None
        the_plan(repository)
        git(repository, "add", "-A")
        git(repository, "commit", "-qm", "evidence")
        assert changes.changed(repository, [PLAN], before) is False

    def test_what_was_there_before_is_none_even_once_it_is_different_from_the_commit(self, repository: Path) -> None:
        rewrite(repository)
        add(repository)
        before = changes.baseline(repository, [PLAN])
        assert before is not None
        assert changes.changed(repository, [PLAN], before) is False
        write(repository, "src/a.py", "a = 333\n")
        assert changes.changed(repository, [PLAN], before) is True

    def test_ignored_files_are_no_work(self, repository: Path) -> None:
        before = changes.baseline(repository, [PLAN])
        assert before is not None
        write(repository, "build/out", "x")
        assert changes.changed(repository, [PLAN], before) is False

    @pytest.mark.parametrize(
        "name", ["src/__pycache__/a.pyc", "fixtures/run.log", "a.orig", "epics/01-big/state.json"]
    )
    def test_a_leftover_that_the_commit_has_is_somebodys_work(self, repository: Path, name: str) -> None:
        write(repository, name, "old")
        git(repository, "add", "-A", "-f")
        git(repository, "commit", "-qm", "kept on purpose")
        before = changes.baseline(repository, [PLAN])
        assert before is not None
        write(repository, name, "changed")
        of_wf = leftovers.Patterns(leftovers.OWN_STATE).cover(name)
        assert changes.changed(repository, [PLAN], before) is not of_wf
        git(repository, "commit", "-qam", "changed")
        assert changes.changed(repository, [PLAN], before) is not of_wf
        git(repository, "rm", "-q", name)
        assert changes.changed(repository, [PLAN], before) is not of_wf

    def test_a_leftover_that_the_job_commits_is_none(self, repository: Path) -> None:
        write(repository, "old.log", "there before")
        before = changes.baseline(repository, [PLAN])
        assert before is not None
        write(repository, "src/__pycache__/a.pyc", "x")
        the_plan(repository)
        git(repository, "add", "-A")
        assert changes.changed(repository, [PLAN], before) is False
        git(repository, "commit", "-qm", "everything that lay around")
        assert changes.changed(repository, [PLAN], before) is False
        write(repository, "src/b.py", "b = 1\n")
        git(repository, "add", "-A")
        assert changes.changed(repository, [PLAN], before) is True

    def test_a_renamed_source_is_work(self, repository: Path) -> None:
        before = changes.baseline(repository, [PLAN])
        assert before is not None
        git(repository, "mv", "src/a.py", "src/a.py.orig")
        assert changes.changed(repository, [PLAN], before) is True

    def test_patterns_are_those_of_the_project_and_not_of_the_repository_around_it(self, repository: Path) -> None:
        part = repository / "part"
        write(part, "a.py", "a = 1\n")
        given = leftovers.in_force(["docs/_build"])
        before = changes.baseline(part, [PLAN], given)
        assert before is not None
        write(part, "docs/_build/x", "x")
        write(part, "sub/__pycache__/x.pyc", "x")
        assert changes.changed(part, [PLAN], before, given) is False

    def test_a_repository_among_the_leftovers_is_not_looked_into(self, repository: Path) -> None:
        before = changes.baseline(repository, [PLAN])
        assert before is not None
        write(repository, "node_modules/dep/b.js", "b\n")
        git(repository / "node_modules/dep", "init", "-q")
        assert changes.changed(repository, [PLAN], before) is False

    def test_a_project_inside_a_repository_sees_its_own_part(self, repository: Path) -> None:
        part = repository / "part"
        write(part, "a.py", "a = 1\n")
        before = changes.baseline(part, [PLAN])
        assert before is not None
        rewrite(repository)
        assert changes.changed(part, [PLAN], before) is False
        write(part, "a.py", "a = 22\n")
        assert changes.changed(part, [PLAN], before) is True

    @pytest.mark.parametrize("kind", ["submodule", "repository"])
    def test_a_repository_inside_of_it_is_looked_into(
        self, repository: Path, tmp_path_factory: Any, kind: str
    ) -> None:
        source = make_repository(tmp_path_factory.mktemp("source") / "lib")
        if kind == "submodule":
            git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(source), "lib")
            git(repository, "commit", "-qm", "lib")
        else:
            git(repository, "clone", "-q", str(source), "lib")
        lib = repository / "lib"
        before = changes.baseline(repository, [PLAN])
        assert before is not None
        assert changes.changed(repository, [PLAN], before) is False, "nothing was done"
        write(lib, "__pycache__/b.pyc", "x")
        assert changes.changed(repository, [PLAN], before) is False, "a leftover"
        write(lib, "new.py", "n = 1\n")
        assert changes.changed(repository, [PLAN], before) is True, "an untracked file"
        git(lib, "add", "new.py")
        assert changes.changed(repository, [PLAN], before) is True, "an added file"
        git(lib, "commit", "-qm", "new")
        assert changes.changed(repository, [PLAN], before) is True, "a commit"
        git(lib, "reset", "-q", "--hard", "HEAD^")
        assert changes.changed(repository, [PLAN], before) is False, "as before"
        write(lib, "b.py", "b = 2\n")
        assert changes.changed(repository, [PLAN], before) is True, "a tracked file"

    def test_what_lay_about_in_a_submodule_before_is_no_work(self, repository: Path, tmp_path_factory: Any) -> None:
        source = make_repository(tmp_path_factory.mktemp("source") / "lib")
        git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(source), "lib")
        write(repository / "lib", "b.py", "b = 3\n")
        before = changes.baseline(repository, [PLAN])
        assert before is not None
        assert changes.changed(repository, [PLAN], before) is False
        write(repository / "lib", "b.py", "b = 4\n")
        assert changes.changed(repository, [PLAN], before) is True

    def test_a_submodule_that_is_checked_out_while_nothing_is_done_is_no_work(
        self, repository: Path, tmp_path_factory: Any
    ) -> None:
        source = make_repository(tmp_path_factory.mktemp("source") / "lib")
        git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(source), "lib")
        git(repository, "commit", "-qm", "lib")
        git(repository, "submodule", "deinit", "-q", "-f", "lib")
        before = changes.baseline(repository, [PLAN])
        assert before is not None
        git(repository, "-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init")
        assert changes.changed(repository, [PLAN], before) is False

    def test_a_repository_inside_of_it_that_git_cannot_read_leaves_it_unknown(self, repository: Path) -> None:
        lib = make_repository(repository / "vendor")
        before = changes.baseline(repository, [PLAN])
        assert before is not None
        (lib / ".git" / "index").write_bytes(b"no index")
        assert changes.baseline(repository, [PLAN]) is None
        assert changes.changed(repository, [PLAN], before) is None

    def test_a_project_that_the_repository_around_it_ignores_is_looked_at_without_git(self, repository: Path) -> None:
        part = repository / "build" / "project"
        write(part, "a.py", "a = 1\n")
        before = changes.baseline(part, [PLAN])
        assert before is not None
        assert before.startswith("files:")
        write(part, "a.py", "a = 22\n")
        assert changes.changed(part, [PLAN], before) is True

    def test_names_that_git_quotes(self, repository: Path) -> None:
        before = changes.baseline(repository, [PLAN])
        assert before is not None
        (repository / os.fsdecode(b"new\n\xff \xc3\xa4")).write_text("x")
        assert changes.changed(repository, [PLAN], before) is True

    def test_a_commit_that_is_gone_cannot_be_compared_with(self, repository: Path) -> None:
        assert changes.changed(repository, [PLAN], f"git:{'0' * 40}:{'0' * 32}") is None


@pytest.mark.parametrize("before", ["", "svn:7", "git:", "git:HEAD:x", "git:--output=stolen:x"])
def test_a_baseline_that_is_none_tells_nothing(tmp_path: Path, before: str) -> None:
    git(tmp_path, "init", "-q")
    assert changes.changed(tmp_path, [PLAN], before) is None
    assert not (tmp_path / "stolen").exists()


def test_more_files_than_can_be_looked_at_tell_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        write(tmp_path, name, name)
    before = changes.baseline(tmp_path, [])
    assert before is not None
    monkeypatch.setattr(changes, "FILE_LIMIT", 2)
    assert changes.baseline(tmp_path, []) is None
    assert changes.changed(tmp_path, [], before) is None
