"""The gates of a target: commands that have to pass on a merge commit before the target moves to it.

The commit is what is tested. Each gate begins with every tracked file as the commit has it, whatever a gate before it
has changed. Files that git does not know stay from gate to gate, because one may build what the next one tests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from wf_cli import git
from wf_cli.frozen import frozen
from wf_cli.workspace import candidate, names

#: A command without a shell.
Argv = Sequence[str]
#: Characters of a gate's output that are kept: its end.
TAIL = 4000


@frozen
class Result:
    """The end of a gate. It has passed when its exit code is 0; ``output`` is the end of what it printed."""

    exit_code: int
    output: str = ""


#: Runs one gate in a folder, and returns when all that it started has ended.
Run = Callable[[Path, Argv], Result]


@frozen
class Red:
    """The first gate that did not pass, by its place among the gates."""

    place: int
    argv: tuple[str, ...]
    result: Result


def test(folder: Path, commit: str, gates: Sequence[Argv], run: Run) -> Red | None:
    """Run ``gates`` in order on ``commit``, which the worktree ``folder`` holds; None when all of them pass.

    Raises GitError.
    """
    for place, argv in enumerate(gates):
        result = _one(folder, commit, argv, run)
        if result.exit_code != 0:
            return Red(place, tuple(argv), result)
    return None


def is_red(folder: Path, commit: str, gates: Sequence[Argv], place: int, run: Run) -> Result | None:
    """The result of the gate at ``place`` on ``commit`` where it does not pass; None where it passes.

    The gates before it are run as well, because it may need what they build. Whether they pass is not asked.
    """
    for argv in gates[:place]:
        _one(folder, commit, argv, run)
    result = _one(folder, commit, gates[place], run)
    return result if result.exit_code != 0 else None


def _one(folder: Path, commit: str, argv: Argv, run: Run) -> Result:
    candidate.restore(folder, commit)
    return run(folder, argv)


# -- what is known to be green


def know_green(root: Path, target: str, commit: str, gates: Sequence[Argv]) -> None:
    """Remember that ``gates`` have passed on ``commit``, the head of the branch ``target``. Raises GitError.

    The ref holds a commit on top of it that says which gates these were, because others may be configured later.
    """
    note = git.need(
        root,
        "commit-tree",
        f"{commit}^{{tree}}",
        "-p",
        commit,
        "-m",
        _digest(gates),
        environ=candidate.somebody(root),
    )
    git.need(root, "update-ref", names.green_ref(target), note.text.strip())


def is_known_green(root: Path, target: str, commit: str, gates: Sequence[Argv]) -> bool:
    """Whether ``gates`` have passed on ``commit`` when it became the head of the branch ``target``."""
    told = git.ask(root, "log", "-1", "--no-show-signature", "--format=%P%n%s", names.green_ref(target), "--")
    return told.exit_code == 0 and told.text.split("\n")[:2] == [commit, _digest(gates)]


def _digest(gates: Sequence[Argv]) -> str:
    return hashlib.sha256(json.dumps([list(argv) for argv in gates]).encode()).hexdigest()
