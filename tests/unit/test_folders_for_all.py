"""Folders that several processes make at once: each is made once, and none is replaced under those who use it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from wf_cli import sharing


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

    def flaky(path: Any, mode: int = 0o777) -> None:
        if fails and os.fspath(path).endswith(".part") and ".locks." in os.fspath(path):
            fails.clear()
            raise FileNotFoundError(errno.ENOENT, "replaced", os.fspath(path))
        mkdir(path, mode)

    monkeypatch.setattr(os, "mkdir", flaky)
    sharing.make_folder(tmp_path / ".wf" / "locks")
    assert (tmp_path / ".wf" / "locks").is_dir()
    assert not fails


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        sharing.make_folder(tmp_path / "file" / "locks")
