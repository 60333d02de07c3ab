"""Where the file of an agent's program is. It imports next to nothing, because every list of jobs asks for it."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path


def find(name: str, *, root: Path, environment: Mapping[str, str]) -> str | None:
    """The executable ``name``: on the agent's PATH, or relative to the checkout when it has a slash."""
    if os.sep in name:
        path = root / name
        return str(path) if path.is_file() and os.access(path, os.X_OK) else None
    return shutil.which(name, path=environment.get("PATH", os.defpath))


def absence(name: str, *, root: Path, environment: Mapping[str, str]) -> tuple[str, str | None] | None:
    """Why the program ``name`` cannot be started, and the command that repairs it, if one does.

    None when it can.

    A file that is there and may not be executed is another thing than none: `chmod` repairs it.
    """
    if find(name, root=root, environment=environment) is not None:
        return None
    folders = [] if os.sep in name else environment.get("PATH", os.defpath).split(os.pathsep)
    places = [Path(folder) / name for folder in folders if folder] or [root / name]
    closed = next((path for path in places if path.is_file()), None)
    if closed is not None:
        return f"{closed} is not executable", f"chmod +x {shlex.quote(str(closed))}"
    return (f"{root / name} does not exist" if os.sep in name else f"{name} is not on PATH"), None
