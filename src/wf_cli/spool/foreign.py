"""Files that no wf wrote: names outside the grammar, links, conflict copies, and what dead writers left."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from wf_cli import anchored, fsio
from wf_cli.clock import Clock
from wf_cli.contract.lifecycle import DIRECTORIES
from wf_cli.contract.token import WORD, job_of, parse_outcome, parse_staged
from wf_cli.errors import LinkedFolder, Temporary
from wf_cli.spool import findings, judgement, old_logs, packs, quarantine
from wf_cli.spool.findings import Finding, relative, unreadable
from wf_cli.spool.layout import ADDED_FOLDERS, FENCE_TIMEOUT, FOLDERS, Spool

#: Milliseconds: a part file older than this belongs to no living writer. Housekeeping, not ownership.
PART_AGE_MS = 24 * 3600 * 1000
_ROOT_FILES = frozenset({"VERSION", ".gitignore"})
#: Beginnings of names that a file system makes for files that were removed while they were open: FUSE (libfuse,
#: hard_remove), the NFS and the SMB client of Linux (silly rename). It removes them itself, so they are nobody's.
_OF_THE_FILE_SYSTEM = (".fuse_hidden", ".nfs", ".__smb")
#: Suffixes of locks. Somebody may hold such a file, whatever its name is, so it is not put away.
_LOCKS = (".lock", ".slot")
#: Folders that file systems keep in their root, which may be the spool's: ext4's, and snapshots of NFS servers.
_ROOT_FOLDERS = frozenset({"lost+found", ".snapshot"})
#: Seconds. An older time of modification is none: a file on NFS whose writer died while it made it has the numbers of
#: its creation in the place of its times (exclusive creation, RFC 1813), usually of January 1970.
_FIRST_TIME = 10 * 365 * 86400.0


def files(spool: Spool, clock: Clock, *, fix: bool) -> Iterator[Finding]:
    """Each foreign file. With ``fix`` it is put away, and an old part removed, because nobody writes on in it.

    A part is old when its file was neither written nor changed for `PART_AGE_MS`, by the clock of the file system.
    """
    for folder in ("", "archive", *(name for name in FOLDERS if name != "archive")):  # Others are put away into it.
        path = spool.folder(folder)
        try:
            with anchored.scandir(path) as listed:
                known = _grammar(folder)
                odd = [entry for entry in listed if not _is_ours(entry, known)]
                for entry in sorted(odd, key=lambda e: e.name):
                    try:
                        finding = _look_at(spool, folder, entry, clock, fix=fix)
                    except FileNotFoundError:
                        continue  # RACE: its writer has taken it away since we listed.
                    except Temporary:
                        continue  # Another repair works on this.
                    except OSError as error:
                        finding = unreadable(spool, path / entry.name, error)
                    if finding is not None:
                        yield finding
        except FileNotFoundError:
            if folder not in ADDED_FOLDERS:
                raise
        except (PermissionError, LinkedFolder) as error:
            yield unreadable(spool, path, error)


def _look_at(spool: Spool, folder: str, entry: os.DirEntry[str], clock: Clock, *, fix: bool) -> Finding | None:
    kind = _judge(folder, entry)
    if kind is None:
        return None
    path = spool.path(folder, entry.name)
    if kind == "linked_folder":
        return _linked(spool, path, is_link=entry.is_symlink(), fix=fix)
    info = entry.stat(follow_symlinks=False)
    if folder == "locks" and kind == "not_a_file" and fix:
        return _no_lock(spool, path)
    if kind != "stale_part":
        return put_away(spool, path, kind, fix=fix)
    # The newer of both times counts, because nobody can set the time of the last change of the inode.
    written_s = max(info.st_mtime, info.st_ctime)
    if info.st_mtime < _FIRST_TIME or clock.now_ms() - written_s * 1000 <= PART_AGE_MS:
        return None
    if fix:
        fsio.unlink_quietly(path)
    return Finding(relative(spool, path), kind, "warning", "left by a process that died while writing", fix)


def _judge(folder: str, entry: os.DirEntry[str]) -> str | None:
    """What is wrong with a directory entry, by its name and type. ``folder`` is empty for the spool's root.

    Names of the file system's own are passed over in every folder: they are no findings, and nothing touches them.
    """
    name = entry.name
    if name.startswith(_OF_THE_FILE_SYSTEM):
        return None
    if not folder:
        is_folder = entry.is_dir(follow_symlinks=False)
        if name in FOLDERS and not is_folder:
            return "linked_folder"
        known = is_folder and (name in FOLDERS or name in _ROOT_FOLDERS)
        return None if known or name in _ROOT_FILES or name.endswith(".part") else "foreign_file"
    if folder == "archive" and name == "quarantine":
        return None if entry.is_dir(follow_symlinks=False) else "linked_folder"
    if name.endswith(".part"):
        return "stale_part"
    known = _grammar(folder)(name)
    # No sync tool's copy has a name of the grammar, but a job may be about such copies and have their word in its id.
    if _is_conflict_copy(name) and not known:
        return "conflict_copy"
    if not entry.is_file(follow_symlinks=False):
        return "not_a_file"
    return None if known or (folder == "locks" and name.endswith(_LOCKS)) else "foreign_file"


def _is_ours(entry: os.DirEntry[str], known: Callable[[str], bool]) -> bool:
    """Whether an entry is a file with a name of its folder's grammar, so that there is nothing to judge.

    False when the system does not tell.
    """
    try:
        return known(entry.name) and entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def _grammar(folder: str) -> Callable[[str], bool]:
    """Whether a name is one that wf gives to files in ``folder``."""
    if folder in DIRECTORIES:
        return lambda name: job_of(folder, name) is not None
    return _GRAMMARS.get(folder, _is_nobodys)


def _is_nobodys(_name: str) -> bool:
    """The root of the spool has folders only, and a few files that are known by name."""
    return False


def _is_started(name: str) -> bool:
    return parse_outcome(name) is not None and not name.endswith(".late.json")


def _of_words(pattern: str) -> Callable[[str], bool]:
    whole = re.compile(pattern, re.ASCII).fullmatch
    return lambda name: whole(name) is not None


#: Words with dots between them.
_WORDS = rf"{WORD}(?:\.{WORD})*"


_GRAMMARS: dict[str, Callable[[str], bool]] = {
    "tmp": lambda name: parse_staged(name) is not None,
    "jobs": _of_words(rf"{WORD}\.json"),
    "outcomes": lambda name: parse_outcome(name) is not None,
    "started": _is_started,
    "leases": _of_words(rf"{_WORDS}\.lease"),
    "sessions": _of_words(rf"(?:{_WORDS}\.json|{WORD}{re.escape(judgement.SUFFIX)})"),
    "control": _of_words(rf"{_WORDS}\.json"),
    "locks": _of_words(rf"{_WORDS}\.(?:lock|slot)"),
    "log": _of_words(rf"{_WORDS}\.jsonl(?:\.[0-9]+{re.escape(old_logs.OLD)})?"),
    "transcripts": _of_words(rf"{_WORDS}\.log"),
    "notified": _of_words(rf"{_WORDS}\.json"),
    "outbox": _of_words(rf"{_WORDS}\.json"),
    packs.FOLDER: _of_words(rf"{_WORDS}{re.escape(packs.SUFFIX)}"),
}


def _is_conflict_copy(name: str) -> bool:
    lowered = name.lower()
    return "sync-conflict" in lowered or "conflicted copy" in lowered or lowered.startswith(".syncthing.")


def _linked(spool: Spool, path: Path, *, is_link: bool, fix: bool) -> Finding:
    """The finding of a folder of the spool that is a link. A person put it there and decides what becomes of it. Only
    the quarantine is made anew, with the link in it, because everything that is put away needs it."""
    error = anchored.linked(str(path), is_link=is_link)
    if path.name == "quarantine":
        fixed = fix and quarantine.mend(spool)
        return Finding(relative(spool, path), "linked_folder", "error", str(error.strerror), fixed)
    return Finding(relative(spool, path), "linked_folder", "error", str(error.strerror), remedy=error.hint)


def _no_lock(spool: Spool, path: Path) -> Finding | None:
    """Put away what lies under the name of a lock and is none; None when it has become one.

    Another repair may have put it away, and a worker may hold the lock that could be made since. So no two repairs do
    this at once, and each looks again. Raises LockTrouble or Temporary when their own lock cannot be taken.
    """
    with spool.lock("verify", timeout=FENCE_TIMEOUT):
        if stat.S_ISREG(fsio.facts(path).st_mode):
            return None
        return put_away(spool, path, "not_a_file", fix=True)


def put_away(spool: Spool, path: Path, kind: str, *, fix: bool) -> Finding:
    """The finding of a foreign file, which with ``fix`` is quarantined."""
    fixed = fix and findings.put_away(spool, path)
    return Finding(relative(spool, path), kind, "error", "not a file that wf wrote", fixed)
