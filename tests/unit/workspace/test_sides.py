"""What a hand-over after a merge is refused for, against an oracle that knows files and nothing of git."""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support import merges
from support.merges import Changes
from wf_cli import git
from wf_cli.workspace import sides
from wf_cli.workspace.sides import Finding, Whole

START = {"a.txt": "a\n", "b.txt": "b\n", "c.txt": "c\n", "run.sh": ("100755", b"run\n")}


class Scene:
    """Two sides of ``START``, and what an agent makes of them."""

    def __init__(self, root: Path, plan: Changes, target: Changes, start: Changes = START):
        self.root = root
        self.start = merges.make_repository(root, start)
        self.plan = merges.commit(root, "plan", plan, parents=[self.start])
        self.target = merges.commit(root, "target", target, parents=[self.start])

    def merged(self, changes: Changes) -> str:
        """A merge whose files are those of the plan with ``changes``."""
        return merges.commit(self.root, "plan", changes, parents=[self.plan, self.target])

    def of(self, head: str, *conflicts: str) -> Finding:
        return sides.of_merge(self.root, self.plan, self.target, head, conflicts)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "project"


def test_a_head_without_the_target_is_not_merged(place: Path) -> None:
    scene = Scene(place, {"a.txt": "plan\n"}, {"b.txt": "target\n"})
    for head in (scene.plan, scene.start, merges.commit(place, "plan", {"b.txt": "target\n"})):
        assert scene.of(head, "a.txt") == Finding(merged=False)


def test_a_merge_that_kept_nothing_of_the_target_is_told_with_all_paths(place: Path) -> None:
    """As `git merge -s ours` makes it."""
    scene = Scene(
        place,
        {"a.txt": "plan\n"},
        {"a.txt": "t\n", "b.txt": "t\n", "c.txt": None, "new.txt": "n\n", "run.sh": "run\n"},
    )
    finding = scene.of(scene.merged({}), "a.txt")
    assert finding == Finding(True, ("b.txt", "c.txt", "new.txt", "run.sh"), (Whole("a.txt", "plan"),))
    assert not finding.is_kept


def test_a_later_commit_that_takes_a_change_back_drops_it(place: Path) -> None:
    scene = Scene(place, {"a.txt": "plan\n"}, {"b.txt": "t\n"})
    good = scene.merged({"b.txt": "t\n"})
    assert scene.of(good) == Finding(True)
    assert scene.of(merges.commit(place, "plan", {"b.txt": "b\n"})) == Finding(True, ("b.txt",))


@pytest.mark.parametrize(("kept", "side"), [("plan\n", "plan"), ("t\n", "target")])
def test_one_side_of_a_conflict_is_named_and_not_refused(place: Path, kept: str, side: Any) -> None:
    scene = Scene(place, {"a.txt": "plan\n"}, {"a.txt": "t\n"})
    finding = scene.of(scene.merged({"a.txt": kept}), "a.txt")
    assert finding == Finding(True, (), (Whole("a.txt", side),))
    assert finding.is_kept
    assert scene.of(scene.merged({"a.txt": "plan\nt\n"}), "a.txt") == Finding(True)


def test_a_file_of_the_target_under_another_name_is_kept(place: Path) -> None:
    """The plan renames the folder into which the target puts a new file."""
    content = "".join(f"{n}\n" for n in range(20))
    scene = Scene(place, {"old/x": None, "new/x": "x\n"}, {"old/added": content}, {"old/x": "x\n"})
    assert scene.of(scene.merged({"new/added": content + "more\n"})) == Finding(True)
    assert scene.of(scene.merged({})) == Finding(True, ("old/added",))


def test_a_conflict_between_a_change_and_a_deletion_may_end_either_way(place: Path) -> None:
    scene = Scene(place, {"a.txt": None}, {"a.txt": "t\n"})
    assert scene.of(scene.merged({}), "a.txt") == Finding(True, (), (Whole("a.txt", "plan"),))
    assert scene.of(scene.merged({"a.txt": "t\n"}), "a.txt") == Finding(True, (), (Whole("a.txt", "target"),))
    assert scene.of(scene.merged({"a.txt": "a\n"}), "a.txt") == Finding(True, ("a.txt",))


def test_two_merges_crosswise_have_two_bases(place: Path) -> None:
    scene = Scene(place, {"a.txt": "plan\n"}, {"b.txt": "t\n"})
    both = {"a.txt": "plan\n", "b.txt": "t\n"}
    one = merges.commit(place, "one", both, parents=[scene.plan, scene.target])
    other = merges.commit(place, "other", {**both, "c.txt": "t\n"}, parents=[scene.target, scene.plan])
    good = merges.commit(place, "one", {"c.txt": "t\n"}, parents=[one, other])
    assert len(git.need(place, "merge-base", "--all", one, other).text.split()) == 2
    assert sides.of_merge(place, one, other, good, ()) == Finding(True)
    bad = merges.commit(place, "one", {}, parents=[one, other])
    assert sides.of_merge(place, one, other, bad, ()) == Finding(True, ("c.txt",))


def test_histories_without_a_common_commit_have_nothing_to_lose_but_everything(place: Path) -> None:
    scene = Scene(place, {"a.txt": "plan\n"}, {})
    git.need(place, "checkout", "-q", "--orphan", "alone")
    git.need(place, "commit", "-qm", "alone")
    git.need(place, "checkout", "-q", "--detach")
    alone = merges.commit(place, "alone", {"n.txt": "n\n"})
    head = merges.commit(place, "plan", {}, parents=[scene.plan, alone])
    assert sides.of_merge(place, scene.plan, alone, head, ()) == Finding(True, ("n.txt",))


def test_a_submodule_counts_whatever_the_repository_says_of_it(place: Path) -> None:
    module = '[submodule "m"]\n\tpath = m\n\turl = ./m\n\tignore = all\n'
    scene = Scene(place, {"a.txt": "plan\n"}, {".gitmodules": module})
    old, new = scene.start, scene.plan  # any commits' ids serve as those of a submodule
    index = {"GIT_INDEX_FILE": os.fspath(place / ".git" / "for-the-test")}

    def with_module(commit: str, at: str, *parents: str) -> str:
        environ = {**os.environ, **index}

        def ask(*words: str) -> str:
            done = subprocess.run(["git", *words], cwd=place, env=environ, check=True, capture_output=True, text=True)
            return done.stdout

        ask("read-tree", commit)
        ask("update-index", "--add", "--cacheinfo", f"160000,{at},m")
        tree = ask("write-tree").strip()
        return ask("commit-tree", tree, "-m", "x", *(word for p in parents for word in ("-p", p))).strip()

    start = with_module(scene.target, old, scene.target)
    plan = merges.commit(place, "plan", {"a.txt": "plan\n"}, parents=[start])
    target = with_module(start, new, start)
    git.need(place, "config", "diff.ignoreSubmodules", "all")
    (place / ".gitmodules").write_text(module)
    assert sides.of_merge(place, plan, target, with_module(plan, old, plan, target), ()) == Finding(True, ("m",))
    assert sides.of_merge(place, plan, target, with_module(plan, new, plan, target), ()) == Finding(True)


@pytest.mark.parametrize("name", ["ü\n\t\"x'.txt", ":(glob)*", "-rf", " "])
def test_names_are_told_as_they_are(place: Path, name: str) -> None:
    scene = Scene(place, {"a.txt": "plan\n", name: "p\n"}, {"x" + name: "t\n", name: "t\n"})
    finding = scene.of(scene.merged({}), name)
    assert finding == Finding(True, ("x" + name,), (Whole(name, "plan"),))


def test_a_refusal_names_commit_paths_and_the_way_out(place: Path) -> None:
    scene = Scene(place, {"a.txt": "plan\n"}, {f"n{n:02}": "t\n" for n in range(30)} | {"\x1b[2J": "t\n"})
    with pytest.raises(sides.NotMerged) as missing:
        sides.refuse(place, scene.plan, scene.target, scene.plan, ())
    assert scene.target[:12] in missing.value.told
    with pytest.raises(sides.DroppedSide) as dropped:
        sides.refuse(place, scene.plan, scene.target, scene.merged({}), ())
    assert "\\x1b[2J, n00, n01" in dropped.value.message
    assert "and 11 more" in dropped.value.message
    assert "\x1b" not in dropped.value.told
    assert dropped.value.facts["paths"] == ["\\x1b[2J", *(f"n{n:02}" for n in range(30))]
    good = scene.merged(dict.fromkeys(dropped.value.facts["paths"][1:], "t\n") | {"\x1b[2J": "t\n"})
    assert sides.refuse(place, scene.plan, scene.target, good, ["a.txt"]) == (Whole("a.txt", "plan"),)


# -- any edits, any resolution, against the oracle

PATHS = ("a", "b", "d/x", "d/y", "e")
#: Contents so unlike each other, and so short, that git sees a rename only in equal ones.
TEXTS = tuple(f"{letter * 40}\n" for letter in "qrstu")
MODES = ("100644", "100755")
Files = dict[str, tuple[str, bytes]]

files = st.dictionaries(
    st.sampled_from(PATHS), st.tuples(st.sampled_from(MODES), st.sampled_from([text.encode() for text in TEXTS]))
)


@st.composite
def edited(draw: st.DrawFn, start: Files) -> Files:
    """``start`` after some additions, deletions, renames, and changes of mode or content."""
    now = dict(start)
    for _ in range(draw(st.integers(0, 4))):
        path = draw(st.sampled_from(PATHS))
        match draw(st.sampled_from(["write", "delete", "rename", "mode"])):
            case "write":
                now[path] = ("100644", draw(st.sampled_from(TEXTS)).encode())
            case "delete":
                now.pop(path, None)
            case "rename" if path in now:
                now[draw(st.sampled_from(PATHS))] = now.pop(path)
            case "mode" if path in now:
                now[path] = ("100755" if now[path][0] == "100644" else "100644", now[path][1])
    return now


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Files, Files, Files, Files]:
    """What both began with, the plan's and the target's files, and what was made of them, path by path."""
    start = draw(files)
    plan, target = draw(edited(start)), draw(edited(start))
    if draw(st.booleans()):  # both have made the same change
        path = draw(st.sampled_from(PATHS))
        plan.pop(path, None)
        if path in target:
            plan[path] = target[path]
    made: Files = {}
    for path in PATHS:
        match draw(st.sampled_from(["merge", "merge", "plan", "target", "start", "union", "hand"])):
            case "merge":
                best = target if target.get(path) != start.get(path) else plan
                if path in best:
                    made[path] = best[path]
            case "plan" if path in plan:
                made[path] = plan[path]
            case "target" if path in target:
                made[path] = target[path]
            case "start" if path in start:
                made[path] = start[path]
            case "union" if path in plan or path in target:
                both = plan.get(path, ("100644", b""))[1] + target.get(path, ("100644", b""))[1]
                made[path] = ("100644", both)
            case "hand":
                made[path] = ("100644", b"by hand\n" * 9)
    return start, plan, target, made


def oracle(start: Files, target: Files, made: Files) -> tuple[set[str], set[str]]:
    """The paths at which a change of the target is gone for sure, and those where git has to judge a new name."""
    dropped = {
        path
        for path in PATHS
        if target.get(path) != start.get(path) and made.get(path) == start.get(path)
    }  # fmt: skip
    added_elsewhere = {
        path for path in dropped if path in target and path not in made and _may_have_moved(made, target)
    }
    return dropped - added_elsewhere, added_elsewhere


def _may_have_moved(made: Files, target: Files) -> bool:
    """Whether there is a file that the target does not have by this name."""
    return any(path not in target for path in made)


def changes(now: Files, before: Files) -> Changes:
    return {**{path: None for path in before if path not in now}, **now}


_numbers = itertools.count()


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        merges.make_repository(root, {"unrelated.txt": "u\n"})
        yield root


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(worlds())
def test_exactly_what_lost_a_change_of_the_target_is_refused(
    shared: Path, world: tuple[Files, Files, Files, Files]
) -> None:
    start, plan, target, made = world
    assume(all(_is_a_tree(files) for files in world))
    number = next(_numbers)
    base = merges.commit(shared, f"base-{number}", start, parents=[])
    ours = merges.commit(shared, f"plan-{number}", changes(plan, start), parents=[base])
    theirs = merges.commit(shared, f"target-{number}", changes(target, start), parents=[base], message="theirs")
    head = merges.commit(shared, f"made-{number}", changes(made, plan), parents=[ours, theirs])
    conflicts = [
        path for path in PATHS
        if plan.get(path) != target.get(path) != start.get(path) and plan.get(path) != start.get(path)
    ]  # fmt: skip

    finding = sides.of_merge(shared, ours, theirs, head, conflicts)

    certain, doubtful = oracle(start, target, made)
    assert finding.merged
    assert certain <= set(finding.dropped) <= certain | doubtful
    for path in doubtful - set(finding.dropped):
        assert any(file[1] == target[path][1] for file in made.values()), "it is there under another name"
    assert finding.whole == tuple(
        Whole(path, "plan" if made.get(path) == plan.get(path) else "target")
        for path in sorted(conflicts)
        if made.get(path) in (plan.get(path), target.get(path))
    )


def _is_a_tree(now: Files) -> bool:
    return all("/" not in path or path.split("/")[0] not in now for path in now)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(worlds())
def test_what_git_merges_by_itself_loses_nothing(shared: Path, world: tuple[Files, Files, Files, Files]) -> None:
    """A merge that nobody has touched is never refused, renames and all."""
    start, plan, target, _ = world
    number = next(_numbers)
    base = merges.commit(shared, f"base-{number}", start, parents=[])
    ours = merges.commit(shared, f"plan-{number}", changes(plan, start), parents=[base])
    theirs = merges.commit(shared, f"target-{number}", changes(target, start), parents=[base], message="theirs")
    folder = shared.parent / "into"
    if not folder.exists():
        merges.add_worktree(shared, folder)
    git.need(folder, "checkout", "-q", "--force", "--detach", ours)
    assume(git.ask(folder, "merge", "-q", "--no-edit", theirs).exit_code == 0)
    finding = sides.of_merge(shared, ours, theirs, merges.head_of(folder), ())
    assert finding == Finding(True)
