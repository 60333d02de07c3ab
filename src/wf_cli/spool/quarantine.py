"""``archive/quarantine/``: where files go that no wf wrote, or that are damaged. Nothing in it is read or run."""

from __future__ import annotations

import os
from pathlib import Path

from wf_cli import fsio, ids
from wf_cli.errors import LinkedFolder
from wf_cli.seams import step
from wf_cli.spool.layout import Spool


def take(spool: Spool, path: Path) -> Path | None:
    """Move ``path`` into the quarantine; where it lies now, None when it was gone. Raises the system's error."""
    folder = _folder(spool)
    # The end of the name, in bytes that may be no UTF-8, cut so that all of it fits; the nonce makes it new.
    last = os.fsdecode(os.fsencode(f"{path.parent.name}.{path.name}")[-200:])
    target = folder / f"{ids.nonce()}.{last}"
    spool.sync("archive")
    step("quarantine.ready")
    if not fsio.move(path, target):
        return None
    spool.sync("archive/quarantine")
    return target


def _folder(spool: Spool) -> Path:
    """The folder. What stands in its place, such as a link to a folder of somebody else, is put into it."""
    place = spool.path("archive", "quarantine")
    try:
        return spool.make_folder("archive", "quarantine")
    except LinkedFolder as error:
        if error.filename != str(place):
            raise
    aside = spool.path("archive", f"{ids.nonce()}.quarantine.part")
    fsio.move(place, aside)
    folder = spool.make_folder("archive", "quarantine")
    fsio.move(aside, folder / f"{ids.nonce()}.archive.quarantine")
    return folder


def mend(spool: Spool) -> bool:
    """Make the folder a real one again; False when the system does not let us."""
    try:
        _folder(spool)
    except OSError:
        return False
    return True
