"""The registration of `wf mcp` with both editors: one entry in a file that belongs to the user.

Everything else in the file stays, in its order. A file that cannot be changed without a loss (it has comments, a key
twice, or is no JSON) is left alone, and the user is told which lines to add.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from wf_cli import fsio
from wf_cli.assets.bundle import Tool

NAME = "wf"


class Found(StrEnum):
    """What became of a registration."""

    ADDED = "added"
    #: The file has an entry called wf. It belongs to the user, so it stays whatever it says.
    THERE = "there"
    #: The file was left alone; `Registration.advice` says what to add.
    LEFT = "left"


@dataclass(frozen=True)
class Registration:
    """Where an editor looks for MCP servers, and what it wants to read there."""

    tool: Tool
    file: str
    section: str
    entry: Mapping[str, Any]
    #: Further keys of a new file.
    heading: Mapping[str, Any]
    #: Files that the editor prefers where one exists. This module cannot write them.
    instead: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """The lines to add by hand."""
        return json.dumps({self.section: {NAME: dict(self.entry)}}, indent=2)


REGISTRATIONS = (
    # Cursor may start a server in the home directory. It replaces this variable by the folder that is open.
    Registration(
        "cursor",
        ".cursor/mcp.json",
        "mcpServers",
        {"command": "wf", "args": ["mcp"], "env": {"WF_ROOT": "${workspaceFolder}"}},
        {},
    ),
    Registration(
        "opencode",
        "opencode.json",
        "mcp",
        {"type": "local", "command": ["wf", "mcp"], "enabled": True},
        {"$schema": "https://opencode.ai/config.json"},
        instead=("opencode.jsonc",),
    ),
)


@dataclass(frozen=True)
class Done:
    """What was done for one editor, in which file."""

    registration: Registration
    found: Found
    file: str


def register(root: Path) -> list[Done]:
    """Register `wf mcp` with both editors, for this project."""
    return [_register(root, registration) for registration in REGISTRATIONS]


def _register(root: Path, registration: Registration) -> Done:
    for name in registration.instead:
        if (root / name).exists():
            return Done(registration, Found.LEFT, name)
    path = root / registration.file
    try:
        stored = fsio.read_regular(path, follow=True).decode("utf-8")
    except FileNotFoundError:
        stored = ""
    except (OSError, ValueError):  # ValueError: not UTF-8, or no regular file
        return Done(registration, Found.LEFT, registration.file)
    text = stored.replace("\r\n", "\n")
    document = _parse(text) if text.strip() else dict(registration.heading)
    section = document.setdefault(registration.section, {}) if document is not None else None
    if document is None or not isinstance(section, dict):
        return Done(registration, Found.LEFT, registration.file)
    if NAME in section:
        return Done(registration, Found.THERE, registration.file)
    section[NAME] = dict(registration.entry)
    end = "\n" if not text or text.endswith("\n") else ""
    new = json.dumps(document, indent=_indent(text), ensure_ascii=False) + end
    fsio.write_through(path, new.replace("\n", "\r\n") if "\r\n" in stored else new)
    return Done(registration, Found.ADDED, registration.file)


def _parse(text: str) -> dict[str, Any] | None:
    """The object in ``text``; None when writing it again would lose something."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands there twice")
        return found

    try:
        value = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _indent(text: str) -> int | str:
    """The indentation that the file has."""
    match = re.search(r"\n([ \t]+)\S", text)
    return match[1] if match is not None else 2
