"""The worktree of a plan: made, looked at, repaired, put to a commit, removed.

Two locks of the project guard this. ``worktree-<key>`` is held for everything that concerns one worktree, and inside
of it ``worktrees`` while git adds or removes one, because concurrent adds fail on each other's half-made folders.
The caller knows that no agent of an earlier attempt lives in the worktree.

- Nothing is discarded: files are replaced or removed only when nothing would be lost, or a snapshot keeps it.
- What lies in the way and is not this worktree is moved aside, and never deleted.
- A worktree without wf's record, of another host or of another project, is not touched.

::

    adding    git is about to add the worktree
    added     it is there, without files
    prepared  it has its files and its record

A process that dies before *prepared* leaves a folder in which nobody has worked; the next one completes it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from wf_cli import fsio, git, ids, locks, sharing
from wf_cli.errors import StateError
from wf_cli.frozen import frozen
from wf_cli.git import GitError
from wf_cli.seams import step
from wf_cli.workspace import candidate, linked, names, snapshot
from wf_cli.workspace.candidate import LIMIT, commit_of
from wf_cli.workspace.linked import Linked, Place, Record

#: Seconds to wait for another process that has the same worktree, or adds or removes one.
BUSY = 60.0


class How(StrEnum):
    """How a worktree came to be there."""

    THERE = "there"
    MADE = "made"
    #: git's notes of it were wrong, because somebody had moved or damaged a part.
    REPAIRED = "repaired"
    #: Its files were gone; it was made again.
    REMADE = "remade"


@frozen
class Ready:
    """A worktree that is there. ``aside`` is where that was moved which lay in its place and was not it."""

    place: Place
    admin: Path
    how: How
    aside: Path | None = None


@contextlib.contextmanager
def holding(place: Place) -> Iterator[None]:
    """Hold the lock of one worktree. Re-entrant within a thread. Raises Temporary when another process keeps it."""
    with locks.hold_in_project(place.project, f"worktree-{place.mark.key}", timeout=BUSY):
        yield


def need(place: Place, commit: str) -> Ready:
    """The worktree of ``place``, whole. One that is made stands at ``commit``; one that was there stays as it is.

    Raises GitError where git refuses, StateError for a place that is no path for a worktree, OSError for the disk's.
    """
    with holding(place):
        found = _find(place)
        if found is not None and found.record is not None and found.record.removing is not None:
            _finish_removal(place, found)
            found = None
        if found is not None:
            how = _mend(place, found)
            if how is not None:
                return Ready(place, found.admin, how)
        if found is not None:  # Its files are gone. What git has noted of it is kept before git forgets it.
            snapshot.of_lost(place.project, found.admin, place.ref, f"what was left of {place.mark.key}")
        aside = _clear(place)
        admin = _add(place, commit)
        was_there = found is not None and found.record is not None
        return Ready(place, admin, How.REMADE if was_there else How.MADE, aside)


def look(place: Place) -> Ready | None:
    """The worktree of ``place`` if it is there and whole; nothing is changed."""
    found = _find(place)
    if found is None or found.record is None or found.record.removing is not None or not _is_whole(place, found):
        return None
    return Ready(place, found.admin, How.THERE)


def put(ready: Ready, commit: str, why: str) -> str | None:
    """Let the worktree hold ``commit`` at a detached HEAD, and nothing else but ignored files.

    A snapshot is taken first of what would be lost; its object id, or None when there was nothing to keep. Locks that
    a killed git has left are removed.

    Raises what `snapshot.take` raises, and GitError; the worktree has lost nothing then.
    """
    top, place = ready.place.top, ready.place
    with holding(place):
        kept = snapshot.take(top, place.ref, why)
        _forget_unfinished(ready.admin)
        detach(top)
        candidate.put(top, commit, patience=0.0)
        return kept


def keep(ready: Ready, why: str) -> str | None:
    """Take a snapshot of the worktree, which stays as it is; None when nothing would be lost without one."""
    with holding(ready.place):
        return snapshot.take(ready.place.top, ready.place.ref, why)


def bring_back(ready: Ready, commit: str, why: str) -> bool:
    """`put`, and lay the newest snapshot over it, uncommitted, unless that was taken before ``commit``.

    Whether there was one to lay over it.
    """
    with holding(ready.place):
        put(ready, commit, why)
        newest = commit_of(ready.place.top, ready.place.ref)
        return newest is not None and snapshot.lay_over(ready.place.top, newest)


def remove(place: Place, why: str) -> str | None:
    """Remove the worktree of ``place``, if it is there, once nothing of it would be lost.

    The newest snapshot, or None when none was ever taken. Raises what `snapshot.take` raises; the worktree stays.
    """
    with holding(place):
        found = _find(place)
        if found is None or found.record is None:
            return commit_of(place.project, place.ref)
        if found.record.removing is None:
            if _mend(place, found) is None:
                snapshot.of_lost(place.project, found.admin, place.ref, why)
            else:
                snapshot.take(place.top, place.ref, why)
            newest = commit_of(place.project, place.ref)
            linked.write_record(found.admin, found.record, removing=newest or "")
            step("worktree.snapshotted")
        _finish_removal(place, found)
        step("worktree.removed")
        return commit_of(place.project, place.ref)


def detach(top: Path) -> None:
    """Let HEAD be the commit itself where an agent has checked out a branch, which stays where it is."""
    if git.ask(top, "symbolic-ref", "--quiet", "HEAD").exit_code == 0:
        head = git.need(top, "rev-parse", "--verify", "HEAD^{commit}").text.strip()
        git.need(top, "update-ref", "--no-deref", "-m", "wf: detached", "HEAD", head)


# -- parts


def _find(place: Place) -> Linked | None:
    """The worktree of ``place`` as git knows it; one that was added there and never completed, too."""
    half = None
    for one in linked.all_of(place.common):
        if one.is_of(place):
            return one
        if one.record is None and one.top is not None and os.path.realpath(one.top) == str(place.top):
            half = one
    if half is not None and half.mark in (None, place.mark) and linked.admin_of(place.top) == half.admin:
        return half
    return None


def _mend(place: Place, found: Linked) -> How | None:
    """Let a worktree whose files are there be whole; None when they are gone."""
    if found.record is None:
        try:
            _complete(place, found.admin)
        except GitError:
            return None  # The git that added it was killed too early.
        return How.MADE
    if not os.path.lexists(place.top) and found.top is not None and linked.admin_of(found.top) == found.admin:
        # Somebody has moved it. Agents find their sessions by its path, so it is moved back.
        with locks.hold_in_project(place.project, names.LOCK, timeout=BUSY):
            git.need(place.project, "worktree", "move", "--force", "--force", str(found.top), str(place.top))
        return How.REPAIRED if _is_whole(place, found) else None
    if not fsio.is_folder(place.top):
        return None
    if _is_whole(place, found):
        return How.THERE
    if not fsio.exists(place.top / ".git") and not _has_files(place.top):
        return None  # An empty folder in the place of a worktree that somebody has deleted.
    own = linked.admin_of(place.top)
    if own is not None and own != found.admin and fsio.is_folder(own):
        return None  # It belongs to another worktree, or to another repository.
    if fsio.is_folder(place.top / ".git"):
        return None  # Somebody has made a repository of its own here.
    fsio.write_atomic(place.top / ".git", f"gitdir: {found.admin}\n")
    fsio.write_atomic(found.admin / "gitdir", f"{place.top / '.git'}\n")
    fsio.write_atomic(found.admin / "locked", str(place.mark))
    return How.REPAIRED if _is_whole(place, found) else None


def _is_whole(place: Place, found: Linked) -> bool:
    """Whether git takes the folder for the top of that very worktree, and it is locked as ours."""
    if linked.admin_of(place.top) != found.admin:
        return False
    now = linked.read(found.admin)
    if now.top is None or os.path.realpath(now.top) != str(place.top) or now.mark != place.mark:
        return False
    answer = git.ask(place.top, "rev-parse", "--show-toplevel", "--git-common-dir", "--verify", "HEAD^{commit}")
    told = answer.out.split(b"\n")
    if answer.exit_code != 0 or len(told) < 3:
        return False
    top, common = os.fsdecode(told[0]), place.top / os.fsdecode(told[1])
    return os.path.realpath(top) == str(place.top) and os.path.realpath(common) == str(place.common)


def _has_files(folder: Path) -> bool:
    return bool(fsio.names(folder))


def _clear(place: Place) -> Path | None:
    """Move away what lies in the place of a worktree and is not it. An empty folder is taken over."""
    if not os.path.lexists(place.top) or (fsio.is_folder(place.top) and not _has_files(place.top)):
        return None
    aside = place.top.with_name(f"{place.top.name}.aside-{ids.nonce()}")
    os.rename(place.top, aside)
    return aside


def _add(place: Place, commit: str) -> Path:
    sharing.make_folders(place.top.parent)
    if os.path.realpath(place.top) != str(place.top):
        raise StateError(
            f"{place.top} leads to {os.path.realpath(place.top)}, so it is no place for a worktree",
            hint="remove the link, or name another folder in isolation.dir",
            path=str(place.top),
        )
    step("worktree.adding")
    with locks.hold_in_project(place.project, names.LOCK, timeout=BUSY):
        # Twice --force lets git forget a worktree of this path whose files are gone; its HEAD and index are kept.
        git.need(
            place.project, "worktree", "add", "--force", "--force", "--detach", "--no-checkout", "--lock",
            os.fspath(place.top), commit, limit=LIMIT,
        )  # fmt: skip
    step("worktree.added")
    admin = linked.admin_of(place.top)
    if admin is None:
        raise StateError(f"git has added {place.top}, and it has no .git file", hint="repeat the command")
    _complete(place, admin)
    return admin


def _complete(place: Place, admin: Path) -> None:
    """Give a worktree that was just added its files, its mark and its record. No agent has worked in it yet."""
    fsio.write_atomic(admin / "locked", str(place.mark))
    if fsio.exists(admin / "index"):  # Its record may also have been removed by somebody, after work in it.
        snapshot.take(place.top, place.ref, f"{place.mark.key} without its record")
    _forget_unfinished(admin)
    git.need(place.top, "reset", "--quiet", "--hard", limit=LIMIT)
    linked.write_record(admin, Record(place.mark.key, place.mark.host, str(place.project)))
    step("worktree.prepared")


def _forget_unfinished(admin: Path) -> None:
    """Remove the locks of a git that was killed, and what it noted of a rebase that nobody will go on with.

    `git rebase --quit` would put changes into the stash, which the person's checkout shares.
    """
    for name in ("index.lock", "HEAD.lock", "ORIG_HEAD.lock"):
        fsio.unlink_quietly(admin / name)
    for name in ("rebase-merge", "rebase-apply", "sequencer"):
        shutil.rmtree(admin / name, ignore_errors=True)


def _finish_removal(place: Place, found: Linked) -> None:
    with locks.hold_in_project(place.project, names.LOCK, timeout=BUSY):
        if fsio.is_folder(place.top) and linked.admin_of(place.top) != found.admin:
            # The git that was removing it has removed this file first.
            fsio.write_atomic(place.top / ".git", f"gitdir: {found.admin}\n")
        git.need(place.project, "worktree", "remove", "--force", "--force", os.fspath(place.top), limit=LIMIT)
