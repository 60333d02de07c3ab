"""Lists of files with digests: what has to lie on a disk before the next agent begins (docs/explanation/synced.md).

A list is a file ``trees/<digest>.json``, named by the SHA-256 of its own content, so that a register names it
exactly. Its paths are compared with the disk, and never written. A path is relative, in NFC, and without ``..``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import field
from hashlib import sha256
from pathlib import Path
from typing import Any

from wf_cli import fsio, sharing
from wf_cli.contract import plain_json, shape
from wf_cli.errors import ContractError
from wf_cli.frozen import frozen

FORMAT = 1
#: Bytes of a list, and of one path in it.
LIMIT, PATH_LIMIT = 64 * 1024 * 1024, 4096
#: Seconds for which a list stays that no register names any more.
KEPT_S = 600.0

_NAME = re.compile(r"[0-9a-f]{64}", re.ASCII)
#: SHA-256 of a file's content, or after ``l:`` that of a link's target.
_DIGEST = re.compile(r"(?:l:)?[0-9a-f]{64}", re.ASCII)


@frozen
class Tree:
    """A list of files."""

    #: By path the digest of what lies there; None where nothing may lie.
    files: Mapping[str, str | None] = field(default_factory=dict)
    #: A folder that may hold nothing but what the list has; None when there is none.
    exact: str | None = None

    def encode(self) -> bytes:
        """The file's bytes; the same for equal lists. Raises ContractError for more than `LIMIT`."""
        value = {"format": FORMAT, "exact": self.exact, "files": dict(self.files)}
        data = (json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")) + "\n").encode()
        if len(data) > LIMIT:
            raise ContractError(
                f"the list of files has {len(data)} bytes; at most {LIMIT} are read", code="too_large"
            )
        return data

    @classmethod
    def decode(cls, data: bytes) -> Tree:
        """Raises ContractError for what is no list, or has a path that leads out of the checkout."""
        try:
            value = plain_json.loads(data.decode())
        except (ValueError, RecursionError) as error:
            raise ContractError(f"it is no JSON: {error!s:.200}", code="no_tree") from error
        record = shape.object_(value, required=("format", "exact", "files"))
        shape.exactly(record["format"], "format", FORMAT)
        exact = None if record["exact"] is None else path(record["exact"], "exact")
        files = {
            path(one, "files"): _digest(digest) for one, digest in shape.object_(record["files"], "files").items()
        }
        return cls(files, exact)


def path(value: Any, where: str = "") -> str:
    """``value`` as a path of a list. Raises WrongShape for one that is absolute, leads out, or is not in NFC."""
    text = shape.text(value, where, longest=PATH_LIMIT)
    parts = text.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in text or (os.sep != "/" and os.sep in text):
        raise shape.WrongShape(where, f"{text[:120]!a} is no path inside of the checkout")
    if unicodedata.normalize("NFC", text) != text:
        raise shape.WrongShape(where, f"{text[:120]!a} is not in NFC")
    return text


def _digest(value: Any) -> str | None:
    return None if value is None else shape.text(value, "files", _DIGEST)


def store(folder: Path, tree: Tree) -> str:
    """Write the list into ``folder`` under its digest, which this returns. Durable; a list that is there stays."""
    data = tree.encode()
    digest = sha256(data).hexdigest()
    target = folder / f"{digest}.json"
    if _is_there(target, data):
        return digest
    sharing.make_folders(folder)
    fsio.write_atomic(target, data, parents=False)
    return digest


def _is_there(target: Path, data: bytes) -> bool:
    try:
        return fsio.read_regular(target, LIMIT) == data
    except (OSError, ValueError):
        return False


def clear(folder: Path, keep: Collection[str], *, now_s: float) -> list[str]:
    """Remove lists of ours that no register of ours names any more; their names.

    ``keep`` are the digests that the present register names. Lists younger than `KEPT_S` by the file's own time stay,
    because a reader may be at an older register. ``now_s`` is the wall clock. A file that cannot be removed stays.
    """
    gone = []
    with contextlib.suppress(OSError):
        for name in fsio.names(folder):
            digest = name.removesuffix(".json")
            if _NAME.fullmatch(digest) is None or digest in keep or digest == name:
                continue
            with contextlib.suppress(OSError):
                if now_s - fsio.facts(folder / name).st_mtime > KEPT_S:
                    fsio.unlink_quietly(folder / name)
                    gone.append(name)
    return gone


def load(folder: Path, digest: str) -> Tree | None:
    """The list of this digest; None while it has not arrived whole. Raises ContractError for what is no list."""
    if _NAME.fullmatch(digest) is None:
        raise ContractError(f"{digest!a:.80} is no digest of a list", code="no_tree")
    try:
        data = fsio.read_regular(folder / f"{digest}.json", LIMIT)
    except (OSError, ValueError):
        return None
    return Tree.decode(data) if sha256(data).hexdigest() == digest else None
