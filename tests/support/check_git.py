"""Who calls git: ``git.py``, and nobody else. `make check` runs this module.

A call elsewhere would take over ``GIT_DIR`` from a hook, run the hooks of a repository, or wait for a terminal.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "wf_cli"
#: Functions whose first argument is the name of a check of `wf doctor`.
_CHECKS = frozenset({"ok", "warn", "error", "guarded"})


def calls(tree: ast.AST) -> Iterator[int]:
    """The line of each list of arguments, and of each call, that begins with ``git``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple):
            first, name = node.elts[:1], ""
        elif isinstance(node, ast.Call):
            first, name = node.args[:1], ast.unparse(node.func)
        else:
            continue
        if first and _is_git(first[0]) and name not in _CHECKS:
            yield node.lineno


def _is_git(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.split(" ")[0] == "git"


def problems(source: Path = SOURCE) -> list[str]:
    """One line for each call of git outside ``git.py``."""
    found = []
    for path in sorted(source.rglob("*.py")):
        name = path.relative_to(source).as_posix()
        if name != "git.py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found += [f"{name}:{line}: calls git itself; wf_cli.git is the way to do that" for line in calls(tree)]
    return found


if __name__ == "__main__":
    told = problems()
    print(*told, sep="\n", end="\n" if told else "")
    sys.exit(bool(told))
