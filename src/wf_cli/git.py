"""The home of every call of git, and of the variables by which git is sent to another repository.

Git sets ``GIT_DIR`` and its kin for the programs that it starts: hooks, ``git rebase --exec``, aliases. A wf that is
started there inherits them, and so would its agents, whose ``git commit`` would go to the wrong repository. wf
therefore hands none of them on, and makes its own calls without them.

wf calls git where no person looks on. A call must not wait for a person, and must run nothing of the repository:

- no hooks, no signing, no pager, no editor, no question on a terminal, no file system monitor, no ``gc`` of its own;
- no optional locks, because an agent's own git may be at work;
- an end after `LIMIT` seconds: first SIGTERM, at which git removes its lock files, then SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from wf_cli.errors import WfError
from wf_cli.frozen import frozen

#: Seconds for one git command. A checkout of hundreds of thousands of files takes some.
LIMIT = 60.0
#: Seconds that git has for its end after SIGTERM.
GRACE = 5.0
#: The variables that say where repository, work tree, index or objects are, or what of them is seen. They are those
#: of `git rev-parse --local-env-vars` without the configuration, which people set on purpose, and a few more.
REDIRECTS = frozenset({
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_PREFIX", "GIT_NAMESPACE", "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE", "GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE", "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_QUARANTINE_PATH",
})  # fmt: skip
#: The only variables of git's that wf's own calls keep: configuration, identities, the installation, and how far a
#: repository is looked for. Others change what git does (GIT_LITERAL_PATHSPECS) or prints (GIT_TRACE).
_KEPT = (
    "GIT_CONFIG", "GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_EXEC_PATH", "GIT_TEMPLATE_DIR", "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
)  # fmt: skip
_UNATTENDED = {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": ":", "GIT_SEQUENCE_EDITOR": ":", "GIT_OPTIONAL_LOCKS": "0"}
_OPTIONS = (
    "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "commit.gpgSign=false",
    "-c", "tag.gpgSign=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
)  # fmt: skip
_NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")
#: Characters of git's complaint that an error repeats.
_COMPLAINT = 400


class GitError(WfError):
    """A call of git that had no success. ``exit_code`` is git's; None where git did not come to its end."""

    code = "GIT_FAILED"

    def __init__(
        self, message: str, *, hint: str | None = None, code: str | None = None, exit_code: int | None = None
    ):
        super().__init__(message, hint=hint, code=code)
        self.exit_code = exit_code


@frozen
class Answer:
    """What a git that came to its end said: on stdout, and its complaint in one line."""

    exit_code: int
    out: bytes
    complaint: str

    @property
    def text(self) -> str:
        """stdout as text; bytes that are not UTF-8 are shown as U+FFFD."""
        return self.out.decode("utf-8", "replace")


def without_redirects(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` for a program that works in the checkout: an agent, a check, another wf."""
    return {name: value for name, value in environ.items() if name not in REDIRECTS}


def run(root: Path, out: IO[bytes], *arguments: str, limit: float = LIMIT) -> bool:
    """Run git in ``root`` with its output in the file ``out``; False when it fails, is not there, or takes too long.

    ``limit`` is in seconds.
    """
    try:
        return _call(root, arguments, out, None, limit=limit) == 0
    except GitError:
        return False


def output(root: Path, *arguments: str, limit: float = LIMIT) -> bytes | None:
    """What git says in ``root``; None where `run` says False. The output may be as large as the files are.

    Raises OSError when there is no room for a temporary file.
    """
    import tempfile  # Many commands need only the environment of git.

    with tempfile.TemporaryFile() as out:
        if not run(root, out, *arguments, limit=limit):
            return None
        out.seek(0)
        return out.read()


def ask(
    root: Path,
    *arguments: str,
    limit: float = LIMIT,
    environ: Mapping[str, str] | None = None,
    hooks: bool = False,
    index: Path | None = None,
) -> Answer:
    """The answer of git in ``root``, whatever its exit code. ``limit`` is in seconds.

    ``environ`` stands for this process's own environment. With ``hooks`` those of the repository run. ``index`` is a
    file that stands for the checkout's own index.

    Raises GitError when git cannot be started (``GIT_MISSING``) or does not end in time (``GIT_TIMEOUT``); OSError
    when there is no room for a temporary file.
    """
    # Files and not pipes, because a program that git leaves behind may keep a pipe open.
    import tempfile

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaint:
        code = _call(root, arguments, out, complaint, limit=limit, environ=environ, hooks=hooks, index=index)
        out.seek(0)
        complaint.seek(0)
        told = " ".join(complaint.read().decode("utf-8", "replace").split())
        return Answer(code, out.read(), told[:_COMPLAINT])


def need(
    root: Path,
    *arguments: str,
    limit: float = LIMIT,
    environ: Mapping[str, str] | None = None,
    hooks: bool = False,
    index: Path | None = None,
) -> Answer:
    """`ask` where git has to succeed; raises GitError with its complaint (``GIT_FAILED``) as well."""
    answer = ask(root, *arguments, limit=limit, environ=environ, hooks=hooks, index=index)
    if answer.exit_code != 0:
        told = answer.complaint or f"exit code {answer.exit_code}"
        raise GitError(
            f"`{shown(arguments)}` failed in {root}: {told}",
            hint="repair what git says, and repeat the command",
            exit_code=answer.exit_code,
        )
    return answer


def _call(
    root: Path,
    arguments: tuple[str, ...],
    out: IO[bytes],
    complaint: IO[bytes] | None,
    *,
    limit: float,
    environ: Mapping[str, str] | None = None,
    hooks: bool = False,
    index: Path | None = None,
) -> int:
    """The exit code of git; raises GitError when it cannot be started or does not end in time."""
    try:
        child = subprocess.Popen(
            ["git", *_OPTIONS, *(() if hooks else _NO_HOOKS), *arguments],
            cwd=root,
            env=_environment(os.environ if environ is None else environ, index),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.DEVNULL if complaint is None else complaint,
            # A group of its own can be stopped whole, and without a terminal no program of git's asks a question.
            start_new_session=True,
        )
    except OSError as error:
        if error.filename in (root, os.fspath(root)):
            raise GitError(f"git cannot work in {root}: {error.strerror}", hint="is the folder there?") from error
        raise GitError(
            f"git cannot be started: {error.strerror}",
            hint="install git, and see that it is on PATH",
            code="GIT_MISSING",
        ) from error
    try:
        return child.wait(limit)
    except subprocess.TimeoutExpired:
        _stop(child)
        raise GitError(
            f"`{shown(arguments)}` did not end in {root} within {limit:g} s, and was stopped",
            hint="try the command by hand; is the disk, or a lock of git's, in the way?",
            code="GIT_TIMEOUT",
        ) from None
    except BaseException:
        _stop(child)
        raise


def _environment(environ: Mapping[str, str], index: Path | None) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if not name.startswith("GIT_") or name.startswith(_KEPT)}
    return kept | _UNATTENDED | ({"GIT_INDEX_FILE": str(index)} if index is not None else {})


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End git and the programs that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
            return


def shown(arguments: tuple[str, ...]) -> str:
    """The command as a person would write it, without the options of this module."""
    import shlex

    return shlex.join(["git", *arguments])[:200]
