"""Are the sub-agents ready for an epic? Checked before ``epic run`` and ``resume``."""

from __future__ import annotations

from pathlib import Path

from wf_cli import ecmascript, fsio
from wf_cli.agents.subagents import ROLES, SubagentModels
from wf_cli.frozen import frozen

#: Characters, without the blanks around them, below which an agent file counts as a stub.
MIN_CHARACTERS = 32
_REQUIRED_KEYS = ("name:", "model:", "description:")


@frozen
class RoleCheck:
    """One role: are its files usable, and which model would it use in Cursor?"""

    role: str
    cursor_file_ok: bool
    opencode_file_ok: bool
    model: str


@frozen
class Preflight:
    """The result for all roles; only errors stop an epic."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    roles: tuple[RoleCheck, ...]

    @property
    def ok(self) -> bool:
        return not self.errors


def check(root: Path) -> Preflight:
    """Look at the model configuration and the agent files of both tools. Read-only."""
    configured = SubagentModels(root)
    validation = configured.validate()
    errors, warnings = list(validation.errors), list(validation.warnings)
    roles = []
    for role in ROLES:
        cursor = root / ".cursor" / "agents" / f"{role}.md"
        opencode = root / ".opencode" / "agents" / f"{role}.md"
        cursor_ok, opencode_ok = _usable(cursor, _REQUIRED_KEYS), _usable(opencode, _REQUIRED_KEYS[1:])
        if not cursor_ok:
            errors.append(f"{cursor} is missing or has no name, model and description")
        if not opencode_ok:
            warnings.append(f"{opencode} is missing or has no model and description")
        roles.append(RoleCheck(role, cursor_ok, opencode_ok, configured.cursor_model(role)))
    return Preflight(tuple(errors), tuple(warnings), tuple(roles))


def _usable(path: Path, keys: tuple[str, ...]) -> bool:
    try:
        text = fsio.read_regular(path, follow=True).decode("utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: it is no regular file.
        return False
    return len(ecmascript.trim(text)) >= MIN_CHARACTERS and all(key in text for key in keys)
