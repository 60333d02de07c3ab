"""What is wrong with the section ``isolation`` of a configuration, as far as its words tell.

What only the repository tells (its branches, what it ignores) is asked there: `wf_cli.workspace.ground`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from wf_cli.config import home

#: What git takes for the name of a branch, apart from what `_BAD_PARTS` finds.
_BRANCH = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]+")
_BAD_PARTS = re.compile(r"\A-|\A@\Z|\AHEAD\Z|\Arefs/|(?:\A|/)\.|\.\.|//|\A/|/\Z|\.\Z|\.lock(?:/|\Z)|@\{")


def problems(tree: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Key path and message of each problem of a merged ``tree`` of the right shape."""
    given = tree.get("isolation", {})
    if given.get("mode") == "worktree":
        yield (
            ("isolation", "mode"),
            "worktree is planned and does not exist yet (the parts that make checkouts are there, and agents do not "
            "work in them yet); expected: off",
        )
        if tree.get("spool", {}).get("topology") == "synced":
            yield ("isolation", "mode"), "worktree cannot be used with a synced spool, because refs are not synced"
    folder = given.get("dir")
    if folder is not None and ("\0" in folder or folder.strip() != folder):
        yield ("isolation", "dir"), f"{folder!r} is not a path; expected: no blanks around it, no NUL"
    elif folder is not None and not os.path.isabs(folder) and _leaves(folder):
        yield ("isolation", "dir"), f"{folder} leaves the project; expected: a path inside it, or an absolute path"
    target = given.get("target", "epic")
    if not is_branch(target):
        yield ("isolation", "target"), f"{target!r} is no name of a branch; expected: epic, or a name such as main"
    for i, path in enumerate(given.get("copy", ())):
        why = _no_copy(path)
        if why is not None:
            yield ("isolation", "copy", str(i)), f"{path!r} {why}; expected: a path such as config/local.json"


def is_branch(name: str) -> bool:
    """Whether git takes ``name`` for a branch. Whether there is one is another question."""
    return _BRANCH.fullmatch(name) is not None and _BAD_PARTS.search(name) is None


def _leaves(folder: str) -> bool:
    parts = PurePath(os.path.normpath(folder)).parts
    return not parts or parts[0] == ".."


def _no_copy(path: str) -> str | None:
    """Why ``path`` cannot be copied from the project into a worktree; None when it can."""
    outside = home.begins_elsewhere(path)
    parts = path.split("/")
    if outside is not None:
        return f"begins with {outside}, which is not expanded here"
    if not path.isprintable():
        return "has characters that cannot be seen"
    if any(part in ("", ".", "..") for part in parts):
        return "is not a path below the project's root"
    if any(char in path for char in "*?["):
        return "is a pattern, and only exact paths are copied"
    if parts[0].lower() in (".git", ".wf", "plans", "epics"):
        return "belongs to git or wf"
    return None
