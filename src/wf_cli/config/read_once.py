"""A configuration whose text was read before, without the YAML reader, whose import takes longer than a list of jobs.

What a text means is kept in the user's cache (``$XDG_CACHE_HOME/wf/config``, else ``~/.cache/wf/config``), together
with the text. It counts only for the very same text, and only while the code that read it is the same, so it cannot
be out of date. A file that somebody else could have written does not count. Without a cache (no home, a read-only
disk) YAML is read each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wf_cli import fsio
from wf_cli.config import document as documents
from wf_cli.config.document import Document

#: Texts that are kept. The one that was read first goes first.
MOST = 32
#: Bytes of a kept file that are read at most: the text, and what it means.
_LIMIT = 8 * documents.SIZE_LIMIT


def document(path: Path, environ: Mapping[str, str]) -> Document:
    """`document.read`, without the YAML node, which only edits need."""
    text = documents.text_of(path)
    folder = _folder(environ)
    if folder is None or path.suffix == ".json":
        return documents.parse(path, text)
    kept = folder / f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}-{len(text)}.json"
    found = _kept(kept, path, text)
    if found is None:
        found = documents.parse(path, text)
        with contextlib.suppress(OSError, ValueError):  # Whoever has no room for a cache has none.
            _keep(kept, found)
    return found


def _folder(environ: Mapping[str, str]) -> Path | None:
    given, home = environ.get("XDG_CACHE_HOME", ""), environ.get("HOME", "")
    if not os.path.isabs(given):  # Its specification has other values ignored.
        given = f"{home}/.cache" if os.path.isabs(home) else ""
    return Path(given, "wf", "config") if given else None


def _kept(kept: Path, path: Path, text: str) -> Document | None:
    """What was kept for ``text``; None when nothing was, or when anybody else could have."""
    try:
        data, info = fsio.read_with_info(kept, _LIMIT)
        if info.st_uid != os.geteuid() or info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return None
        value = json.loads(data)
        if value["text"] != text or value["reader"] != _reader() or not isinstance(value["value"], dict):
            return None
        return Document(path, text, value["value"], {tuple(at): int(line) for *at, line in value["lines"]})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _keep(kept: Path, found: Document) -> None:
    value = {
        "reader": _reader(),
        "text": found.text,
        "value": found.value,
        "lines": [[*at, line] for at, line in found.lines.items()],
    }
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fsio.write_atomic(kept, json.dumps(value), durable=False, parents=False, mode=0o600)
    _forget_oldest(kept.parent)


def _forget_oldest(folder: Path) -> None:
    files = [folder / name for name in os.listdir(folder)]
    if len(files) > MOST:
        files.sort(key=_written_ns)
        for one in files[: len(files) - MOST]:
            fsio.unlink_quietly(one)


def _written_ns(path: Path) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:  # Another process has removed it.
        return 0


def _reader() -> list[Any]:
    """Which code reads texts, as far as a look at its file tells: another version of wf may read them otherwise."""
    info = os.stat(documents.__file__)
    return [documents.__file__, info.st_size, info.st_mtime_ns]
