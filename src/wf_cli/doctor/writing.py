"""Can this user write what wf has to write: spool, locks, plans, epics, session?

Rights that look right may not be (a read-only mount, an ACL, root squashing), so each folder is tried: a hidden file
with a name of its own is made and removed. Files that others lock or rewrite are opened for writing and closed, which
changes nothing in them.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from wf_cli import fsio, ids, sharing
from wf_cli.doctor.check import Check, error, ok
from wf_cli.errors import LinkedFolder
from wf_cli.frozen import frozen
from wf_cli.spool import layout


@frozen
class _Area:
    """What belongs together, and gets one finding: folders to make files in, and files to open for writing."""

    name: str
    root: Path
    folders: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    #: Whether a file may be a link, as a person's file may. A lock never is one.
    may_be_links: bool = False


def look(root: Path, spool_root: Path | None) -> Iterator[Check]:
    """One finding for each area with something that this user cannot write."""
    failed = 0
    for area in _areas(root, spool_root):
        refused = [(path, refusal) for path, refusal in _refusals(area) if refusal is not None]
        if refused:
            failed += 1
            yield _told(area, *refused[0], more=len(refused) - 1)
    if not failed:
        yield ok("write", "spool, locks, plans, epics and session can be written")


def _areas(root: Path, spool_root: Path | None) -> Iterator[_Area]:
    if spool_root is not None:
        folders = tuple(spool_root / name for name in layout.FOLDERS)
        yield _Area("spool", spool_root, folders, tuple(_listed(spool_root / "locks")))
    locks = root / ".wf" / "locks"
    yield _Area("locks", locks, files=tuple(path for path in _listed(locks) if path.suffix == ".lock"))
    for name in ("plans", "epics"):
        folders = tuple(path for path in _listed(root / name) if path.is_dir())
        files = tuple(path for folder in folders for path in _listed(folder) if path.is_file())
        yield _Area(name, root / name, folders, files, may_be_links=True)
    for tool in (".cursor", ".opencode"):
        if (root / tool / "session").is_dir():
            yield _Area("session", root / tool / "session")


def _listed(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in sorted(fsio.names(folder))]
    except OSError:  # It is missing, or cannot be read, which the attempt to write says better.
        return []


def _refusals(area: _Area) -> Iterator[tuple[Path, OSError | None]]:
    # What does not exist yet will be made in the nearest folder above.
    yield from ((folder, _try_folder(folder)) for folder in {_existing(f): None for f in (area.root, *area.folders)})
    yield from ((file, _try_file(file, follow=area.may_be_links)) for file in area.files)


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if os.path.lexists(folder))


def _try_folder(folder: Path) -> OSError | None:
    probe = folder / f".wf-doctor.{ids.nonce()}.part"
    try:
        fsio.write_new(probe, b"wf doctor\n", durable=False)
        fsio.unlink_quietly(probe)
    except LinkedFolder:  # The look at the spool names it.
        return None
    except OSError as refusal:
        return refusal
    return None


def _try_file(path: Path, *, follow: bool) -> OSError | None:
    try:
        os.close(fsio.open_regular(path, os.O_RDWR, follow=follow))
    except FileNotFoundError:  # removed in this instant
        return None
    except ValueError:  # no regular file, which `wf spool verify` and the commands themselves report
        return None
    except OSError as refusal:
        return refusal
    return None


def _told(area: _Area, path: Path, refusal: OSError, more: int) -> Check:
    known = sharing.explained(refusal, path)
    culprit = Path(known.filename) if known is not refusal and known.filename else path
    others = f" (and {more} more there)" if more else ""
    detail = f"cannot write {culprit}: {known.strerror or known}{others}"
    return error("write", detail, _remedy(area, culprit, refusal))


def _remedy(area: _Area, culprit: Path, refusal: OSError) -> str:
    """The one command that repairs it."""
    # What is in the way may lie above the area, where a recursive change would go too far.
    inside = culprit.is_relative_to(area.root)
    target = shlex.quote(str(area.root if inside else culprit))
    deep = "-R " if inside else ""
    if refusal.errno in (errno.ENOSPC, errno.EDQUOT):
        return "wf spool gc --older 1d"
    if refusal.errno == errno.EROFS:
        return f'sudo mount -o remount,rw "$(df --output=target {target} | tail -n 1)"'
    try:
        info = os.lstat(culprit)
    except OSError:
        info = os.lstat(_existing(culprit))
    if info.st_uid == os.geteuid():
        return f"chmod {deep}u+rwX {target}"
    if info.st_mode & stat.S_ISGID:  # Several users share it by their group, so its owner stays.
        return f"sudo chmod {deep}g+rwX {target}"
    return f'sudo chown {deep}"$(id -un)" {target}'
