"""What was told already, ``notified/<name>.json``: a mark by exclusive link, which exactly one process can make.

Many processes see at the same time that an epic is blocked, or that an event has to be handed on. The one that makes
the mark tells, and the others keep quiet. The mark comes first, so what it is about is told at most once: a process
that dies right after the link has told nothing, and nobody does it in its place.
"""

from __future__ import annotations

import hashlib
import json

from wf_cli import fsio, ids
from wf_cli.contract import text
from wf_cli.spool.layout import Spool

FOLDER = "notified"
#: The beginnings of the names: marks about an epic, those of events that were handed on (`wf_cli.notify`), and those
#: of entries of ``notify`` that fail.
EPIC, EVENT, FAILING = "epic", "event", "failing"
#: Bytes of a mark that are read.
_LIMIT = 64 * 1024


def name_of(kind: str, subject: str, *facts: object) -> str:
    """The name for what ``facts`` identify. Equal facts give equal names, in every process."""
    digest = hashlib.sha256(json.dumps([str(fact) for fact in facts]).encode()).hexdigest()[:24]
    return f"{kind}-{subject}-{digest}" if subject else f"{kind}-{digest}"


def first(spool: Spool, name: str, *, by: str, **facts: str) -> bool:
    """Whether this call is the first of all with this name. Durable when it returns. Raises OSError, SpoolMissing.

    The mark holds ``by`` and ``facts``, for people. After an OSError it is not known who was first, and the caller
    must not tell. A mark that a power cut took away was not durable, so nobody has acted on it.
    """
    if is_marked(spool, name):  # The usual answer, without a write.
        return False
    content = json.dumps({"by": by, **facts, "nonce": ids.nonce()}) + "\n"
    with spool.part(content.encode()) as part:
        ours = spool.publish(part, FOLDER, f"{name}.json")
    if ours:
        spool.sync(FOLDER)
    return ours


def is_marked(spool: Spool, name: str) -> bool:
    """Whether somebody was first already. Raises OSError."""
    return fsio.exists(spool.path(FOLDER, f"{name}.json"))


def forget(spool: Spool, name: str) -> bool:
    """Remove a mark, so that there can be a first one again; whether there was one. Raises OSError."""
    return fsio.unlink_quietly(spool.path(FOLDER, f"{name}.json"))


def failing(spool: Spool) -> dict[str, dict[str, str]]:
    """The facts of the entries of ``notify`` that fail now, by mark, as far as the marks can be read."""
    out = {}
    for name in _names(spool):
        if name.startswith(f"{FAILING}-"):
            try:
                value = json.loads(fsio.read_regular(spool.path(FOLDER, name), _LIMIT))
            except (OSError, ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                facts = {key: text.line(v, 400) for key, v in value.items() if isinstance(v, str)}
                out[name.removesuffix(".json")] = facts
    return out


def forget_epic(spool: Spool, epic_id: str) -> None:
    """Remove the marks of a purged epic, so that another one of its number is told of again."""
    for name in _names(spool):
        if name.startswith(f"{EPIC}-{epic_id}-"):
            fsio.unlink_quietly(spool.path(FOLDER, name))


def old_events(spool: Spool, *, before_ms: int) -> list[str]:
    """The names of marks of events, and of entries that fail, made before ``before_ms`` (wall clock). Those of epics
    stay."""
    out = []
    for name in _names(spool):
        if name.startswith((f"{EVENT}-", f"{FAILING}-")):
            try:
                made_ms = fsio.facts(spool.path(FOLDER, name)).st_mtime * 1000
            except FileNotFoundError:
                continue
            if made_ms < before_ms:
                out.append(name)
    return out


def _names(spool: Spool) -> list[str]:
    try:
        return sorted(fsio.names(spool.folder(FOLDER)))
    except FileNotFoundError:
        return []
