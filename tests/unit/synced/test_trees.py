"""Lists of files, and the barrier: a disk that lacks anything of a list is never taken for one that has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.hostile import VALUES
from support.wait import wait_until
from wf_cli.errors import ContractError, Temporary
from wf_cli.synced import trees
from wf_cli.synced.barrier import Checkout, Gap, What
from wf_cli.synced.hashes import SETTLED_S
from wf_cli.synced.listing import original_of
from wf_cli.synced.trees import Tree

D = "d" * 64


def fill(root: Path, **files: str) -> Path:
    return put(root, {name.replace("__", "/"): text for name, text in files.items()})


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        os.utime(root / name, (1, 1))
    return root


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture(params=["git", "plain"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    root = put(
        tmp_path / "p", {"a": "1", "plans/01-x/plan.md": "p", "plans/01-x/state.json": "s", "src/m.py": "m", "b": "2"}
    )
    if request.param == "git":
        git(root, "init", "-q")
        git(root, "add", "a", "plans")
    return root


def at(root: Path) -> Checkout:
    return Checkout(root, root.parent / "state" / f"{root.name}.cache.json")


def gaps(root: Path, tree: Tree) -> dict[str, str]:
    return {gap.path: str(gap.what) for gap in at(root).compare(tree).gaps}


# -- the document


@given(
    st.dictionaries(
        st.sampled_from(["a", "b/c", "ä/ß", " ", "x" * 300, "a b", "#"]), st.sampled_from([D, "l:" + D, None])
    ),
    st.sampled_from([None, "plans/01"]),
)
def test_a_list_comes_back_as_it_was(files: dict[str, str | None], exact: str | None) -> None:
    tree = Tree(files, exact)
    assert Tree.decode(tree.encode()) == tree
    assert Tree(dict(reversed(files.items())), exact).encode() == tree.encode()


BAD = [
    "",
    "/etc/passwd",
    "..",
    "a/../b",
    "../a",
    "a//b",
    "./a",
    "a/",
    "a\0b",
    "x" * 5000,
    unicodedata.normalize("NFD", "ä"),
]


@pytest.mark.parametrize("path", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("key", ["files", "exact"])
def test_a_path_that_leads_out_makes_no_list(path: str, key: str) -> None:
    value: dict[str, Any] = {"format": 1, "exact": None, "files": {}}
    value[key] = {path: D} if key == "files" else path
    with pytest.raises(ContractError):
        Tree.decode(json.dumps(value).encode())


@pytest.mark.parametrize("key", ["format", "exact", "files", "digest", "whole"])
@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_whatever_a_list_holds_it_is_refused_or_can_be_written_again(key: str, value: Any) -> None:
    whole: Any = {"format": 1, "exact": None, "files": {"a": D}}
    if key == "digest":
        whole["files"]["a"] = value
    elif key == "whole":
        whole = value
    else:
        whole[key] = value
    try:
        tree = Tree.decode(json.dumps(whole).encode())
    except ContractError:
        return
    assert Tree.decode(tree.encode()) == tree


def test_a_list_is_stored_once_and_found_by_its_digest(tmp_path: Path) -> None:
    tree = Tree({"a": D})
    digest = trees.store(tmp_path / "trees", tree)
    before = (tmp_path / "trees" / f"{digest}.json").stat().st_ino
    assert trees.store(tmp_path / "trees", tree) == digest
    assert (tmp_path / "trees" / f"{digest}.json").stat().st_ino == before
    assert trees.load(tmp_path / "trees", digest) == tree
    assert trees.load(tmp_path / "trees", D) is None


@pytest.mark.parametrize("kind", ["torn", "other", "link", "fifo", "folder"])
def test_a_list_that_has_not_arrived_whole_is_not_there(tmp_path: Path, kind: str) -> None:
    digest = trees.store(tmp_path, Tree({"a": D}))
    path = tmp_path / f"{digest}.json"
    whole = path.read_bytes()
    path.unlink()
    if kind == "torn":
        path.write_bytes(whole[:-5])
    elif kind == "other":
        path.write_bytes(Tree({"b": D}).encode())
    elif kind == "link":
        (tmp_path / "x").write_bytes(whole)
        path.symlink_to(tmp_path / "x")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert trees.load(tmp_path, digest) is None


@pytest.mark.parametrize("name", ["../x", "", "x", D.upper(), "\x1b[31m"], ids=ascii)
def test_a_digest_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ContractError):
        trees.load(tmp_path, name)


# -- the list of a checkout


def test_a_list_has_what_git_sees_or_all_but_the_folders_of_tools(project: Path) -> None:
    put(project, {
        ".wf/spool/x": "", ".git/extra": "", "sub/.git/config": "", "node_modules/m/i.js": "", ".stfolder/x": "",
        ".stignore": "", "a.sync-conflict-20240101-101010-ABCDEFG": "", "a (conflicted copy 1)": "",
        ".syncthing.a.tmp": "", "~syncthing~a.tmp": "", ".gitignore": "node_modules\n", ".config": "c", "~x": "y",
    })  # fmt: skip
    assert set(at(project).whole().files) == {
        "a", "b", "plans/01-x/plan.md", "plans/01-x/state.json", "src/m.py", ".gitignore", ".config", "~x",
    }  # fmt: skip


def test_what_is_not_synced_is_in_no_list_and_keeps_no_barrier_open(project: Path) -> None:
    put(project, {"data/big/x": "1", "x.log": "l", "deep/y.log": "l", "data.txt": "t"})
    checkout = Checkout(project, project.parent / "m", not_synced=["data/**", "*.log"])
    tree = checkout.whole()
    assert {"data/big/x", "x.log"}.isdisjoint(tree.files)
    assert {"deep/y.log", "data.txt"} <= set(tree.files)
    assert checkout.compare(Tree({"data/big/z": D, "w.log": D})).closed


def test_a_tracked_file_that_is_gone_is_not_listed_but_as_absent(project: Path) -> None:
    (project / "a").unlink()
    assert "a" not in at(project).whole().files
    tree = at(project).whole(absent=["a", "b"])
    assert tree.files["a"] is None
    assert tree.files["b"] is not None


def test_a_link_counts_by_its_target_and_is_not_followed(project: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    (project / "l").symlink_to(tmp_path / "outside")
    tree = at(project).whole()
    (tmp_path / "outside").write_text("changed")
    assert at(project).compare(tree).closed
    (project / "l").unlink()
    (project / "l").symlink_to(tmp_path / "else")
    assert gaps(project, tree) == {"l": "differs"}
    shutil.copy(tmp_path / "outside", project / "m")
    (project / "l").unlink()
    (project / "l").write_text(str(tmp_path / "outside"))
    assert gaps(project, tree) == {"l": "differs"}


def test_no_folder_is_reached_by_a_link(project: Path, tmp_path: Path) -> None:
    tree = at(project).whole()
    shutil.move(project / "src", tmp_path / "moved")
    (project / "src").symlink_to(tmp_path / "moved")
    assert gaps(project, tree) == {"src/m.py": "missing"}


def test_a_name_counts_in_whatever_form_the_disk_has_it(tmp_path: Path) -> None:
    forms = {form: unicodedata.normalize(form, "grün/ä.txt") for form in ("NFC", "NFD")}
    one, other = (put(tmp_path / form, {name: "x"}) for form, name in forms.items())
    tree = at(one).whole()
    assert list(tree.files) == [forms["NFC"]] == list(at(other).whole().files)
    assert at(other).compare(tree).closed
    assert at(other).compare(Tree(tree.files, unicodedata.normalize("NFC", "grün"))).closed


def test_a_name_that_is_no_utf8_is_left_out(project: Path) -> None:
    with open(os.path.join(os.fsencode(project), b"\xff"), "wb"):
        pass
    assert "a" in at(project).whole().files
    at(project).whole().encode()


def test_pipes_and_folders_are_no_files(project: Path) -> None:
    os.mkfifo(project / "plans" / "01-x" / "pipe")
    (project / "empty").mkdir()
    tree = at(project).folder("plans/01-x")
    assert set(tree.files) == {"plans/01-x/plan.md", "plans/01-x/state.json"}
    assert at(project).compare(tree).closed


# -- the barrier


def test_a_copy_of_the_checkout_closes_it_and_each_difference_opens_it(project: Path, tmp_path: Path) -> None:
    tree = at(project).whole()
    other = tmp_path / "other"
    shutil.copytree(project, other)
    assert at(other).compare(tree).closed
    (other / "a").write_text("3")
    (other / "src" / "m.py").unlink()
    assert gaps(other, tree) == {"a": "differs", "src/m.py": "missing"}


def test_same_size_and_time_is_not_the_same_content(project: Path) -> None:
    tree = at(project).whole()
    os.utime(project / "a", (1, 1))
    at(project).whole()
    (project / "a").write_text("9")
    os.utime(project / "a", (1, 1))
    assert gaps(project, tree) == {"a": "differs"}


def test_what_was_deleted_has_to_be_gone(project: Path) -> None:
    assert gaps(project, Tree({"a": None, "nowhere": None, "src": None})) == {"a": "still there"}


def test_an_exact_folder_holds_nothing_else_and_copies_are_told(project: Path) -> None:
    tree = at(project).folder("plans/01-x")
    put(project, {
        "plans/01-x/old.md": "o", "plans/01-x/sub/more": "m", "plans/02-y/plan.md": "not its business",
        "plans/01-x/state.sync-conflict-20240101-101010-ABCDEFG.json": "c",
    })  # fmt: skip
    barrier = at(project).compare(tree)
    assert barrier.gaps == [Gap("plans/01-x/old.md", What.STILL_THERE), Gap("plans/01-x/sub/more", What.STILL_THERE)]
    assert barrier.copies == ["plans/01-x/state.sync-conflict-20240101-101010-ABCDEFG.json"]


def test_an_exact_folder_counts_what_git_ignores(project: Path) -> None:
    put(project, {".gitignore": "*.tmp\n"})
    tree = at(project).folder("plans/01-x")
    put(project, {"plans/01-x/x.tmp": "x"})
    assert gaps(project, tree) == {"plans/01-x/x.tmp": "still there"}
    assert "plans/01-x/x.tmp" in at(project).folder("plans/01-x").files


def test_an_exact_folder_that_is_missing_lacks_its_files_only(project: Path) -> None:
    tree = at(project).folder("plans/01-x")
    shutil.rmtree(project / "plans")
    assert set(gaps(project, tree).values()) == {"missing"}


def test_a_gap_names_the_conflict_copy_beside_it(project: Path) -> None:
    tree = at(project).whole()
    put(project, {"src/m.py": "other", "src/m.sync-conflict-20240101-101010-ABCDEFG.py": "m"})
    (gap,) = at(project).compare(tree).gaps
    assert gap.copies == ("src/m.sync-conflict-20240101-101010-ABCDEFG.py",)
    assert str(gap) == f"src/m.py: differs (conflict copy {gap.copies[0]})"


def test_no_name_is_printed_raw() -> None:
    assert "\x1b" not in str(Gap("\x1b[31m", What.MISSING, ("\u202e",)))
    assert "\u202e" not in str(Gap("a", What.MISSING, ("\u202e",)))


def test_a_barrier_tells_so_many_gaps_at_most(project: Path) -> None:
    tree = Tree({f"x{n}": D for n in range(500)}, "plans/01-x")
    assert len(at(project).compare(tree, most=7).gaps) == 7


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("a.sync-conflict-20240101-101010-ABCDEFG.md", "a.md"),
        ("a.sync-conflict-20240101-101010", "a"),
        ("a (box's conflicted copy 2024-01-01).tar.gz", "a.tar.gz"),
        ("a (conflicted copy)", "a"),
        ("a.md", None),
        ("sync-conflict.md", None),
        ("conflicted copy.md", None),
    ],
)
def test_conflict_copies_by_their_names(name: str, original: str | None) -> None:
    assert original_of(name) == original


# -- what attempts changed


def test_what_changed_is_what_differs_and_the_plans_folder_whole(project: Path) -> None:
    before = at(project).whole()
    put(project, {"a": "new", "src/n.py": "n", "plans/01-x/todo.md": "t"})
    (project / "b").unlink()
    changed = at(project).changed(before, exact="plans/01-x")
    assert {path for path in changed.files if not path.startswith("plans/")} == {"a", "src/n.py", "b"}
    assert changed.files["b"] is None
    assert {path for path in changed.files if path.startswith("plans/")} == {
        "plans/01-x/plan.md", "plans/01-x/state.json", "plans/01-x/todo.md",
    }  # fmt: skip
    assert at(project).compare(changed).closed


def test_the_old_disk_with_the_changes_is_the_new_disk(project: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(project, old)
    before = at(project).whole()
    put(project, {"a": "new", "src/n.py": "n"})
    (project / "plans/01-x/plan.md").unlink()
    changed = at(project).changed(before, exact="plans/01-x")
    assert not at(old).compare(changed).closed
    shutil.copytree(project, old, dirs_exist_ok=True)
    assert gaps(old, changed) == {"plans/01-x/plan.md": "still there"}
    (old / "plans/01-x/plan.md").unlink()
    assert at(old).compare(changed).closed


def test_nothing_changed_is_an_empty_list(project: Path) -> None:
    assert at(project).changed(at(project).whole()) == Tree()


# -- the memory


COUNT_OPENS = """
import sys
from pathlib import Path
from wf_cli.synced.barrier import Checkout
root, memory = Path(sys.argv[1]), Path(sys.argv[2])
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
checkout = Checkout(root, memory)
tree = checkout.whole()
assert checkout.compare(tree).closed
print(sum(path.startswith(f"{root}/src") or path.startswith(f"{root}/a") for path in opened), len(tree.files))
"""


def test_a_list_of_unchanged_files_opens_none_of_them(project: Path) -> None:
    put(project, {f"src/f{n}": str(n) for n in range(50)})
    memory = project.parent / "memory.json"

    def opened() -> tuple[int, int]:
        done = subprocess.run(
            [sys.executable, "-c", COUNT_OPENS, str(project), str(memory)], check=True, capture_output=True, text=True
        )
        one, other = map(int, done.stdout.split())
        return one, other

    settled(project)
    assert opened()[0] >= 51
    assert opened() == (0, 55)
    put(project, {"src/f7": "changed"})
    assert opened()[0] >= 1


def settled(root: Path) -> None:
    """Wait until the files' change times are old enough to be remembered."""
    newest = max(path.lstat().st_ctime for path in root.rglob("*"))
    wait_until(lambda: time.time() > newest + SETTLED_S + 0.1)


def test_a_file_that_was_changed_just_now_is_read_again(project: Path) -> None:
    one = at(project)
    one.whole()
    first = one.hashes.reads
    again = at(project)
    again.whole()
    assert again.hashes.reads == first == 5


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": [1, 2]}', b"\xff", b"[" * 10**5], ids=ascii
)
def test_a_damaged_memory_is_no_memory(project: Path, damage: bytes) -> None:
    tree = at(project).whole()
    memory = project.parent / "state" / f"{project.name}.cache.json"
    memory.parent.mkdir(exist_ok=True)
    memory.write_bytes(damage)
    assert at(project).whole() == tree


def test_reading_that_takes_too_long_is_tried_again_and_goes_on(project: Path) -> None:
    with pytest.raises(Temporary):
        Checkout(project, project.parent / "m", go_on=lambda: False).whole()
    assert Checkout(project, project.parent / "m").whole().files
