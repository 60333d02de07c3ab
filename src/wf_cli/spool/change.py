"""Gives a spool that exists another topology (from local to shared, which is only more careful) or a later format."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

from wf_cli import fsio, sharing
from wf_cli.errors import Refused
from wf_cli.spool import layout, packs, place, session
from wf_cli.spool.layout import FENCE_TIMEOUT, FOLDERS, SHARED_FILE, SHARED_FOLDER, WITH_PACKS, Spool


def make_shared(root: Path) -> bool:
    """Make the local spool at ``root`` a shared one, with all that is in it; False when it is one already.

    Its folders and files get the rights of a shared spool, as far as they are ours to change. A process that has the
    spool open as local ends at its next look at VERSION. Raises Refused when a session has not ended, SpoolError
    for a place that is fit for no spool, SpoolMissing without one, Temporary while another process does the same.
    """
    version = layout.version_of(root)
    if version.topology == "shared":
        return False
    place.assert_fit(root, "shared")
    spool = Spool(root, replace(version, topology="shared"))
    with spool.lock("topology", timeout=FENCE_TIMEOUT):
        _refuse_living(spool, "the topology stays local", place.SHARE)
        group = os.stat(root).st_gid
        for folder in (root, *(spool.folder(name) for name in FOLDERS)):
            with contextlib.suppress(FileNotFoundError):
                sharing.widen(folder, SHARED_FOLDER, group)
                _widen_files(folder, group)
        spool.replace(".", "VERSION", spool.version.encode().decode())
    return True


def allow_packs(root: Path) -> bool:
    """Give the spool at ``root`` the format in which finished jobs may lie in packs; False when it has it already.

    A wf that does not know packs refuses the spool from then on. Raises Refused when a session has not ended, because
    it may be of such a wf, SpoolMissing without a spool, and Temporary while another process does the same.
    """
    version = layout.version_of(root)
    if version.format >= WITH_PACKS:
        return False
    spool = Spool(root, replace(version, format=WITH_PACKS))
    with spool.lock("topology", timeout=FENCE_TIMEOUT):
        _refuse_living(spool, "the format stays as it is", "wf spool gc --compact")
        spool.make_folder(packs.FOLDER)
        spool.sync(".")
        spool.replace(".", "VERSION", spool.version.encode().decode())
    return True


def _widen_files(folder: Path, group: int) -> None:
    for name in fsio.names(folder):
        path = folder / name
        with contextlib.suppress(FileNotFoundError):  # RACE: a job moves on while we list.
            if folder.name != "leases" and not fsio.is_folder(path):
                # A spec and its token are one file. Until now the spool was for its own user alone.
                sharing.widen(path, SHARED_FILE, group, other_names=True)


def _refuse_living(spool: Spool, stays: str, again: str) -> None:
    """A session may be of an older wf, which has opened the spool as it was."""
    for owner in session.owners(spool):
        record = session.load(spool, owner)
        if record is not None and record.state != "stopped" and not record.proven_dead:
            file = spool.path("sessions", f"{owner}.json")
            raise Refused(
                f"{spool.root}: the session {owner} (process {record.pid} on {record.host}) has not ended, so "
                f"{stays}",
                hint=f"stop it there and run {again} again; if that machine is gone, remove {file} first",
                code="SPOOL_IN_USE",
            )
