"""The way of a plan into its target: what is merged, what is tested, what moves, and what is left after each end."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import merges
from support.merges import MESSAGE, PLAN, TARGET, Scene
from wf_cli import git
from wf_cli.errors import Temporary
from wf_cli.workspace import candidate, leftover_locks, merging, target, testing

PASSES = [sys.executable, "-c", ""]
FAILS = [sys.executable, "-c", "print('no'); raise SystemExit(3)"]


def has(text: str, path: str = "b.txt") -> list[str]:
    """A gate that passes where the file says so."""
    return [sys.executable, "-c", f"raise SystemExit({text!r} not in open({path!r}).read())"]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def is_clean(folder: Path) -> bool:
    told = git.need(folder, "status", "--porcelain", "--untracked-files=all").text
    return not told and git.ask(folder, "rev-parse", "-q", "--verify", "MERGE_HEAD").exit_code != 0


# -- the commit


def test_the_target_moves_to_a_commit_with_both_as_parents(scene: Scene) -> None:
    verdict = scene.integrate(PASSES)
    assert isinstance(verdict, merging.Merged)
    assert merges.head(scene.root, TARGET) == verdict.commit
    assert merges.parents(scene.root, verdict.commit) == [scene.onto, scene.plan]
    assert scene.recorded == [verdict.commit]
    assert git.need(scene.root, "show", f"{verdict.commit}:a.txt", f"{verdict.commit}:b.txt").text == "target\nplan\n"
    assert git.need(scene.root, "log", "-1", "--format=%B", verdict.commit).text.strip() == MESSAGE
    assert merges.head(scene.root, PLAN) == scene.plan


def test_a_target_that_could_simply_move_gets_a_merge_commit_all_the_same(tmp_path: Path) -> None:
    scene = Scene(tmp_path, theirs={})
    git.need(scene.root, "update-ref", f"refs/heads/{TARGET}", scene.start)
    verdict = scene.integrate()
    assert isinstance(verdict, merging.Merged)
    assert merges.parents(scene.root, verdict.commit) == [scene.start, scene.plan]


def test_gates_run_on_exactly_the_commit_that_the_target_moves_to(scene: Scene) -> None:
    verdict = scene.integrate(has("plan"), has("target", "a.txt"))
    assert isinstance(verdict, merging.Merged)
    assert [on for on, _ in scene.gates.runs] == [verdict.commit] * 2


def test_without_gates_nothing_is_run_and_nothing_is_called_green(scene: Scene) -> None:
    verdict = scene.integrate()
    assert isinstance(verdict, merging.Merged)
    assert scene.gates.runs == []
    assert not git.need(scene.root, "for-each-ref", "refs/wf").out


def test_what_the_target_has_already_is_recorded_and_nothing_moves(scene: Scene) -> None:
    merged = scene.integrate()
    assert isinstance(merged, merging.Merged)
    later = merges.commit(scene.root, TARGET, {"d.txt": "d\n"})
    assert scene.integrate(FAILS) == merging.Merged(later)
    assert merges.head(scene.root, TARGET) == later
    assert scene.recorded == [merged.commit, later]
    assert scene.gates.runs == []


def test_a_plan_without_commits_of_its_own_is_merged(scene: Scene) -> None:
    scene.plan = scene.start
    assert scene.integrate(FAILS) == merging.Merged(scene.onto)


# -- what may not go on


CONFLICTS = {
    "both changed": ({"a.txt": "p\n"}, {"a.txt": "t\n"}, ("a.txt",)),
    "both added": ({"n.txt": "p\n"}, {"n.txt": "t\n"}, ("n.txt",)),
    "changed and deleted": ({"a.txt": "p\n"}, {"a.txt": None}, ("a.txt",)),
    "deleted and changed": ({"a.txt": None}, {"a.txt": "t\n"}, ("a.txt",)),
    "file and folder": ({"n": "p\n"}, {"n/x": "t\n"}, ("n~{plan}",)),
    "a name in Unicode, and one with a line end": (
        {"ü.txt": "p\n", "x\ny": "p\n"},
        {"ü.txt": "t\n", "x\ny": "t\n"},
        ("x\ny", "ü.txt"),
    ),
    "mode and content": (
        {"a.txt": ("100755", b"p\n"), "b.txt": "p\n"},
        {"a.txt": "t\n", "b.txt": ("100755", b"b\n")},
        ("a.txt",),
    ),
    "two links": ({"l": ("120000", b"p")}, {"l": ("120000", b"t")}, ("l",)),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_a_conflict_is_told_with_its_paths_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    ours, theirs, paths = CONFLICTS[name]
    scene = Scene(tmp_path, ours, theirs)
    git.need(scene.root, "checkout", "-q", "--detach")
    before = merges.state_of(scene.root)
    verdict = scene.integrate(PASSES)
    assert isinstance(verdict, merging.Conflicting)
    assert verdict.onto == scene.onto
    assert verdict.paths == tuple(path.format(plan=scene.plan) for path in paths)
    assert is_clean(scene.folder)
    assert merges.head_of(scene.folder) == scene.onto
    assert merges.state_of(scene.root) == before, "no ref and no checkout has changed"
    assert scene.recorded == []
    assert scene.gates.runs == []


def test_a_gate_that_is_red_only_with_the_plan_is_the_plans(scene: Scene) -> None:
    before = merges.state_of(scene.root)
    verdict = scene.integrate(PASSES, has("b\n"), PASSES)
    assert isinstance(verdict, merging.PlanRed)
    assert (verdict.onto, verdict.red.place, verdict.red.argv) == (scene.onto, 1, tuple(has("b\n")))
    assert [argv for _, argv in scene.gates.runs] == [tuple(g) for g in (PASSES, has("b\n"), PASSES, has("b\n"))]
    assert [on for on, _ in scene.gates.runs[2:]] == [scene.onto] * 2
    assert merges.state_of(scene.root) == before
    assert scene.recorded == []


def test_a_gate_that_is_red_on_the_target_too_is_not_the_plans(scene: Scene) -> None:
    before = merges.state_of(scene.root)
    verdict = scene.integrate(FAILS)
    assert isinstance(verdict, merging.TargetRed)
    assert verdict.on_target == testing.Result(3, "no\n")
    assert merges.state_of(scene.root) == before


def test_a_target_that_is_known_green_is_not_tested_again(scene: Scene) -> None:
    gates = (has("a", "a.txt"), has("b\n"))
    scene.plan = merges.commit(scene.root, PLAN, {"b.txt": "b\nb\n"}, parents=[scene.start])
    assert isinstance(scene.integrate(*gates), merging.Merged)
    scene.gates.runs.clear()
    scene.plan = merges.commit(scene.root, PLAN, {"b.txt": "bad"})
    assert isinstance(scene.integrate(*gates), merging.PlanRed)
    assert len(scene.gates.runs) == 2, "on the merge commit alone"


@pytest.mark.parametrize("changed", ["gates", "target"])
def test_green_is_one_commit_with_the_gates_that_it_passed(scene: Scene, changed: str) -> None:
    verdict = scene.integrate(PASSES)
    assert isinstance(verdict, merging.Merged)
    gates: list[list[str]] = [PASSES, FAILS] if changed == "gates" else [PASSES]
    onto = merges.commit(scene.root, TARGET, {"d": "d"}) if changed == "target" else verdict.commit
    assert testing.is_known_green(scene.root, TARGET, verdict.commit, [PASSES])
    assert not testing.is_known_green(scene.root, TARGET, onto, gates)


def test_a_gate_that_changes_files_is_not_seen_by_the_next(scene: Scene) -> None:
    spoils = [sys.executable, "-c", "open('b.txt', 'w').write('spoilt'); open('left.txt', 'w').write('left')"]
    verdict = scene.integrate(spoils, has("plan"), has("left", "left.txt"))
    assert isinstance(verdict, merging.Merged)
    assert "left.txt" not in merges.files_of(scene.root, verdict.commit)
    assert git.need(scene.root, "show", f"{verdict.commit}:b.txt").text == "plan\n"


def test_a_gate_that_commits_does_not_smuggle_its_commit_in(scene: Scene) -> None:
    commits = [
        sys.executable, "-c",
        "import subprocess; open('b.txt', 'w').write('x'); subprocess.run(['git', 'commit', '-qam', 'smuggled'])",
    ]  # fmt: skip
    verdict = scene.integrate(commits, has("plan"))
    assert isinstance(verdict, merging.Merged)
    assert merges.parents(scene.root, verdict.commit) == [scene.onto, scene.plan]


# -- the move


def test_what_a_person_commits_meanwhile_is_kept_and_tested_with(scene: Scene) -> None:
    moved: list[str] = []

    def run(folder: Path, argv: testing.Argv) -> testing.Result:
        if not moved:
            moved.append(merges.commit(scene.root, TARGET, {"mine.txt": "mine\n"}))
        return scene.gates(folder, argv)

    verdict = merging.integrate(scene.way(PASSES), run, scene.permit, scene.recorded.append)
    assert isinstance(verdict, merging.Merged)
    assert merges.parents(scene.root, verdict.commit) == [moved[0], scene.plan]
    assert [on for on, _ in scene.gates.runs][1:] == [verdict.commit]
    assert scene.recorded == [verdict.commit]


def test_a_target_that_never_rests_is_given_up_after_five_rounds(scene: Scene) -> None:
    made: list[str] = []

    def run(_folder: Path, _argv: testing.Argv) -> testing.Result:
        made.append(merges.commit(scene.root, TARGET, {f"mine-{len(made)}.txt": "mine\n"}))
        return testing.Result(0)

    verdict = merging.integrate(scene.way(PASSES), run, scene.permit, scene.recorded.append)
    assert verdict == merging.Moving(5, made[4])
    assert merges.head(scene.root, TARGET) == made[4]
    assert scene.recorded == []


def test_a_target_that_is_moved_back_meanwhile_is_not_moved_forward(scene: Scene) -> None:
    """The expected value is what the gates were run on: an update without it would undo what the person did."""

    @contextlib.contextmanager
    def permit() -> Iterator[None]:
        git.need(scene.root, "update-ref", f"refs/heads/{TARGET}", scene.start)
        yield

    verdict = merging.integrate(scene.way(), scene.gates, permit, scene.recorded.append, rounds=1)
    assert verdict == merging.Moving(1, scene.start)


def test_the_last_instant_before_the_move_counts(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person commits after wf's last look at the target, right before git moves it."""
    ask, mine = git.ask, []

    def late(root: Path, *arguments: str, **more: object) -> git.Answer:
        if arguments[0] == "update-ref" and not mine:
            mine.append(merges.commit(scene.root, TARGET, {"mine.txt": "mine\n"}))
        return ask(root, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(git, "ask", late)
    verdict = scene.integrate()
    assert isinstance(verdict, merging.Merged)
    assert merges.parents(scene.root, verdict.commit) == [mine[0], scene.plan]


@pytest.mark.parametrize("how", ["main", "linked", "rebasing", "bisecting", "gone"])
def test_a_target_that_is_checked_out_is_not_moved(scene: Scene, how: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    if how == "main":
        git.need(scene.root, "checkout", "-q", TARGET)
    else:
        git.need(scene.root, "worktree", "add", "-q", os.fspath(other), TARGET)
    if how == "rebasing":
        merges.commit(scene.root, "main", {"a.txt": "main\n"})
        assert git.ask(other, "rebase", "main").exit_code != 0
    if how == "bisecting":
        git.need(other, "bisect", "start", "HEAD", scene.start)
        git.need(other, "checkout", "-q", "--detach")
    if how == "gone":
        other.rename(tmp_path / "moved")
    with pytest.raises(target.TargetCheckedOut) as caught:
        scene.integrate()
    assert str(scene.root if how == "main" else other) in caught.value.message
    assert merges.head(scene.root, TARGET) == scene.onto
    assert scene.recorded == []


def test_another_branch_that_is_checked_out_is_in_nobodys_way(scene: Scene, tmp_path: Path) -> None:
    git.need(scene.root, "worktree", "add", "-q", "-b", f"{TARGET}-more", os.fspath(tmp_path / "other"), TARGET)
    assert isinstance(scene.integrate(), merging.Merged)


def test_a_lock_that_a_killed_git_has_left_is_removed(scene: Scene) -> None:
    lock = scene.root / ".git" / "refs" / "heads" / f"{TARGET}.lock"
    lock.write_text("")
    assert isinstance(scene.integrate(), merging.Merged)
    assert not lock.exists()


def test_a_lock_that_changes_is_somebodys(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = scene.root / ".git" / "refs" / "heads" / f"{TARGET}.lock"
    lock.write_text("")

    class Busy:
        def wait(self, _seconds: float) -> None:
            lock.unlink()
            lock.write_text("another")
            os.utime(lock, (1, 1))

    monkeypatch.setattr(leftover_locks, "_PAUSE", Busy())
    with pytest.raises(git.GitError) as caught:
        scene.integrate()
    assert TARGET in caught.value.message
    assert lock.read_text() == "another"
    assert merges.head(scene.root, TARGET) == scene.onto


def test_a_target_that_is_missing_is_named(scene: Scene) -> None:
    git.need(scene.root, "update-ref", "-d", f"refs/heads/{TARGET}")
    with pytest.raises(target.TargetMissing) as caught:
        scene.integrate()
    assert TARGET in caught.value.message


def test_a_refused_permit_moves_nothing(scene: Scene) -> None:
    @contextlib.contextmanager
    def permit() -> Iterator[None]:
        raise Temporary("not yours any more")
        yield

    with pytest.raises(Temporary):
        merging.integrate(scene.way(), scene.gates, permit, scene.recorded.append)
    assert merges.head(scene.root, TARGET) == scene.onto


# -- repositories and settings that get in the way


@pytest.mark.parametrize(
    "settings",
    [
        {"pull.twohead": "ours"},
        {"merge.ff": "only"},
        {"merge.verifySignatures": "true", "commit.gpgSign": "true", "gpg.program": "/bin/false"},
        {"core.hooksPath": "hooks"},
        {"merge.autoStash": "true", "rebase.autoStash": "true"},
        {"merge.log": "true", "commit.cleanup": "verbatim", "core.commentChar": "M"},
        {"core.editor": "/bin/false", "core.pager": "/bin/false"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_what_a_person_has_set_does_not_count(settings: dict[str, str], scene: Scene) -> None:
    for key, value in settings.items():
        git.need(scene.root, "config", key, value)
    for folder in (scene.root, scene.folder):
        (folder / "hooks").mkdir()
        for name in ("pre-merge-commit", "commit-msg", "post-checkout", "post-merge", "reference-transaction"):
            (folder / "hooks" / name).write_text("#!/bin/sh\nexit 1\n")
            (folder / "hooks" / name).chmod(0o755)
    verdict = scene.integrate(PASSES)
    assert isinstance(verdict, merging.Merged)
    files = merges.files_of(scene.root, verdict.commit)
    assert files["a.txt"] == merges.files_of(scene.root, scene.onto)["a.txt"]
    assert files["b.txt"] == merges.files_of(scene.root, scene.plan)["b.txt"]
    assert git.need(scene.root, "log", "-1", "--format=%B", verdict.commit).text.strip() == MESSAGE


def test_a_resolution_that_git_remembers_is_not_repeated(tmp_path: Path) -> None:
    scene = Scene(tmp_path, {"a.txt": "p\n"}, {"a.txt": "t\n"})
    for key in ("rerere.enabled", "rerere.autoUpdate"):
        git.need(scene.root, "config", key, "true")
    other = merges.add_worktree(scene.root, tmp_path / "other")
    git.need(other, "checkout", "-q", "--detach", scene.onto)
    assert git.ask(other, "merge", scene.plan).exit_code == 1
    (other / "a.txt").write_text("p\n")
    git.need(other, "commit", "-qam", "resolved")
    assert isinstance(scene.integrate(), merging.Conflicting)


def test_git_that_knows_nobody_merges_all_the_same(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    git.need(scene.root, "config", "--unset", "user.name")
    git.need(scene.root, "config", "--unset", "user.email")
    git.need(scene.root, "config", "user.useConfigOnly", "true")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    verdict = scene.integrate(PASSES)
    assert isinstance(verdict, merging.Merged)
    assert git.need(scene.root, "log", "-1", "--format=%cn", verdict.commit).text.strip() == "wf"
    assert testing.is_known_green(scene.root, TARGET, verdict.commit, [PASSES])


@pytest.mark.parametrize("kind", ["project", "branch", "below"])
def test_nothing_is_merged_in_a_checkout_of_a_person(scene: Scene, kind: str, tmp_path: Path) -> None:
    folder = scene.root
    if kind == "branch":
        folder = tmp_path / "mine"
        git.need(scene.root, "worktree", "add", "-q", "-b", "mine", os.fspath(folder))
    if kind == "below":
        folder = scene.folder / "sub"
        folder.mkdir()
    (folder / "untracked.txt").write_text("precious")
    (folder / "b.txt").write_text("changed")
    with pytest.raises(git.GitError) as caught:
        merging.integrate(scene.way(folder=folder), scene.gates, scene.permit, scene.recorded.append)
    assert caught.value.code == "NOT_A_WORKTREE"
    assert (folder / "untracked.txt").read_text() == "precious"
    assert (folder / "b.txt").read_text() == "changed"


def test_histories_without_a_common_commit_are_no_conflict(scene: Scene) -> None:
    git.need(scene.root, "checkout", "-q", "--orphan", "alone")
    git.need(scene.root, "commit", "-qm", "alone")
    scene.plan = merges.head(scene.root, "alone")
    with pytest.raises(git.GitError):
        scene.integrate()
    assert is_clean(scene.folder)


def test_ignored_files_stay_and_others_are_put_away(scene: Scene) -> None:
    (scene.root / ".git" / "info" / "exclude").write_text("cache/\n")
    (scene.folder / "cache").mkdir()
    (scene.folder / "cache" / "kept").write_text("kept")
    (scene.folder / "b.txt").write_text("left by somebody")
    (scene.folder / "new.txt").write_text("left by somebody")
    put: list[tuple[Path, str]] = []

    def keeping(folder: Path, commit: str) -> None:
        put.append((folder, commit))
        candidate.put(folder, commit)

    assert isinstance(scene.integrate(put=keeping), merging.Merged)
    assert put == [(scene.folder, scene.onto)]
    assert (scene.folder / "cache" / "kept").exists()
    assert not (scene.folder / "new.txt").exists()


def test_locks_of_a_git_that_was_killed_in_the_worktree_are_removed(scene: Scene) -> None:
    for name in ("index.lock", "HEAD.lock", "ORIG_HEAD.lock"):
        Path(scene.folder, git.need(scene.folder, "rev-parse", "--git-path", name).text.strip()).write_text("")
    with pytest.raises(git.GitError):
        candidate.make(scene.folder, scene.onto, scene.plan, MESSAGE)
    assert isinstance(scene.integrate(put=lambda folder, to: candidate.put(folder, to, patience=0.0)), merging.Merged)


def test_two_do_not_merge_in_one_worktree(scene: Scene) -> None:
    def run(_folder: Path, _argv: testing.Argv) -> testing.Result:
        done = subprocess.run(
            [sys.executable, "-c", _SECOND, os.fspath(scene.folder), scene.plan],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Temporary" in done.stderr, done.stderr
        return testing.Result(0)

    assert isinstance(merging.integrate(scene.way(PASSES), run, scene.permit, scene.recorded.append), merging.Merged)


_SECOND = """
import contextlib, sys
from pathlib import Path
from wf_cli.workspace import merging
merging.BUSY = 0.0
way = merging.Way(Path(sys.argv[1]), "wf/e01", sys.argv[2], "second")
merging.integrate(way, None, contextlib.nullcontext, print)
"""
