"""Where registers lie, and how a node writes its own.

``nodes/<node>/<version>.<incarnation>.<digest>.json``: only that node writes there. The digest in the name is that of
the content, so a file that arrived in half, was edited, or was put together from two is never taken for a register.
Versions only grow. A number is stored before its register is written, so it is never given to two contents, and it is
above all that others have seen of this node, so a node that was restored from a backup is heard again.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from wf_cli import anchored, fsio, sharing
from wf_cli.errors import SpoolError
from wf_cli.frozen import frozen
from wf_cli.synced import identity
from wf_cli.synced.identity import LAST_VERSION, Now
from wf_cli.synced.record import Register

#: A node keeps so many of its last versions, and all that are younger than this many seconds: the sync tool may be at
#: any of them.
KEPT = 3
KEPT_S = 600.0

_NAME = re.compile(r"(?P<version>[0-9]{10})\.(?P<incarnation>[0-9a-f]{8})\.(?P<digest>[0-9a-f]{16})\.json", re.ASCII)


@frozen
class Name:
    """What the name of a register's file says of it."""

    version: int
    incarnation: str
    #: First 16 hex digits of the SHA-256 of the content.
    digest: str

    def __str__(self) -> str:
        return f"{self.version:010d}.{self.incarnation}.{self.digest}.json"

    @classmethod
    def parse(cls, text: str) -> Name | None:
        """None for every other name: parts, conflict copies, files of others."""
        match = _NAME.fullmatch(text)
        if match is None or int(match["version"]) < 1:
            return None
        return cls(int(match["version"]), match["incarnation"], match["digest"])


def digest_of(data: bytes) -> str:
    """The digest that a register's name has."""
    return sha256(data).hexdigest()[:16]


def nodes_folder(synced: Path) -> Path:
    """The folder of all registers, below the folder ``synced`` (``.wf/spool`` of the synced project).

    From now on this process follows no link below ``synced``.
    """
    anchored.guard(synced)
    return synced / "nodes"


def publish(nodes: Path, state: Path, now: Now, register: Register, *, seen_of_us: int) -> tuple[Now, Register]:
    """Write ``register`` as the next version of this node; the state afterwards, and what was written.

    ``seen_of_us`` is the highest version of this node that is known elsewhere (`reading.Reading.own_high`). The
    version is stored in ``state`` before the register is written. When this raises, or dies, that number is lost, and
    nothing else. The caller holds the lock of the node's rounds. Raises SpoolError when there is no version left,
    ContractError for a register that nobody would read, OSError when the disk fails.
    """
    version = 1 + max(now.version, seen_of_us)
    if version > LAST_VERSION:
        raise SpoolError(
            f"{nodes / register.node} has no version left: somebody says to have seen {seen_of_us}",
            hint="join under a new id: put the node's state folder aside",
            code="NODE_VERSIONS",
        )
    register = replace(register, version=version, incarnation=now.incarnation)
    data = register.encode()
    now = replace(now, version=version)
    identity.store(state, now)
    folder = nodes / register.node
    sharing.make_folders(nodes)
    fsio.make_folder(folder)
    anchored.assert_folder(folder)
    fsio.write_atomic(folder / str(Name(version, now.incarnation, digest_of(data))), data, parents=False)
    return now, register


def clear(nodes: Path, node: str, *, now_s: float) -> list[str]:
    """Remove old versions of the own register, and parts that a write left; their names.

    Nothing of the last `KEPT` versions, nothing younger than `KEPT_S` by the file's own time, and no file of another
    form. ``now_s`` is the wall clock. A file that cannot be removed stays.
    """
    folder = nodes / node
    try:
        names = fsio.names(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    versions = sorted((name for text in names if (name := Name.parse(text))), key=lambda one: one.version)
    old = [str(name) for name in versions[:-KEPT]]
    old += [text for text in names if text.startswith(".") and text.endswith(".part") and _of_a_part(text)]
    gone = []
    for text in old:
        with contextlib.suppress(OSError):
            if now_s - fsio.facts(folder / text).st_mtime > KEPT_S:
                anchored.unlink(os.fspath(folder / text))
                gone.append(text)
    return gone


def _of_a_part(text: str) -> bool:
    """Whether a part's name is that of a register under way (`fsio.write_atomic`)."""
    return Name.parse(text[1:].removesuffix(".part").rpartition(".")[0]) is not None
