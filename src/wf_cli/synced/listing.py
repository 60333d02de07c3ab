"""Which files of a checkout travel: those that git sees, or without git all that is not a tool's.

Left out are git's and wf's own folders, the names of sync tools and their conflict copies, and what the configuration
says is not synced. Both sides of a barrier leave out the same.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from wf_cli import git

#: Names that no list has, wherever they are.
_OURS = frozenset((".git", ".wf"))
_SYNC = re.compile(
    r"\.st(folder|versions|ignore)|\.syncthing\..*|~syncthing~.*|\.dropbox(\..*)?|\.sync|.*\.!sync|\.owncloudsync.*"
    r"|\._sync_.*|\.csync.*|\.nextcloudsync.*"
)
#: What a name of both kinds has; most paths are done with at this look.
_HIDDEN = re.compile(r"(?:^|/)[.~]|!sync", re.IGNORECASE)
#: Folders that programs make again. Without git nothing else tells them from a project's own files.
_OF_TOOLS = frozenset(
    "node_modules .venv venv __pycache__ .mypy_cache .pytest_cache .ruff_cache .hypothesis .tox .gradle".split()
)
_COPY = re.compile(
    r"(?P<stem>.+?)(\.sync-conflict-\d{8}-\d{6}(-[A-Z0-9]+)?| \([^()]*conflicted copy[^()]*\))(?P<rest>(\..*)?)",
    re.IGNORECASE | re.DOTALL,
)


def original_of(name: str) -> str | None:
    """The name of the file of which ``name`` is a sync tool's conflict copy; None when it is none."""
    match = _COPY.fullmatch(name)
    return match["stem"] + match["rest"] if match else None


class Files:
    """The files of a checkout that are listed."""

    def __init__(self, root: Path, not_synced: Sequence[str] = ()):
        """``not_synced`` are patterns of paths: ``*`` and ``?`` within a name, ``**`` over folders too."""
        self.root = root
        self._not_synced = not_synced

    @cached_property
    def _unsynced(self) -> re.Pattern[str] | None:
        return re.compile("|".join(map(_expression, self._not_synced)), re.DOTALL) if self._not_synced else None

    def takes(self, path: str) -> bool:
        """Whether a file of this path is listed, if it is there. ``path`` has ``/`` between its names."""
        if _HIDDEN.search(path) is not None:
            for name in path.split("/"):
                if name in _OURS or _SYNC.fullmatch(name.lower()):
                    return False
        if "onflict" in path and original_of(path.rpartition("/")[2]) is not None:
            return False
        return self._unsynced is None or self._unsynced.fullmatch(path) is None

    def whole(self) -> dict[str, str]:
        """By path in NFC the path on this disk, of every file that git sees: tracked, and untracked and not ignored.

        Without git: of every file that is in no folder of a tool. A name that is no UTF-8 is left out, because sync
        tools leave it out. A tracked file may be missing on the disk.
        """
        said = None
        if any((folder / ".git").exists() for folder in (self.root, *self.root.absolute().parents)):
            said = git.output(self.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        if said is None:
            return dict(self._walked("", _OF_TOOLS))
        return dict(self._named(name for name in os.fsdecode(said).split("\0") if name))

    def inside(self, folder: str) -> dict[str, str]:
        """The same of every file below ``folder``, ignored by git or not."""
        return dict(self._walked(folder, frozenset()))

    def copies_in(self, folder: str) -> list[str]:
        """The conflict copies below ``folder``."""
        return sorted(
            path for path in _below(self.root, folder, _OURS) if original_of(path.rpartition("/")[2]) is not None
        )

    def copies_beside(self, path: str) -> list[str]:
        """The conflict copies of the file ``path``, in its folder."""
        folder, _, name = path.rpartition("/")
        try:
            names = os.listdir(self.root / folder)
        except OSError:
            return []
        return sorted(f"{folder}/{one}" if folder else one for one in names if original_of(one) == name)

    def _walked(self, folder: str, without: frozenset[str]) -> Iterator[tuple[str, str]]:
        return self._named(_below(self.root, folder, without | _OURS))

    def _named(self, paths: Iterator[str]) -> Iterator[tuple[str, str]]:
        for path in paths:
            if path.isascii():
                if path[-1] != "/" and self.takes(path):
                    yield path, path
                continue
            try:
                path.encode()
            except UnicodeEncodeError:
                continue
            plain = unicodedata.normalize("NFC", path)
            if path[-1] != "/" and self.takes(plain):
                yield plain, path


def _below(root: Path, folder: str, without: frozenset[str]) -> Iterator[str]:
    """The paths of all that is no folder below ``folder``. No link is followed."""
    todo = [folder]
    while todo:
        inside = todo.pop()
        try:
            with os.scandir(root / inside) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name, is_folder in found:
            path = f"{inside}/{name}" if inside else name
            if not is_folder:
                yield path
            elif name not in without:
                todo.append(path)


def _expression(pattern: str) -> str:
    out = ""
    for part in re.split(r"(\*\*/?|\*|\?)", pattern):
        out += {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))
    return out
