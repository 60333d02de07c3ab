"""Files that tools leave behind in a checkout (caches, compiled files, reports, editor files). They are not work.

A pattern without a slash is the name of a file or folder anywhere in the project, and stands for everything in
that folder too. A pattern with a slash is a path from the project's root. ``*``, ``?`` and ``[abc]`` match within a
name; ``**`` as a whole part of a path matches any number of folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from functools import cached_property

#: Names that tools choose. Names that people also give to sources (``build``, ``coverage``, ``venv``) are left out.
#: A source that is taken for a leftover fails a job that did its work. A leftover that is taken for work only lets an
#: idle job pass.
BUILT_IN = (
    # Python
    "__pycache__", "*.pyc", "*.pyo", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox",
    ".venv", "*.egg-info", ".coverage", ".coverage.*", "coverage.xml", "htmlcov", ".ipynb_checkpoints",
    # JavaScript
    "node_modules", ".nyc_output", "lcov.info", "lcov-report", "coverage-final.json", "clover.xml", ".eslintcache",
    ".stylelintcache", "*.tsbuildinfo", ".parcel-cache", ".turbo", ".vite",
    # other tools, and names that several tools use
    ".cache", ".gradle", ".gocache", ".phpunit.result.cache", "*.profraw", "*.gcda", "*.gcno", "*.log",
    # editors, patch and merge
    "*.swp", "*.swo", "*~", ".#*", "#*#", "*.orig", "*.rej",
    # operating systems
    ".DS_Store", "Thumbs.db", "desktop.ini",
)  # fmt: skip

#: The state of wf itself, which its commands write while an agent works. No setting makes it count as work.
OWN_STATE = (
    ".wf", ".cursor/session", ".opencode/session",
    "plans/*/state.json", "epics/*/state.json", "epics/*/plans-map.yaml", "epics/*/report.md",
)  # fmt: skip


def in_force(given: Iterable[str]) -> tuple[str, ...]:
    """The built-in patterns and those ``given``. ``!*.log`` among ``given`` takes the built-in ``*.log`` out."""
    given = tuple(given)
    kept = (pattern for pattern in BUILT_IN if f"!{pattern}" not in given)
    return (*kept, *(pattern for pattern in given if not pattern.startswith("!")))


@dataclass(frozen=True)
class Patterns:
    """Patterns that match paths, and that can be handed to git."""

    texts: Sequence[str]

    def git_excludes(self) -> list[str]:
        """Pathspecs that exclude the files of these patterns, for a git that runs in the project's root."""
        out = []
        for parts in self._parts:
            anywhere = "**/" if len(parts) == 1 else ""
            path = anywhere + "/".join(parts)
            out += [f":(exclude,glob){path}", f":(exclude,glob){path}/**"]
        return out

    def cover(self, path: str) -> bool:
        """Whether ``path`` (relative, with slashes), or a folder on the way to it, matches."""
        names = path.split("/")
        if any(self._name.fullmatch(name) for name in names):
            return True
        return any(_starts(parts, names) for parts in self._parts if len(parts) > 1)

    @cached_property
    def _parts(self) -> list[list[str]]:
        return [parts for text in self.texts if (parts := [part for part in text.split("/") if part])]

    @cached_property
    def _name(self) -> re.Pattern[str]:
        """All patterns of one part as one expression, which is faster, because a checkout has many names."""
        single = [translate(parts[0]) for parts in self._parts if len(parts) == 1]
        return re.compile("|".join(single) or r"(?!)")


def _starts(parts: Sequence[str], names: Sequence[str]) -> bool:
    """Whether ``parts`` match the beginning of ``names``."""
    if not parts:
        return True
    if parts[0] == "**":
        return any(_starts(parts[1:], names[skipped:]) for skipped in range(len(names)))
    return bool(names) and fnmatchcase(names[0], parts[0]) and _starts(parts[1:], names[1:])
