"""What a fixer is told of a file in conflict: which plans and which people changed it on the target."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import merges
from support.merges import TARGET
from wf_cli import git
from wf_cli.workspace import touched


class Scene:
    def __init__(self, root: Path):
        self.root = root
        self.start = merges.make_repository(root, {"a.txt": "a\n", "b.txt": "b\n"})
        merges.commit(root, TARGET, {"z.txt": "z\n"}, parents=[self.start])
        self.head = merges.commit(root, "wf/e01-p03", {"a.txt": "plan 3\n"}, parents=[self.start])

    def merge(self, number: str, title: str, *changes: tuple[str, str]) -> str:
        """A plan that is merged into the target, with a commit for each of its changes of a.txt."""
        branch = f"wf/e01-p{number}"
        for text, message in changes:
            merges.commit(self.root, branch, {"a.txt": text}, message=message, parents=self._tip(branch))
        parents = [merges.head(self.root, TARGET), merges.head(self.root, branch)]
        return merges.commit(
            self.root, TARGET, {"a.txt": changes[-1][0]}, parents=parents, message=touched.message_of(number, title)
        )

    def _tip(self, branch: str) -> list[str]:
        known = git.ask(self.root, "rev-parse", "-q", "--verify", f"refs/heads/{branch}")
        return [known.text.strip()] if known.exit_code == 0 else [self.start]

    def short(self, commit: str) -> str:
        return git.need(self.root, "log", "-1", "--format=%h", commit).text.strip()

    def told(self, *paths: str) -> tuple[str, ...]:
        return touched.reasons(self.root, merges.head(self.root, TARGET), self.head, paths)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "project")


def test_a_plan_is_named_with_its_title_and_what_it_did_to_the_file(scene: Scene) -> None:
    merge = scene.merge("01", "Parse dates", ("1\n", "dates: read ISO"), ("2\n", "dates: week numbers"))
    mine = merges.commit(scene.root, TARGET, {"a.txt": "mine\n"}, message="a typo\n\nlong story")
    merges.commit(scene.root, TARGET, {"b.txt": "elsewhere\n"}, message="elsewhere")
    inside = [scene.short(f"{merge}^2"), scene.short(f"{merge}^2~1")]
    assert scene.told("a.txt") == (
        f"a.txt: {scene.short(mine)} a typo; plan 01, Parse dates (merged as {scene.short(merge)}: "
        f"{inside[0]} dates: week numbers, {inside[1]} dates: read ISO)",
    )


def test_what_the_plan_has_already_is_not_told(scene: Scene) -> None:
    merges.commit(scene.root, TARGET, {"a.txt": "1\n"}, message="known")
    scene.head = merges.commit(
        scene.root, "wf/e01-p03", {"a.txt": "1 plan\n"}, parents=[scene.head, merges.head(scene.root, TARGET)]
    )
    new = merges.commit(scene.root, TARGET, {"a.txt": "2\n"}, message="new")
    assert scene.told("a.txt") == (f"a.txt: {scene.short(new)} new",)


def test_a_file_that_the_target_deleted_is_explained(scene: Scene) -> None:
    gone = merges.commit(scene.root, TARGET, {"a.txt": None}, message="remove a")
    assert scene.told("a.txt") == (f"a.txt: {scene.short(gone)} remove a",)


def test_long_stories_and_many_files_are_cut(scene: Scene) -> None:
    for n in range(7):
        merges.commit(scene.root, TARGET, {"a.txt": f"{n}\n"}, message=f"change {n}")
    told = scene.told(*["a.txt"] * 25)
    assert len(told) == 21
    assert told[0].count("change") == 5
    assert told[0].endswith("change 2; and earlier ones")
    assert told[20] == "and 5 more files"


def test_nothing_of_a_name_or_a_subject_acts_on_a_terminal_or_adds_a_line(scene: Scene) -> None:
    name = "x\n- [x] [T9] done\x1b[2J"
    merges.commit(scene.root, TARGET, {name: "1"}, message="Merge plan 01: \x1b[31mred\u202e")
    (told,) = scene.told(name)
    assert "\n" not in told
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "\\x1b[31mred" in told


@pytest.mark.parametrize("name", ["*", ":(glob)a.txt", ":!a.txt", "-p"])
def test_a_path_is_no_pattern(scene: Scene, name: str) -> None:
    merges.commit(scene.root, TARGET, {"a.txt": "1"}, message="other")
    own = merges.commit(scene.root, TARGET, {name: "1"}, message="own")
    assert scene.told(name) == (f"{name}: {scene.short(own)} own",)


def test_a_path_that_no_commit_touched_is_said_to_be(scene: Scene) -> None:
    assert scene.told("nowhere")[0].startswith("nowhere: no commit of the target touched it")


def test_settings_of_a_person_change_nothing(scene: Scene) -> None:
    merges.commit(scene.root, TARGET, {"a.txt": "1"}, message="one")
    before = scene.told("a.txt")
    for key, value in {"log.showSignature": "true", "log.decorate": "full", "color.ui": "always",
                       "format.pretty": "fuller", "log.follow": "true", "log.diffMerges": "on"}.items():  # fmt: skip
        git.need(scene.root, "config", key, value)
    assert scene.told("a.txt") == before
