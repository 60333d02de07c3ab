"""Conflict markers of git in the files that commands read: states, documents of plans and epics, configuration."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from wf_cli import fsio, git
from wf_cli.doctor.check import Check, error, ok
from wf_cli.workflow import markdown

#: Where the files are, below the root.
_PLACES = (
    "plans/*/*.md", "plans/*/*.json", "epics/*/*.md", "epics/*/*.json", "wf.config.*", ".wf/*.json",
    ".cursor/session/*.json", ".opencode/session/*.json", ".cursor/mcp.json", "opencode.json",
)  # fmt: skip
#: The three kinds of lines in their order. A line of equals signs alone is a heading in Markdown.
_MARKERS = re.compile(r"^<{7}(?: .*)?$.*?^={7}$.*?^>{7}(?: .*)?$", re.MULTILINE | re.DOTALL)


def look(root: Path) -> Iterator[Check]:
    """One finding for each file with conflict markers, with the line of the first."""
    found = 0
    for path in sorted({path for place in _PLACES for path in root.glob(place)}):
        line = _line(path)
        if line is not None:
            found += 1
            name = str(path.relative_to(root))
            yield error("conflicts", f"{name}:{line}: a merge left conflict markers (<<<<<<<)", _remedy(root, name))
    if not found:
        yield ok("conflicts", "no file has conflict markers")


def _line(path: Path) -> int | None:
    """The line of the first marker; None without one. In Markdown, what stands in a code fence is text."""
    try:
        text = fsio.read_regular(path, follow=True).decode("utf-8", "replace")
    except (OSError, ValueError):  # Other checks say that it cannot be read.
        return None
    lines = text.splitlines()
    if path.suffix == ".md":
        skipped = markdown.quoted(lines)
        lines = ["" if n in skipped else line for n, line in enumerate(lines)]
    match = _MARKERS.search("\n".join(lines))
    return match.string.count("\n", 0, match.start()) + 1 if match is not None else None


def _remedy(root: Path, name: str) -> str:
    """The command with which a person decides: git's own while the merge goes on, an editor afterwards."""
    quoted = shlex.quote(name)
    unmerged = bool(git.output(root, "ls-files", "--unmerged", "--", name))
    return f"git mergetool -- {quoted}" if unmerged else f"${{EDITOR:-vi}} {quoted}"
