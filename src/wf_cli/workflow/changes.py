"""Tells whether the checkout has changed, outside some folders, since an earlier moment.

A *baseline* is a short text that stands for the checkout at one moment. It is made before an agent works and compared
afterwards. With git it is the commit of that moment and a digest of the differences from it, so that work counts
whether it was committed or not. Files that git ignores do not count. Without git it is a digest of names, sizes and
times of all files.

Leftovers of tools (`wf_cli.workflow.leftovers`) do not count either, committed or not. The exception is a file of
such a name that the baseline's commit has already. It was committed as work, so a change of it counts.

A baseline proves that the checkout changed, but not who changed it, because other plans and people may share it.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from wf_cli import git
from wf_cli.workflow.leftovers import BUILT_IN, OWN_STATE, Patterns

#: How many files a checkout without git may have. With more, a change cannot be told.
FILE_LIMIT = 50_000
#: The digest of no difference.
_NOTHING = hashlib.sha256().hexdigest()[:32]
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
#: Folders of version control. They are left out of a checkout that is read without git.
_VERSION_CONTROL = (".git", ".hg", ".svn", ".jj")


def baseline(root: Path, without: Sequence[str], tool_files: Sequence[str] = BUILT_IN) -> str | None:
    """The checkout at ``root`` as it is now, without the relative folders ``without``; None when it cannot be read.

    ``tool_files`` are patterns of files that tools leave behind.
    """
    try:
        if git.output(root, "rev-parse", "--is-inside-work-tree") == b"true\n" and not _is_ignored(root):
            since = _commit(root)
            digest = _since(root, since, without, tool_files)
            return None if digest is None else f"git:{since}:{digest}"
        digest = _files(root, without, tool_files)
    except OSError:  # There may be no room for a temporary file.
        return None
    return None if digest is None else f"files:{digest}"


def changed(root: Path, without: Sequence[str], before: str, tool_files: Sequence[str] = BUILT_IN) -> bool | None:
    """Whether the checkout differs from ``before``, a `baseline` with the same arguments; None when unknown."""
    kind, _, rest = before.partition(":")
    since, _, digest = rest.rpartition(":")
    try:
        # ``before`` was read from a file, so it must not hold a word that git would take for an option.
        if kind == "git" and _COMMIT.fullmatch(since):
            now = _since(root, since, without, tool_files)
        elif kind == "files" and not since:
            now = _files(root, without, tool_files)
        else:
            return None
    except OSError:
        return None
    return None if now is None else now != digest


def _is_ignored(root: Path) -> bool:
    """Whether the repository around ``root`` ignores it, as the repository of a whole home directory may."""
    return git.output(root, "check-ignore", ".") is not None


def _commit(root: Path) -> str:
    """The commit that is checked out. Before the first one it is the empty tree, from which every file differs."""
    head = git.output(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return (
        (head or git.output(root, "hash-object", "-t", "tree", os.devnull) or b"").decode("ascii", "replace").strip()
    )


def _since(root: Path, since: str, without: Sequence[str], tool_files: Sequence[str]) -> str | None:
    """A digest of the differences from ``since``, in tracked content, and in untracked files by size and time."""
    paths = ["--", ".", *(f":(exclude){folder}" for folder in without), *Patterns(OWN_STATE).git_excludes()]
    work = [*paths, *Patterns(tool_files).git_excludes()]
    # Of a submodule the commit counts here. What differs from that is looked for inside of it.
    flags = ("--no-ext-diff", "--no-textconv", "--binary", "--no-color", "--ignore-submodules=dirty", "--relative")
    with tempfile.TemporaryFile() as tracked:  # The diff may be as large as the files.
        # Files that the commit has count under any name. Files that were added since count unless they are leftovers.
        for kinds, where in (("a", paths), ("A", work)):
            if not git.run(root, tracked, "diff", "--no-renames", f"--diff-filter={kinds}", *flags, since, *where):
                return None
        tracked.seek(0)
        digest = hashlib.file_digest(tracked, "sha256")
    untracked = git.output(root, "ls-files", "--others", "--exclude-standard", "-z", *work)
    index = git.output(root, "ls-files", "--stage", "-z", *work)
    if untracked is None or index is None:
        return None
    for submodule in _submodules(index):
        dirt = _inside(root / submodule, tool_files)
        if dirt is None:
            return None
        if dirt != _NOTHING:
            digest.update(os.fsencode(submodule) + f"\0{dirt}\0".encode())
    for name in sorted(untracked.split(b"\0")):
        if name.endswith(b"/"):  # a repository of its own, which git lists as one entry
            inner = root / os.fsdecode(name)
            dirt = _inside(inner, tool_files)
            if dirt is None:
                return None
            digest.update(name + f"\0{_commit(inner)}:{dirt}\0".encode())
        elif name:
            digest.update(_stamp(root, os.fsdecode(name)))
    return digest.hexdigest()[:32]


def _submodules(index: bytes) -> list[str]:
    """The submodules in the output of ``git ls-files --stage -z``."""
    entries = (entry.partition(b"\t") for entry in index.split(b"\0") if entry.startswith(b"160000 "))
    return sorted({os.fsdecode(name) for _, _, name in entries})


def _inside(inner: Path, tool_files: Sequence[str]) -> str | None:
    """A digest of what differs from the commit of a repository inside of this one; `_NOTHING` where there is none.

    A submodule's commit is part of what its parent tells.
    """
    if not os.path.lexists(inner / ".git"):
        return _NOTHING  # not checked out
    since = _commit(inner)
    return _since(inner, since, (), tool_files) if _COMMIT.fullmatch(since) else None


def _files(root: Path, without: Sequence[str], tool_files: Sequence[str]) -> str | None:
    left_out = Patterns([*_VERSION_CONTROL, *OWN_STATE, *tool_files])
    digest = hashlib.sha256()
    for count, name in enumerate(_walk(root, "", frozenset(without), left_out)):
        if count >= FILE_LIMIT:
            return None
        digest.update(_stamp(root, name))
    return digest.hexdigest()[:32]


def _walk(root: Path, folder: str, without: frozenset[str], left_out: Patterns) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # It was removed, or may not be read.
        return
    for entry in entries:
        name = f"{folder}/{entry.name}" if folder else entry.name
        if name in without or left_out.cover(name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, name, without, left_out)
        else:
            yield name


def _stamp(root: Path, name: str) -> bytes:
    try:
        info = os.lstat(root / name)
        facts = f"{info.st_mode}:{info.st_size}:{info.st_mtime_ns}"
    except FileNotFoundError:
        facts = "gone"
    return os.fsencode(name) + f"\0{facts}\0".encode()
