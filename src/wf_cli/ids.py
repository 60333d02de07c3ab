"""Random names: nonces of published files, owner ids of sessions; and the names of owners on other nodes."""

from __future__ import annotations

import os
import re

#: Bytes of an owner id, which is part of file names in the spool (contract/token.py).
OWNER_LIMIT = 48

#: Begins the names of owners that stand for another node (docs/explanation/synced.md). No session is called so.
REMOTE_PREFIX = "at-"
#: Bytes of a node's id, so that a remote owner fits its limit.
NODE_ID_LIMIT = 28
_NODE_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?-[0-9a-f]{6}", re.ASCII)
_INCARNATION = re.compile(r"[0-9a-f]{8}", re.ASCII)


def nonce() -> str:
    """16 hex digits, new each time. A nonce tells two publications under one name apart."""
    return os.urandom(8).hex()


def worker_name(text: str) -> str | None:
    """The name by which a worker that was started with ``--id text`` can be drained; None when no letter or digit of
    it can stand in a file name."""
    if re.fullmatch(r"[a-z0-9][a-z0-9-]*(?<!-)", text) and len(text) <= OWNER_LIMIT:
        return text
    return component(text, limit=OWNER_LIMIT) if re.search(r"[a-z0-9]", text.lower()) else None


def component(text: str, *, limit: int) -> str:
    """``text`` reduced to ``[a-z0-9-]`` and at most ``limit`` bytes; ``x`` when nothing is left."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:limit].strip("-")
    return plain or "x"


def host_label() -> str:
    """This host's name as part of a file name. It is for people; hosts are never told apart by it."""
    import socket  # Imported here, because the import costs as much as listing a spool.

    return component(socket.gethostname().split(".")[0], limit=16)


def owner_id(prefix: str) -> str:
    """A session's name, never used again: ``<prefix>-<host>-<8 hex>``."""
    return f"{owner_prefix(prefix)}-{host_label()}-{os.urandom(4).hex()}"


def owner_prefix(name: str) -> str:
    """How the names of sessions begin that were started with ``--id name``. Never like that of a remote owner."""
    prefix = component(name, limit=OWNER_LIMIT - 26)
    if f"{prefix}-".startswith(REMOTE_PREFIX):
        return component(f"w-{prefix}", limit=OWNER_LIMIT - 26)
    return prefix


def is_node_id(text: str) -> bool:
    """Whether ``text`` is the id of a node: ``<host>-<6 hex>``, at most `NODE_ID_LIMIT` bytes."""
    return len(text) <= NODE_ID_LIMIT and _NODE_ID.fullmatch(text) is not None


def is_incarnation(text: str) -> bool:
    """Whether ``text`` names one boot of a node: 8 hex digits."""
    return _INCARNATION.fullmatch(text) is not None


def remote_owner(node: str, incarnation: str) -> str:
    """The owner under which the home claims a job for one boot of ``node``. ValueError when a part is no such id."""
    if not is_node_id(node) or not is_incarnation(incarnation):
        raise ValueError(f"{node!a:.60} is no node id, or {incarnation!a:.60} no incarnation")
    return f"{REMOTE_PREFIX}{node}-{incarnation}"


def remote_parts(owner: str) -> tuple[str, str] | None:
    """Node and incarnation of a remote owner; None for every other owner.

    The name alone tells, so it does whatever files are missing. The whole form counts: an older wf let sessions be
    called ``at-home-...``, and such a session can be found gone like any other.
    """
    if not owner.startswith(REMOTE_PREFIX) or len(owner) > OWNER_LIMIT:
        return None
    node, _, incarnation = owner.removeprefix(REMOTE_PREFIX).rpartition("-")
    return (node, incarnation) if is_node_id(node) and is_incarnation(incarnation) else None
