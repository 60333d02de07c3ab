"""The project's brief and its log: ``wf project``, ``wf log``, ``wf recap``.

People and other tools may have written into the files. Reading skips lines of the log that are no entries, and
writing keeps them where they are (docs/explanation/compatibility.md, quirk 19).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wf_cli import fsio, ids
from wf_cli.clock import iso
from wf_cli.errors import StateError, UsageError
from wf_cli.frozen import frozen
from wf_cli.workflow import files, grammar
from wf_cli.workflow.project import Project

#: How many entries the log keeps. Older ones are dropped when one is added.
MAX_ENTRIES = 500
#: How many entries the readable log shows.
MAX_SHOWN = 100
DEFAULT_LIMIT = 8
MAX_LIMIT = 50

_EPOCH = "1970-01-01T00:00:00.000Z"


@frozen
class Memory:
    """The paths of the brief and the log of one scope."""

    directory: Path
    scope: str | None

    @property
    def brief_json(self) -> Path:
        return self.directory / "project-brief.json"

    @property
    def brief_md(self) -> Path:
        return self.directory / "project-brief.md"

    @property
    def log_jsonl(self) -> Path:
        return self.directory / "project-memory.jsonl"

    @property
    def log_md(self) -> Path:
        return self.directory / "project-memory.md"


@frozen
class Recap:
    """The brief and the newest entries, newest first, in the form of their JSON."""

    memory: Memory
    brief: dict[str, Any] | None
    total_entries: int
    entries: tuple[dict[str, Any], ...]


def scope_name(text: str) -> str | None:
    """The folder name of a scope; None for none. UsageError for one that would leave ``.wf/scopes``."""
    name = re.sub(r"[^a-z0-9._-]+", "-", grammar.trim(text).lower())
    name = re.sub(r"-+", "-", name).removeprefix("-").removesuffix("-")
    if name in (".", ".."):
        raise UsageError(
            f"{text!r} is no scope name", hint="use letters, digits, dots and dashes", code="INVALID_ARGS"
        )
    return name or None


def memory_of(project: Project, scope: str | None = None) -> Memory:
    """The memory of the project, or of one of its scopes. Creates nothing."""
    name = scope_name(scope) if scope is not None else None
    base = project.root / ".wf"
    return Memory(base / "scopes" / name if name else base, name)


def write_brief(
    project: Project,
    memory: Memory,
    summary: str,
    *,
    product: str | None = None,
    users: str | None = None,
    stack: str | None = None,
    constraints: Iterable[str] = (),
    success: Iterable[str] = (),
) -> dict[str, Any]:
    """Replace the brief as a whole and return it."""
    brief: dict[str, Any] = {"summary": _summary(summary)}
    for key, value in (("product", product), ("users", users), ("stack", stack)):
        if value is not None and grammar.trim(value):
            brief[key] = grammar.trim(value)
    brief["constraints"] = list(constraints)
    brief["successCriteria"] = list(success)
    with project.lock("memory"):
        brief["updatedAt"] = iso(project.clock.now_ms())
        rows = [("updated_at", brief["updatedAt"]), ("summary", brief["summary"])]
        rows += [(key, brief.get(key)) for key in ("product", "users", "stack")]
        rows += [("constraints", brief["constraints"]), ("success_criteria", brief["successCriteria"])]
        fsio.write_json(memory.brief_json, brief)
        fsio.write_through(memory.brief_md, "# Project Brief\n\n" + _bullets(rows))
    return brief


def add_entry(
    project: Project,
    memory: Memory,
    summary: str,
    *,
    phase: str | None = None,
    about: str | None = None,
    implemented: Iterable[str] = (),
    next_steps: Iterable[str] = (),
) -> dict[str, Any]:
    """Append one entry to the log and return it."""
    entry: dict[str, Any] = {"id": ids.nonce(), "timestamp": "", "summary": _summary(summary)}
    for key, value in (("phase", phase), ("about", about)):
        if value is not None and grammar.trim(value):
            entry[key] = grammar.trim(value)
    entry["implemented"] = list(implemented)
    entry["next"] = list(next_steps)
    with project.lock("memory"):
        entry["timestamp"] = iso(project.clock.now_ms())  # Taken under the lock, so that the log is in order of time.
        old = (files.read_text(memory.log_jsonl) or "").split("\n")
        kept = _newest([line for line in old if grammar.trim(line)], MAX_ENTRIES - 1)
        kept.append(json.dumps(entry, ensure_ascii=False))
        fsio.write_through(memory.log_jsonl, "\n".join(kept) + "\n")
        shown = [read for line in kept if (read := _entry(line)) is not None][-MAX_SHOWN:]
        blocks = [f"## {one['timestamp']}\n\n{_bullets(_rows(one))}" for one in reversed(shown)]
        fsio.write_through(memory.log_md, "# Project Memory\n\n" + "\n".join(blocks))
    return entry


def recap(memory: Memory, limit: int = DEFAULT_LIMIT) -> Recap:
    """The brief and up to ``limit`` entries, newest first. Creates nothing."""
    text = files.read_text(memory.log_jsonl) or ""
    entries = [entry for line in text.split("\n") if (entry := _entry(line)) is not None]
    newest = entries[::-1][: max(1, min(limit, MAX_LIMIT))]
    return Recap(memory, _brief(memory), len(entries), tuple(newest))


def _newest(lines: list[str], count: int) -> list[str]:
    """``lines`` without the oldest entries beyond ``count``. Lines that are no entries all stay."""
    surplus = sum(_entry(line) is not None for line in lines) - count
    kept = []
    for line in lines:
        if surplus > 0 and _entry(line) is not None:
            surplus -= 1
        else:
            kept.append(line)
    return kept


def _summary(text: str) -> str:
    summary = grammar.trim(text)
    if not summary:
        raise UsageError("the summary is empty", hint="say in one line what it is about", code="INVALID_ARGS")
    return summary


def _entry(line: str) -> dict[str, Any] | None:
    """The entry in a line of the log, normalised; None for a line that holds none."""
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict):
        return None
    summary, timestamp = _string(raw, "summary"), _string(raw, "timestamp")
    if summary is None or timestamp is None:
        return None
    derived = hashlib.sha256(f"{timestamp}\n{summary}".encode("utf-8", "replace")).hexdigest()[:16]
    entry: dict[str, Any] = {
        "id": _string(raw, "id") or derived,
        "timestamp": timestamp,
        "summary": summary,
    }
    for key in ("phase", "about"):
        if (value := _string(raw, key)) is not None:
            entry[key] = value
    return entry | {"implemented": _strings(raw, "implemented"), "next": _strings(raw, "next")}


def _brief(memory: Memory) -> dict[str, Any] | None:
    """The stored brief, normalised; None when there is none that can be used."""
    try:
        raw = fsio.read_json_object(memory.brief_json)
    except StateError:  # A recap shows the rest; writing a new brief repairs the file.
        return None
    summary = _string(raw, "summary") if raw else None
    if raw is None or summary is None:
        return None
    brief: dict[str, Any] = {"summary": summary}
    for key in ("product", "users", "stack"):
        if (value := _string(raw, key)) is not None:
            brief[key] = value
    brief["constraints"] = _strings(raw, "constraints")
    brief["successCriteria"] = _strings(raw, "successCriteria")
    brief["updatedAt"] = _string(raw, "updatedAt") or _EPOCH
    return brief


def _string(raw: dict[str, Any], key: str) -> str | None:
    value = raw.get(key)
    return (grammar.trim(value) or None) if isinstance(value, str) else None


def _strings(raw: dict[str, Any], key: str) -> list[str]:
    value = raw.get(key)
    if not isinstance(value, list):
        return []
    return [text for item in value if isinstance(item, str) and (text := grammar.trim(item))]


def _rows(entry: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(key, entry.get(key)) for key in ("summary", "phase", "about", "implemented", "next")]


def _bullets(rows: Iterable[tuple[str, Any]]) -> str:
    """Markdown bullets. Lists are nested, empty values are left out, and line breaks in a value become blanks."""
    text = ""
    for name, value in rows:
        if isinstance(value, list):
            if value:
                text += f"- {name}:\n" + "".join(f"  - {grammar.one_line(item)}\n" for item in value)
        elif value:
            text += f"- {name}: {grammar.one_line(value)}\n"
    return text
