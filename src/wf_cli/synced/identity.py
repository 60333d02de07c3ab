"""Who a node is: its id, which no copy of its state keeps, and its incarnation, which is one boot of its machine.

The state of a node lies on one machine, outside of every synced folder, in a folder of its own. ``node.json`` there
holds the id and a *stamp*: the machine's id, and device and inode of the folder. State that was copied to another
machine, or restored from a backup, lies in a folder with another stamp. Then the node gets a new id and an empty
folder, and the old one is put aside, because two nodes of one id would both take a grant that is made to it.

Not noticed: the image of a whole machine that is run twice, or set back in place.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import asdict, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from wf_cli import fsio, ids, locks, sharing
from wf_cli.errors import SpoolError
from wf_cli.frozen import frozen

FORMAT = 1
#: Bytes of ``node.json`` and ``now.json`` that are read.
LIMIT = 1024 * 1024
#: Seconds to wait for another process that begins with the same state.
LOCK_TIMEOUT = 10.0
#: A node remembers so many of its own boots, and as many of each other node.
REMEMBERED = 64
#: The last version that has a name (10 digits).
LAST_VERSION = 10**10 - 1
_DIGEST = re.compile(r"[0-9a-f]{16}", re.ASCII)


@frozen
class Stamp:
    """Where a node's state lies. Another stamp means that it was copied or restored."""

    machine: str
    device: int
    inode: int

    @classmethod
    def of(cls, folder: Path, machine: str) -> Stamp:
        """The stamp of a folder that exists, on the machine with the id ``machine``. Raises OSError."""
        info = fsio.facts(folder)
        return cls(machine, info.st_dev, info.st_ino)


@frozen
class Mark:
    """What was read last of another node. Nothing older of it is ever used again."""

    version: int = 0
    incarnation: str = ""
    #: First 16 hex digits of the content's SHA-256.
    digest: str = ""
    #: Incarnations that another one has followed.
    past: tuple[str, ...] = ()
    #: Two machines have had this node's id. That stays so.
    forked: bool = False


@frozen
class Now:
    """What changes of a node: ``now.json``."""

    boot: str
    incarnation: str
    #: All incarnations of this node, this one last.
    own: tuple[str, ...]
    #: The last version of the own register that was given out.
    version: int = 0
    #: The highest epoch ever seen: takes and hand-overs.
    epoch: tuple[int, int] = (0, 0)
    #: By node.
    seen: dict[str, Mark] = field(default_factory=dict)

    def encode(self) -> bytes:
        value = {"format": FORMAT, **asdict(self)}
        return (json.dumps(value, sort_keys=True) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes) -> Now:
        """Raises ValueError for anything that `encode` does not make."""
        try:
            value = json.loads(data)
            if value["format"] != FORMAT:
                raise ValueError(f"format {value['format']!a:.40}")
            now = cls(
                boot=value["boot"],
                incarnation=value["incarnation"],
                own=tuple(value["own"]),
                version=value["version"],
                epoch=(value["epoch"][0], value["epoch"][1]),
                seen={node: _mark(mark) for node, mark in value["seen"].items()},
            )
        except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        right = (
            isinstance(now.boot, str)
            and all(isinstance(one, str) and ids.is_incarnation(one) for one in (now.incarnation, *now.own))
            and now.incarnation in now.own
            and all(type(n) is int and 0 <= n <= LAST_VERSION for n in (now.version, *now.epoch))
            and all(ids.is_node_id(node) for node in now.seen)
        )
        if not right:
            raise ValueError("its values are none that wf writes")
        return now


def _mark(value: dict[str, Any]) -> Mark:
    mark = Mark(
        value["version"], value["incarnation"], value["digest"], tuple(value["past"]), value["forked"]
    )  # fmt: skip
    right = (
        type(mark.version) is int
        and 0 <= mark.version <= LAST_VERSION
        and type(mark.forked) is bool
        and all(isinstance(one, str) and ids.is_incarnation(one) for one in (mark.incarnation, *mark.past))
        and isinstance(mark.digest, str)
        and _DIGEST.fullmatch(mark.digest) is not None
    )
    if not right:
        raise ValueError("a mark is none that wf writes")
    return mark


@frozen
class Node:
    """This node, on this boot of its machine."""

    id: str
    now: Now
    folder: Path
    #: Whether it has just got this id.
    fresh: bool = False
    #: Where state lies now that was not this node's.
    put_aside: Path | None = None


def state_folder(state_home: Path, spool_id: str, checkout: Path) -> Path:
    """Where the state of this machine's node lies for a checkout: one folder for each spool and checkout.

    ``state_home`` is ``$XDG_STATE_HOME``. ValueError for a spool id that is no plain word: it comes from a file that
    others write.
    """
    if re.fullmatch(r"[0-9a-f]{16}", spool_id, re.ASCII) is None:
        raise ValueError(f"{spool_id!a:.60} is no id of a spool")
    where = sha256(os.fsencode(os.path.realpath(checkout))).hexdigest()[:8]
    return state_home / "wf" / "synced" / f"{spool_id}-{where}"


def begin(folder: Path, *, machine: str, boot: str, host: str, checkout: Path) -> Node:
    """This node, from its state in ``folder``, which is made if it is missing. Durable when this returns.

    ``machine`` and ``boot`` are the ids of the machine and of its boot; another boot makes another incarnation. Any
    number of processes may begin at once, and get the same node. Raises Temporary when another one stays at it,
    OSError when the disk fails, SpoolError when a later wf has written the state.
    """
    sharing.make_folders(folder.parent)
    let_go = locks.take(f"{folder}.lock", timeout=LOCK_TIMEOUT)
    try:
        return _begin(folder, machine, boot, host, checkout)
    finally:
        let_go()


def store(folder: Path, now: Now) -> None:
    """Replace ``now.json``. Durable when this returns."""
    fsio.write_atomic(folder / "now.json", now.encode(), parents=False)


def _begin(folder: Path, machine: str, boot: str, host: str, checkout: Path) -> Node:
    put_aside = None
    found = _load(folder, machine) if fsio.exists(folder) else None
    if found is None:
        if fsio.exists(folder):
            put_aside = folder.with_name(f"{folder.name}.aside-{ids.nonce()}")
            os.rename(folder, put_aside)
        return _found(folder, machine, boot, host, checkout, put_aside)
    node, now = found
    if now.boot != boot:
        own = (*now.own, _new_incarnation())
        now = replace(now, boot=boot, incarnation=own[-1], own=own[-REMEMBERED:])
        store(folder, now)
    return Node(node, now, folder)


def _found(folder: Path, machine: str, boot: str, host: str, checkout: Path, put_aside: Path | None) -> Node:
    fsio.make_folder(folder)
    incarnation = _new_incarnation()
    now = Now(boot, incarnation, (incarnation,))
    store(folder, now)
    node = f"{ids.component(host, limit=ids.NODE_ID_LIMIT - 7)}-{os.urandom(3).hex()}"
    value = {"format": FORMAT, "node": node, "stamp": asdict(Stamp.of(folder, machine)), "checkout": str(checkout)}
    # The id comes last: state without one belongs to nobody, and is put aside.
    fsio.write_atomic(folder / "node.json", json.dumps(value) + "\n", parents=False)
    fsio.sync_dir(folder.parent)
    return Node(node, now, folder, fresh=True, put_aside=put_aside)


def _load(folder: Path, machine: str) -> tuple[str, Now] | None:
    """Id and state; None when they are not this machine's, or not whole."""
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        value = json.loads(fsio.read_regular(folder / "node.json", LIMIT))
        if isinstance(value["format"], int) and value["format"] > FORMAT:
            raise SpoolError(
                f"{folder / 'node.json'} has the format {value['format']}; this wf knows format {FORMAT}",
                hint="use the wf version that wrote it",
                code="NODE_VERSION",
            )
        stamp = value["stamp"]
        if Stamp(stamp["machine"], stamp["device"], stamp["inode"]) != Stamp.of(folder, machine):
            return None
        if not ids.is_node_id(value["node"]):
            return None
        return value["node"], Now.decode(fsio.read_regular(folder / "now.json", LIMIT))
    return None


def _new_incarnation() -> str:
    return os.urandom(4).hex()
