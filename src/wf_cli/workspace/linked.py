"""The linked worktrees of a repository, and which of them are wf's own.

git keeps a folder for each, ``worktrees/<name>`` in the common git directory: where the worktree is, its HEAD, its
index, its lock. wf adds a file there, ``wf.json``, which says whose the worktree is. A folder without that file is
not wf's, and wf never touches it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from wf_cli import fsio, git
from wf_cli.errors import StateError
from wf_cli.frozen import frozen
from wf_cli.workspace import names
from wf_cli.workspace.names import Mark

#: Bytes of a file of git's that holds one path or one reason.
_LINE = 64 * 1024


@frozen
class Place:
    """Where the worktree of a plan (or of a target's merges) is on this host, whether it is there or not."""

    #: The project's root, resolved. It may lie below the top of its checkout.
    project: Path
    #: The common git directory, resolved.
    common: Path
    #: The top of the worktree.
    top: Path
    mark: Mark
    #: The project's path below the top of its checkout; empty where it is the top.
    below: str = ""

    @property
    def root(self) -> Path:
        """What is the project's root in the project: the folder in which an agent starts."""
        return self.top / self.below

    @property
    def ref(self) -> str:
        """The ref of its snapshots."""
        return names.kept_ref(self.mark.key)


@frozen
class Record:
    """What ``wf.json`` says. Keys that this version does not know are kept."""

    key: str
    host: str
    project: str
    #: The snapshot that keeps everything, once the worktree is being removed: its files may be gone in part.
    removing: str | None = None
    #: The digest of the commands that have prepared it.
    setup: str | None = None
    #: The job and the attempt that used it last.
    job: str | None = None
    attempt: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


@frozen
class Linked:
    """One linked worktree of the repository, as git and wf have noted it."""

    #: Its administrative folder.
    admin: Path
    #: Its top, which may not exist any more; None where git's note cannot be read.
    top: Path | None
    mark: Mark | None
    record: Record | None

    def is_of(self, place: Place) -> bool:
        """Whether it is the worktree of ``place``, wherever it lies now."""
        record = self.record
        if record is None or (record.key, record.host) != (place.mark.key, place.mark.host):
            return False
        return os.path.realpath(record.project) == str(place.project)


def place(project: Path, folder: Path, mark: Mark) -> Place:
    """The place of a worktree below ``folder``. Raises GitError where ``project`` is in no checkout."""
    told = git.need(project, "rev-parse", "--git-common-dir", "--show-prefix").out.split(b"\n")
    common = Path(os.path.realpath(project / os.fsdecode(told[0])))
    top = names.worktree(Path(os.path.realpath(project / folder)), common, mark.host, mark.key)
    return Place(Path(os.path.realpath(project)), common, top, mark, os.fsdecode(told[1]).rstrip("/"))


def all_of(common: Path) -> Iterator[Linked]:
    """Every linked worktree of the repository, by name. One that goes meanwhile is left out."""
    try:
        found = sorted(fsio.names(common / "worktrees"))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in found:
        admin = common / "worktrees" / name
        if fsio.is_folder(admin):
            yield read(admin)


def read(admin: Path) -> Linked:
    """What lies in an administrative folder. What cannot be read counts as not there."""
    pointer, reason = _line(admin / "gitdir"), _line(admin / "locked")
    top = Path(os.path.normpath(admin / pointer)).parent if pointer else None
    return Linked(admin, top, names.parse_mark(reason) if reason else None, record_of(admin))


def record_of(admin: Path) -> Record | None:
    """The record of a worktree; None where there is none, or none that can be read."""
    try:
        raw = fsio.read_json_object(admin / names.RECORD)
    except (StateError, OSError, ValueError):
        return None
    if raw is None or not all(isinstance(raw.get(key), str) for key in ("key", "host", "project")):
        return None
    words = {key: raw[key] for key in ("removing", "setup", "job") if isinstance(raw.get(key), str)}
    attempt = raw.get("attempt")
    return Record(
        raw["key"], raw["host"], raw["project"], attempt=attempt if isinstance(attempt, int) else None, **words
    )


def write_record(admin: Path, record: Record, **changes: Any) -> None:
    """Replace the record of a worktree. Only one process at a time does so for a worktree."""
    fsio.write_json(admin / names.RECORD, replace(record, **changes).to_json())


def admin_of(top: Path) -> Path | None:
    """The administrative folder that the ``.git`` file at ``top`` names; None where there is no such file."""
    pointer = _line(top / ".git") or ""
    if not pointer.startswith("gitdir: "):
        return None
    return Path(os.path.normpath(top / pointer.removeprefix("gitdir: ")))


def _line(path: Path) -> str | None:
    try:
        return os.fsdecode(fsio.read_regular(path, _LINE)).strip("\n")
    except (OSError, ValueError):  # It is gone, may not be read, or is no file.
        return None
