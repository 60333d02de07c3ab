"""A project and the worktree of one of its plans: real git, and an oracle of what has to survive."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from support import merges
from wf_cli import git
from wf_cli.workspace import checkout, linked, names
from wf_cli.workspace.linked import Place
from wf_cli.workspace.names import Mark

KEY = "e01-p03"
FILES: merges.Changes = {
    "a.txt": "a\n", "b.txt": "b\n", "deep/er/c.txt": "c\n", ".gitignore": "*.log\nbuild/\n", "kept.log": "tracked\n",
    "run.sh": ("100755", "#!/bin/sh\n"),
}  # fmt: skip


class Bed:
    """A project with one commit on ``main``, and the place of the worktree of plan 03."""

    def __init__(self, folder: Path, files: merges.Changes = FILES):
        self.root = folder / "project"
        self.start = merges.make_repository(self.root, files)
        self.trees = folder / "trees"

    def place(self, key: str = KEY, host: str = "box") -> Place:
        return linked.place(self.root, self.trees, Mark(key, host))

    def need(self, key: str = KEY) -> checkout.Ready:
        return checkout.need(self.place(key), self.start)

    @property
    def top(self) -> Path:
        return self.place().top

    def kept(self, key: str = KEY) -> str | None:
        found = git.ask(self.root, "rev-parse", "--verify", "--quiet", names.kept_ref(key))
        return found.text.strip() or None

    def all_kept(self) -> set[tuple[str, bytes]]:
        """Path and content of every file of every commit that a ref of wf's keeps."""
        found = set()
        for commit in git.need(self.root, "rev-list", "--glob=refs/wf/*", "--branches").text.split():
            for path, (mode, content) in contents(self.root, commit).items():
                del mode
                found.add((path, content))
        return found


def contents(root: Path, commit: str) -> dict[str, tuple[str, bytes]]:
    """Mode and content of each file of a commit."""
    return {
        path: (mode, git.need(root, "cat-file", "blob", oid).out if mode != "160000" else oid.encode())
        for path, (mode, oid) in merges.files_of(root, commit).items()
    }


def lying(top: Path, ignored: tuple[str, ...] = (".log", "build")) -> dict[str, tuple[str, bytes]]:
    """Mode and content of each file in a worktree that is not ignored by name, as git would note them."""
    found = {}
    for folder, _, files in os.walk(top):
        for name in files:
            path = Path(folder, name)
            inside = path.relative_to(top).as_posix()
            is_ignored = name.endswith(ignored) or inside.startswith(ignored)
            if inside != ".git" and (not is_ignored or inside == "kept.log"):
                found[inside] = _as_git_notes(path)
        for name in os.listdir(folder):
            path = Path(folder, name)
            if path.is_symlink() and path.is_dir():
                found[path.relative_to(top).as_posix()] = _as_git_notes(path)
    return found


def _as_git_notes(path: Path) -> tuple[str, bytes]:
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return "120000", os.fsencode(os.readlink(path))
    return ("100755" if mode & 0o100 else "100644"), path.read_bytes()
