"""The registration of `wf mcp` with both editors: one entry in a file that belongs to the user.

Everything else in the file stays as it was written (`json_edit`). A file that is not understood as a whole (it has
comments, a key twice, or is no JSON) is left alone, and the user is told why, and which lines to add.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from wf_cli import fsio
from wf_cli.assets import json_edit
from wf_cli.assets.bundle import Tool
from wf_cli.frozen import frozen

NAME = "wf"


class Found(StrEnum):
    """What became of a registration."""

    ADDED = "added"
    #: The file has an entry called wf. It belongs to the user, so it stays whatever it says.
    THERE = "there"
    #: The file was left alone; `Registration.advice` says what to add.
    LEFT = "left"


@frozen
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


@frozen
class Done:
    """What was done for one editor, in which file."""

    registration: Registration
    found: Found
    file: str
    #: Why the file was left alone, in words.
    why: str = ""


def register(root: Path) -> list[Done]:
    """Register `wf mcp` with both editors, for this project."""
    return [_register(root, registration) for registration in REGISTRATIONS]


def _register(root: Path, registration: Registration) -> Done:
    for name in registration.instead:
        if (root / name).exists():
            return Done(registration, Found.LEFT, name, "wf does not write files with comments")
    path = root / registration.file
    try:
        text = json_edit.decode(fsio.read_regular(path, follow=True))
    except FileNotFoundError:
        text = ""
    except OSError as error:
        return Done(registration, Found.LEFT, registration.file, f"it cannot be read: {error.strerror or error}")
    except ValueError as error:  # not UTF-8, or no regular file
        return Done(registration, Found.LEFT, registration.file, str(error))
    new = not text.removeprefix("\ufeff").strip()
    if new:
        text = json.dumps(dict(registration.heading), indent=2) + "\n"
    try:
        document = json_edit.parse(text)
    except ValueError as error:
        return Done(registration, Found.LEFT, registration.file, str(error))
    section = document.get(registration.section, {})
    if not isinstance(section, dict):
        why = f"its {registration.section} is no object"
        return Done(registration, Found.LEFT, registration.file, why)
    if NAME in section:
        return Done(registration, Found.THERE, registration.file)
    fsio.write_through(path, json_edit.added(text, registration.section, NAME, registration.entry))
    return Done(registration, Found.ADDED, registration.file)
