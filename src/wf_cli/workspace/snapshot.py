"""Snapshots of worktrees: whatever git does not ignore in one is in a commit that a ref of wf's keeps.

A snapshot is a commit of the files as they lie there. Its first parent is HEAD, so commits that no branch has are
kept as well. Its second parent is the snapshot before, so one ref keeps them all. The worktree, its index and its
HEAD stay as they are, and an agent may work there meanwhile. What it writes meanwhile may be in the snapshot or not.

A worktree of which nothing would be lost needs none: its files and its index are those of HEAD, and a branch, a tag
or an earlier snapshot has HEAD.

Repositories inside a worktree are not kept: a submodule with changes of its own, and a repository that somebody has
cloned into it. git would note only their commit. `NotKept` is raised for them, and the caller leaves the worktree.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from wf_cli import fsio, git
from wf_cli.contract import text
from wf_cli.errors import StateError
from wf_cli.frozen import frozen
from wf_cli.git import GitError
from wf_cli.seams import step
from wf_cli.workspace.candidate import LIMIT, commit_of, contains, somebody

#: The index of a snapshot that is being made, in the administrative folder of its worktree.
_INDEX = "wf-snapshot"
#: Settings that could let a file be passed over or refused; the others let the snapshot outlive a power cut.
_WHOLE = (
    "-c", "core.safecrlf=false", "-c", "core.untrackedCache=false", "-c", "core.ignoreStat=false",
    "-c", "core.fsync=committed,reference", "-c", "core.fsyncMethod=batch",
)  # fmt: skip
#: What git notes of an operation that it has not finished: files with the commits that it began at, or put away.
_BEGAN_AT = (
    "rebase-merge/orig-head", "rebase-apply/orig-head", "rebase-merge/autostash", "rebase-apply/autostash",
    "MERGE_HEAD", "CHERRY_PICK_HEAD",
)  # fmt: skip
#: Paths that a message names.
_SHOWN = 3


class NotKept(StateError):
    """The worktree holds a repository of its own whose contents no commit here can keep."""

    code = "NOT_KEPT"

    def __init__(self, folder: Path, paths: Sequence[str]):
        named = ", ".join(text.line(path, 80) for path in paths[:_SHOWN])
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        super().__init__(
            f"{folder} has changes in repositories of their own, which cannot be kept from here: {named}{more}",
            hint="commit and push them there, or remove or ignore them; the worktree stays as it is",
            path=str(folder),
        )
        self.paths = tuple(paths)


@frozen
class _State:
    """What lies in a worktree: the tree of its files, and of its index where that can be told."""

    head: str
    files: str
    index: str | None


def take(folder: Path, ref: str, why: str) -> str | None:
    """Keep what the worktree ``folder`` holds under ``ref`` (`wf_cli.workspace.names.kept_ref`).

    The object id of the snapshot; None when nothing would be lost without one. ``why`` is part of its message.
    One process at a time takes snapshots of a worktree.

    Raises NotKept, and GitError or OSError when the disk, a file or git does not let it be made. Nothing has changed
    then.
    """
    return _keep(folder, _look(folder), tuple(_unfinished(folder)), ref, why)


def is_clean(folder: Path) -> bool:
    """Whether files and index of the worktree are those of HEAD, apart from what git ignores."""
    state = _look(folder)
    tree = _tree_of(folder, state.head)
    return state.files == tree and state.index in (tree, None)


def of_lost(root: Path, admin: Path, ref: str, why: str) -> str | None:
    """Keep what the administrative folder ``admin`` knows of a worktree whose files are gone: HEAD and the index.

    As `take`. ``root`` is any folder of the repository.
    """
    head = commit_of(root, f"worktrees/{admin.name}/HEAD")
    if head is None:
        return None
    try:
        staged = _staged(root, _index(admin))
    finally:
        _forget(admin)
    return _keep(root, _State(head, staged or _tree_of(root, head), staged), (), ref, why)


def lay_over(folder: Path, snapshot: str) -> bool:
    """Let the files be those of ``snapshot``, uncommitted, in a worktree that is clean; HEAD stays.

    False, and nothing is done, when the snapshot was taken before HEAD: its files would undo what came since.
    """
    head = git.need(folder, "rev-parse", "HEAD").text.strip()
    if not contains(folder, f"{snapshot}^1", head):
        return False
    if _tree_of(folder, snapshot) != _tree_of(folder, head):
        git.need(folder, "restore", f"--source={snapshot}", "--worktree", "--no-overlay", "--", ":/", limit=LIMIT)
    return True


def _keep(folder: Path, state: _State, unfinished: Sequence[str], ref: str, why: str) -> str | None:
    kept = newest = commit_of(folder, ref)
    layers = list(_layers(folder, state, unfinished))
    if not layers or _are_kept(folder, kept, layers):
        return None
    for commit, tree in layers:
        newest = _commit(folder, commit, tree, newest, why)
    assert newest is not None
    step("snapshot.committed")
    git.need(folder, *_WHOLE, "update-ref", "-m", f"wf: {text.line(why)}", ref, newest, kept or "0" * len(newest))
    step("snapshot.kept")
    return newest


def _layers(folder: Path, state: _State, unfinished: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Commit and tree of each snapshot that is needed, the oldest first; the files of the worktree come last."""
    needed = False
    for began_at in unfinished:
        if not _is_reachable(folder, began_at):
            yield began_at, _tree_of(folder, began_at)
            needed = True
    head_tree = _tree_of(folder, state.head)
    if state.index is not None and state.index not in (head_tree, state.files):
        yield state.head, state.index
        needed = True
    if needed or state.files != head_tree or not _is_reachable(folder, state.head):
        yield state.head, state.files


def _are_kept(folder: Path, kept: str | None, layers: Sequence[tuple[str, str]]) -> bool:
    """Whether the newest snapshots are these, because nothing has changed since."""
    for layer in reversed(layers):
        if kept is None:
            return False
        parents = git.need(folder, "log", "-1", "--format=%P", kept).text.split()
        if not parents or (parents[0], _tree_of(folder, kept)) != layer:
            return False
        kept = parents[1] if len(parents) > 1 else None
    return True


def _unfinished(folder: Path) -> Iterator[str]:
    for name in _BEGAN_AT:
        path = Path(folder, git.need(folder, "rev-parse", "--git-path", name).text.removesuffix("\n"))
        try:
            said = fsio.read_regular(path, 4096).decode("ascii", "replace").split()
        except (OSError, ValueError):
            continue
        for word in said:
            commit = commit_of(folder, word) if word.isalnum() else None
            if commit is not None:
                yield commit


def _is_reachable(folder: Path, commit: str) -> bool:
    """Whether a branch, a tag or a snapshot has ``commit``. HEAD is none, because it goes with the worktree."""
    where = ("refs/heads", "refs/tags", "refs/remotes", "refs/wf/kept")
    return bool(git.need(folder, "for-each-ref", "--count=1", f"--contains={commit}", "--format=x", *where).out)


def _commit(folder: Path, head: str, tree: str, before: str | None, why: str) -> str:
    parents = ("-p", head, *(("-p", before) if before is not None else ()))
    message = f"wf: {text.line(why)}"
    made = git.need(folder, *_WHOLE, "commit-tree", tree, *parents, "-m", message, environ=somebody(folder))
    return made.text.strip()


def _tree_of(folder: Path, commit: str) -> str:
    return git.need(folder, "rev-parse", f"{commit}^{{tree}}").text.strip()


def _look(folder: Path) -> _State:
    """What lies in the worktree, written to the object store. Raises NotKept."""
    told = git.need(folder, "rev-parse", "--absolute-git-dir", "--show-toplevel").out.split(b"\n")
    admin, top = Path(os.fsdecode(told[0])), Path(os.fsdecode(told[1]))
    head = git.need(folder, "rev-parse", "--verify", "HEAD^{commit}").text.strip()
    try:
        index = _index(admin)
        staged = _staged(top, index)
        if not index.exists():
            git.need(top, "read-tree", head, index=index)
        _show_hidden(top, index)
        git.need(top, *_WHOLE, "add", "--all", "--", ":/", index=index, limit=LIMIT)
        files = _written(top, index)
        inner = sorted(_repositories(top, index, head))
    finally:
        _forget(admin)
    if inner:
        raise NotKept(folder, inner)
    return _State(head, files, staged)


def _index(admin: Path) -> Path:
    """A copy of the index, which saves reading files that have not changed. None is made where there is none."""
    _forget(admin)
    copy = admin / _INDEX
    if (admin / "index").exists():
        fsio.write_new(copy, fsio.read_regular(admin / "index"), durable=False)
    return copy


def _forget(admin: Path) -> None:
    """Remove the copy, and what a git that was killed has left beside it."""
    for name in (_INDEX, f"{_INDEX}.lock"):
        fsio.unlink_quietly(admin / name)


def _written(folder: Path, index: Path) -> str:
    return git.need(folder, *_WHOLE, "write-tree", index=index).text.strip()


def _staged(folder: Path, index: Path) -> str | None:
    """The tree of an index; None where there is none, and where entries in conflict make no tree of it.

    The files of such entries are kept as they lie there, with the marks of the conflict.
    """
    if not index.exists():
        return None
    try:
        return _written(folder, index)
    except GitError:
        return None


def _show_hidden(top: Path, index: Path) -> None:
    """Let git look at files that an agent told it to pass over. Files outside a sparse checkout stay out of sight."""
    listed = git.need(top, "ls-files", "-v", "-z", "--full-name", index=index).out
    assumed, skipped = [], []
    for entry in listed.split(b"\0"):
        tag, _, name = entry.partition(b" ")
        if tag in (b"S", b"s") and os.path.lexists(os.path.join(os.fsencode(top), name)):
            skipped.append(name)
        if tag.islower():
            assumed.append(name)
    for option, names in (("--no-assume-unchanged", assumed), ("--no-skip-worktree", skipped)):
        for at in range(0, len(names), 200):
            words = [os.fsdecode(name) for name in names[at : at + 200]]
            git.need(top, "update-index", option, "--", *words, index=index)


def _repositories(top: Path, index: Path, head: str) -> Iterator[str]:
    """The paths of repositories inside, whose contents are not those that HEAD names."""
    changed = git.need(top, "diff-index", "--cached", "--raw", "-z", "--no-renames", head, index=index).out.split(
        b"\0"
    )
    links = {name for entry, name in zip(changed[::2], changed[1::2], strict=False) if entry.split()[1] == b"160000"}
    listed = git.need(top, "ls-files", "--stage", "-z", index=index).out
    for entry in listed.split(b"\0"):
        if not entry.startswith(b"160000 "):
            continue
        name = entry.partition(b"\t")[2]
        inner = top / os.fsdecode(name)
        if name in links or (os.path.lexists(inner / ".git") and _is_dirty(inner)):
            yield os.fsdecode(name)


def _is_dirty(inner: Path) -> bool:
    return bool(git.need(inner, "status", "--porcelain", "--ignore-submodules=none").out)
