"""Repositories that are not as simple as those of other tests: a plan is merged there, or is told why not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support import merges
from support.merges import PLAN, TARGET, Scene
from wf_cli import git
from wf_cli.workspace import candidate, merging, sides


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def config(**settings: str) -> Callable[[Scene], None]:
    def prepare(scene: Scene) -> None:
        for key, value in settings.items():
            git.need(scene.root, "config", key.replace("_", "."), value)

    return prepare


def sparse(scene: Scene) -> None:
    git.need(scene.root, "sparse-checkout", "set", "--no-cone", "a.txt")


def line_ends(scene: Scene) -> None:
    config(core_autocrlf="true", core_safecrlf="true")(scene)
    for branch in (TARGET, PLAN):
        merges.commit(scene.root, branch, {f"{branch[-3:]}.txt": "one\ntwo\n", ".gitattributes": "*.txt text\n"})
    scene.plan = merges.head(scene.root, PLAN)
    scene.onto = merges.head(scene.root, TARGET)


def crlf_in_the_tree(scene: Scene) -> None:
    """Files that git takes for changed as soon as they are checked out."""
    both = {".gitattributes": "* text=auto eol=lf\n", "dos.txt": "one\r\ntwo\r\n"}
    scene.start = merges.commit(scene.root, "main", both)
    scene.onto = merges.commit(scene.root, TARGET, {"a.txt": "target\n"}, parents=[scene.start])
    scene.plan = merges.commit(scene.root, PLAN, {"b.txt": "plan\n"}, parents=[scene.start])


def filters(scene: Scene) -> None:
    config(filter_rot_clean="tr a-z b-za", filter_rot_smudge="tr b-za a-z", filter_rot_required="true")(scene)
    scene.onto = merges.commit(scene.root, TARGET, {".gitattributes": "*.rot filter=rot\n", "x.rot": "bcd\n"})


def submodule(scene: Scene) -> None:
    scene.plan = merges.commit(scene.root, PLAN, {".gitmodules": '[submodule "m"]\n\tpath = m\n\turl = ./m\n'})
    index = {**os.environ, "GIT_INDEX_FILE": os.fspath(scene.root / ".git" / "other")}
    merges.plumb(scene.root, index, "read-tree", scene.plan)
    merges.plumb(scene.root, index, "update-index", "--add", "--cacheinfo", f"160000,{scene.start},m")
    written = merges.plumb(scene.root, index, "write-tree")
    scene.plan = merges.plumb(scene.root, index, "commit-tree", written, "-p", scene.plan, "-m", "module")
    config(submodule_recurse="true")(scene)


def packed(scene: Scene) -> None:
    git.need(scene.root, "pack-refs", "--all")


def many_worktrees_gone(scene: Scene) -> None:
    for n in range(3):
        merges.add_worktree(scene.root, scene.root.parent / f"gone-{n}").rename(scene.root.parent / f"moved-{n}")


def a_hook_that_writes(scene: Scene) -> None:
    hooks = scene.root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in (
        "post-merge",
        "pre-merge-commit",
        "prepare-commit-msg",
        "post-index-change",
        "reference-transaction",
    ):
        (hooks / name).write_text("#!/bin/sh\ntouch hooked\nexit 1\n")
        (hooks / name).chmod(0o755)


ODD: dict[str, Callable[[Scene], None]] = {
    "sparse": sparse,
    "line ends": line_ends,
    "files that are changed by nobody": crlf_in_the_tree,
    "filters": filters,
    "submodule": submodule,
    "packed refs": packed,
    "worktrees that are gone": many_worktrees_gone,
    "hooks": a_hook_that_writes,
    "no reflogs": config(core_logAllRefUpdates="false"),
    "file names as they are": config(core_precomposeunicode="true", core_ignorecase="true"),
    "zealous merging": config(merge_directoryRenames="true", merge_conflictStyle="diff3", merge_renormalize="true"),
    "no untracked files shown": config(status_showUntrackedFiles="no", diff_ignoreSubmodules="all"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_plan_is_merged(scene: Scene, name: str) -> None:
    ODD[name](scene)
    status = git.need(scene.root, "status", "--porcelain").text
    verdict = scene.integrate(["true"])
    assert isinstance(verdict, merging.Merged)
    assert merges.head(scene.root, TARGET) == verdict.commit
    assert git.need(scene.root, "log", "-1", "--format=%P", verdict.commit).text.split() == [scene.onto, scene.plan]
    assert git.need(scene.root, "show", f"{verdict.commit}:b.txt").text == "plan\n"
    assert git.need(scene.root, "show", f"{verdict.commit}:a.txt").text == "target\n"
    assert sides.of_merge(scene.root, scene.plan, scene.onto, verdict.commit, ()) == sides.Finding(True)
    assert git.need(scene.root, "status", "--porcelain").text == status
    assert not (scene.folder / "hooked").exists()


def test_a_project_that_is_itself_a_linked_worktree(scene: Scene, tmp_path: Path) -> None:
    project = tmp_path / "linked project"
    git.need(scene.root, "worktree", "add", "-q", "-b", "mine", os.fspath(project))
    folder = merges.add_worktree(project, tmp_path / "into-2")
    way = scene.way(folder=folder)
    assert isinstance(merging.integrate(way, scene.gates, scene.permit, scene.recorded.append), merging.Merged)
    with pytest.raises(git.GitError):
        candidate.put(project, scene.start)


def test_a_shallow_clone(scene: Scene, tmp_path: Path) -> None:
    """What both sides have in common is beyond its end, or not: a verdict or an error, and nothing else."""
    clone = tmp_path / "clone"
    git.need(tmp_path, "clone", "-q", "--no-single-branch", "--depth=1", scene.root.as_uri(), os.fspath(clone))
    for branch in (TARGET, PLAN):
        git.need(clone, "branch", "-q", branch, f"origin/{branch}")
    way = scene.way(folder=merges.add_worktree(clone, tmp_path / "into-2"))
    with pytest.raises(git.GitError, match="unrelated"):
        merging.integrate(way, scene.gates, scene.permit, scene.recorded.append)
    assert merges.head(clone, TARGET) == scene.onto
    git.need(clone, "fetch", "-q", "--unshallow")
    assert isinstance(merging.integrate(way, scene.gates, scene.permit, scene.recorded.append), merging.Merged)


def test_a_filter_that_is_required_and_missing_is_an_error_and_moves_nothing(scene: Scene) -> None:
    filters(scene)
    git.need(scene.root, "config", "filter.rot.smudge", "/no/such/program")
    with pytest.raises(git.GitError):
        scene.integrate()
    assert merges.head(scene.root, TARGET) == scene.onto
