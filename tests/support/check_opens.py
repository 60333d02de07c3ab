"""Who opens files: ``anchored``, ``fsio``, ``locks`` and ``proc``, and nobody else but for a reason that stands here.

A shared folder may hold a FIFO, a link or a device under any name. `fsio.open_regular` is the one function that is
made for that, so no other module may open a path of the spool or of the project by itself. Nor may it make a folder
there, which needs the rights of the folders around it (`wf_cli.sharing`). `make check` runs this module.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "wf_cli"
#: Modules whose work it is.
OPENERS = frozenset({"anchored.py", "fsio.py", "locks.py", "proc.py", "sharing.py"})
#: Calls that open a file, or make a folder, by a path.
FUNCTIONS = frozenset({"open", "io.open", "codecs.open", "os.open", "os.mkdir", "os.makedirs", "os.mkfifo",
                       "shutil.copy", "shutil.copy2", "shutil.copyfile"})  # fmt: skip
#: Packages that use a spool, where any folder may have become a link. They reach names through `wf_cli.anchored`.
OF_THE_SPOOL = ("attempt/", "eventlog/", "queue/", "spool/", "views/", "worker/")
BY_PATH = frozenset({"os.stat", "os.lstat", "os.listdir", "os.scandir", "os.rename", "os.replace", "os.link",
                     "os.unlink", "os.remove", "os.rmdir", "os.chmod", "os.utime", "os.walk"})  # fmt: skip
LOOKS = frozenset({"exists", "is_dir", "is_file", "stat", "lstat", "iterdir", "unlink", "rename", "rmdir", "glob",
                   "rglob"})  # fmt: skip
METHODS = frozenset({"read_text", "read_bytes", "write_text", "write_bytes", "touch", "mkdir"})
#: Functions of our own that have a method's name.
_MODULES = ("fsio.", "layout.", "anchored.", "entry.")
OWN = frozenset({"files.read_text", "turn.open"})
#: Module -> call -> why it may stay. None of these paths lies in a spool that others write.
ALLOWED = {
    "assets/bundle.py": {".read_text": "texts of this package"},
    "config/read_once.py": {".mkdir": "the cache of the user, whose mode is not that of a project"},
    "cli/frame/foreground.py": {"os.open": "the terminal, by the name that the system has for it"},
    "cli/frame/json_values.py": {".read_bytes": "a file that the user names, which may be a pipe"},
    "cli/frame/streams.py": {"open": "descriptor 0", "os.open": "/dev/null"},
    "demo.py": {".mkdir": "a project of its own", "open": "a project of its own"},
    "doctor/folder.py": {
        ".mkdir": "a scratch folder of its own",
        ".touch": "a scratch folder of its own",
        "os.open": "a scratch folder of its own",
    },
    "editor/keeper_process.py": {"os.open": "/dev/null"},
    "mounts.py": {"os.open": "a folder, by O_PATH, to ask the kernel for its mount"},
    "planjobs/prompts/__init__.py": {".read_text": "texts of this package"},
    "runtimes/process/launcher.py": {"os.open": "/dev/null, and a part, with O_EXCL and without fsio's imports"},
    "runtimes/scripted/agent.py": {
        ".mkdir": "the work of an agent in its checkout",
        ".open": "the work of an agent in its checkout",
        ".read_text": "the work of an agent in its checkout",
        ".write_text": "the work of an agent in its checkout",
    },
    "schema.py": {".read_text": "schemas of this package"},
    "spool/change.py": {"os.stat": "the root of the spool"},
    "spool/layout.py": {".exists": "in the root of the spool", ".mkdir": "the root of a local spool, by the umask"},
    "spool/place.py": {"os.link": "in a folder above the spool, or its root"},
    "spool/watch.py": {"open": "/dev/null", ".read_text": "/proc/sys"},
    "spool/synced.py": {".is_dir": "marks of services in folders above the spool"},
    "views/explain.py": {".read_text": "/proc/locks"},
    "views/trace/page.py": {".read_text": "texts of this package"},
    "views/transcripts.py": {".exists": "a method of its own"},
    "workflow/plans.py": {
        ".mkdir": "folders of plans and epics; a shared one is opened to its group before it appears"
    },
}


def looks(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each call in ``tree`` that reaches a name by its whole path."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = ast.unparse(node.func)
            if name in BY_PATH:
                yield node.lineno, name
            elif node.func.attr in LOOKS and not name.startswith(_MODULES):
                yield node.lineno, f".{node.func.attr}"


def openings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each call in ``tree`` that opens a file or makes a folder."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "io", "codecs", "shutil"):
            yield from ((node.lineno, n) for a in node.names if (n := f"{node.module}.{a.name}") in FUNCTIONS)
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in FUNCTIONS:
            yield node.lineno, name
        elif isinstance(node.func, ast.Attribute) and name not in OWN and _is_of_a_path(node, node.func.attr):
            yield node.lineno, f".{node.func.attr}"


def _is_of_a_path(node: ast.Call, name: str) -> bool:
    """Whether it is a method of a path. The ``open`` of one has a mode or nothing; others called so have more."""
    if name != "open":
        return name in METHODS
    if not node.args and not node.keywords:
        return True
    values = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
    return any(
        isinstance(v, ast.Constant) and isinstance(v.value, str) and set(v.value) <= set("rwxabt+") for v in values
    )


def problems(source: Path = SOURCE) -> list[str]:
    """What is not allowed, and what is allowed for nothing."""
    found, unused = [], {(module, call) for module, calls in ALLOWED.items() for call in calls}
    for path in sorted(source.rglob("*.py")):
        module = path.relative_to(source).as_posix()
        if module in OPENERS:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for line, call in (*openings(tree), *(looks(tree) if module.startswith(OF_THE_SPOOL) else ())):
            if call in ALLOWED.get(module, ()):
                unused.discard((module, call))
            else:
                found.append(f"{path}:{line}: {call}() reaches a path by itself; wf_cli.fsio has what it needs")
    return [
        *found,
        *(f"ALLOWED names {module}: {call}, which is not there any more" for module, call in sorted(unused)),
    ]


if __name__ == "__main__":
    wrong = problems()
    print(
        "\n".join(wrong) or "files are opened by fsio, locks and proc only", file=sys.stderr if wrong else sys.stdout
    )
    sys.exit(bool(wrong))
