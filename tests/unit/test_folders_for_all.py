"""Folders that several processes make at once: each is made once, and none is replaced under those who use it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from wf_cli import fsio, sharing


def test_a_folder_that_another_process_made_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename replaces an empty folder. Whoever was about to make a file in it failed with ENOENT."""
    path = tmp_path / "locks"
    settle = sharing.settle

    def settle_late(*given: Any) -> None:
        settle(*given)
        if not path.exists():
            path.mkdir()

    monkeypatch.setattr(sharing, "settle", settle_late)
    theirs: list[int] = []
    rename = os.rename

    def look(*names: Any) -> None:
        theirs.append(path.stat().st_ino)
        rename(*names)

    monkeypatch.setattr(os, "rename", look)
    sharing.make_folder(path)
    assert theirs in ([], [path.stat().st_ino])
    assert os.listdir(tmp_path) == ["locks"]


def test_a_folder_above_that_was_replaced_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir
    fails = [True]

    def flaky(path: Any, mode: int = 0o777, **options: Any) -> None:
        if fails and os.fspath(path).endswith(".part") and ".locks." in os.fspath(path):
            fails.clear()
            raise FileNotFoundError(errno.ENOENT, "replaced", os.fspath(path))
        mkdir(path, mode, **options)

    monkeypatch.setattr(os, "mkdir", flaky)
    sharing.make_folder(tmp_path / ".wf" / "locks")
    assert (tmp_path / ".wf" / "locks").is_dir()
    assert not fails


def modes(*paths: Path) -> list[str]:
    return [f"{stat.S_IMODE(path.stat().st_mode):o}" for path in paths]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("mode", "file", "folder"),
    [
        (0o2775, "660", "2775"),
        (0o2770, "660", "2770"),
        (0o2750, "600", "2700"),  # The group may not write, so nothing is shared.
        (0o775, "600", "700"),  # What is made inside has the group of its maker.
        (0o755, "600", "700"),
    ],
)
def test_what_is_made_in_a_folder_that_a_group_shares_is_the_groups_whatever_the_umask(
    tmp_path: Path, mode: int, file: str, folder: str
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    root.chmod(mode)
    made, below = root / "made", root / "a" / "b"
    with umask(0o077):
        fsio.write_atomic(made, "x")
        fsio.write_atomic(below / "file", "x")
    assert modes(made, below / "file") == [file, file]
    assert modes(below.parent, below) == [folder, folder]


def test_a_file_that_is_replaced_keeps_its_mode_also_where_a_group_shares_the_folder(tmp_path: Path) -> None:
    """A person may have made it private."""
    tmp_path.chmod(0o2775)
    path = tmp_path / "opencode.json"
    path.write_text("{}")
    path.chmod(0o600)
    fsio.write_through(path, "[]")
    assert modes(path) == ["600"]


def test_the_group_gets_its_rights_to_what_an_editor_made_in_a_folder(tmp_path: Path) -> None:
    plan = tmp_path / "01-a"
    (plan / "notes").mkdir(parents=True)
    (plan / "plan.md").write_text("# p\n")
    (plan / "notes" / "more.md").write_text("")
    (plan / "link").symlink_to("/etc/passwd")
    parts = (plan, plan / "notes", plan / "plan.md", plan / "notes" / "more.md")
    for path in parts:
        path.chmod(0o700 if path.is_dir() else 0o600)
    sharing.pass_on_tree(plan)
    assert modes(*parts) == ["700", "700", "600", "600"], "no group shares the folder"
    tmp_path.chmod(0o2770)
    sharing.pass_on_tree(plan)
    assert modes(*parts) == ["2770", "2770", "660", "660"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        sharing.make_folder(tmp_path / "file" / "locks")
