"""The home of every call of git, and of the variables by which git is sent to another repository.

Git sets ``GIT_DIR`` and its kin for the programs that it starts: hooks, ``git rebase --exec``, aliases. A wf that is
started there inherits them, and so would its agents, whose ``git commit`` would go to the wrong repository. wf
therefore hands none of them on, and makes its own calls without them.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

#: Seconds for one git command. A checkout of hundreds of thousands of files takes some.
LIMIT = 60.0
#: The variables that say where repository, work tree, index or objects are, or what of them is seen. They are those
#: of `git rev-parse --local-env-vars` without the configuration, which people set on purpose, and a few more.
REDIRECTS = frozenset({
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_PREFIX", "GIT_NAMESPACE", "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE", "GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE", "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_QUARANTINE_PATH",
})  # fmt: skip
#: Variables that give pathspecs another meaning. wf's own calls write theirs for the usual one.
_PATHSPECS = frozenset({
    "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS",
})  # fmt: skip


def without_redirects(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` for a program that works in the checkout: an agent, a check, another wf."""
    return {name: value for name, value in environ.items() if name not in REDIRECTS}


def environment() -> dict[str, str]:
    """The environment of wf's own calls of git."""
    return {name: value for name, value in without_redirects(os.environ).items() if name not in _PATHSPECS}


def run(root: Path, out: IO[bytes], *arguments: str, limit: float = LIMIT) -> bool:
    """Run git in ``root`` with its output in the file ``out``; False when it fails, is not there, or takes too long.

    Git takes no optional locks and asks no file system monitor, because an agent's own git may be at work.
    """
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *arguments],
            cwd=root,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.DEVNULL,
            timeout=limit,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def output(root: Path, *arguments: str, limit: float = LIMIT) -> bytes | None:
    """What git says in ``root``; None where `run` says False. The output may be as large as the files are.

    Raises OSError when there is no room for a temporary file.
    """
    with tempfile.TemporaryFile() as out:
        if not run(root, out, *arguments, limit=limit):
            return None
        out.seek(0)
        return out.read()
