"""Random names: nonces of published files, owner ids of sessions."""

from __future__ import annotations

import os
import re

#: Bytes of an owner id, which is part of file names in the spool (contract/token.py).
OWNER_LIMIT = 48


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
    """How the names of sessions begin that were started with ``--id name``."""
    return component(name, limit=OWNER_LIMIT - 26)
