"""Finds the process of the editor, which is the nearest ancestor that is no shell and no wrapper."""

from __future__ import annotations

import os
from collections.abc import Sequence

import psutil

from wf_cli import proc
from wf_cli.errors import UsageError
from wf_cli.proc import ProcessRef

_SHELLS = frozenset("sh bash dash ash zsh ksh mksh fish csh tcsh busybox nu pwsh xonsh".split())
#: Programs that only start another one and end with it.
_WRAPPERS = frozenset(
    "env timeout nohup setsid stdbuf nice ionice time xargs script sudo doas uv uvx pipx wf".split()
)


def given(pid: int) -> ProcessRef:
    """The process with a pid that a person gave; UsageError unless it runs."""
    start = proc.start_token(pid)
    if start is None or not proc.alive(pid, start):
        raise UsageError(f"--editor-pid {pid}: there is no such process")
    return ProcessRef(pid, start)


def editor_of(pid: int | None = None) -> ProcessRef:
    """The nearest ancestor of ``pid`` (default: the caller) that is no shell, no wrapper and no `wf`.

    It is the outermost ancestor when all of them are such programs. UsageError when there is no ancestor.
    """
    ancestors = _ancestors(os.getpid() if pid is None else pid)
    if not ancestors:
        raise UsageError("cannot tell which editor this runs in", hint="name its process with --editor-pid PID")
    return next((ref for ref, passing in ancestors if not passing), ancestors[-1][0])


def _ancestors(pid: int) -> list[tuple[ProcessRef, bool]]:
    """The ancestors of ``pid``, nearest first, each with `is_passing`. Init is left out unless it is the only one."""
    try:
        found = [(p, proc.start_token(p.pid)) for p in psutil.Process(pid).parents() if p.pid > 0]
    except psutil.Error:
        return []
    alive = [(p, start) for p, start in found if start is not None]
    alive = [(p, start) for p, start in alive if p.pid != 1] or alive
    return [(ProcessRef(p.pid, start), is_passing(_command(p))) for p, start in alive]


def _command(process: psutil.Process) -> Sequence[str]:
    try:
        return process.cmdline() or [process.name()]
    except psutil.Error:
        return [""]


def is_passing(command: Sequence[str]) -> bool:
    """Whether a process with this command line is a shell, a wrapper or `wf`, which ends before the editor does."""
    program = os.path.basename(command[0]).removeprefix("-")
    if program in _SHELLS or program in _WRAPPERS:
        return True
    if not program.startswith(("python", "pypy")):
        return False
    script = next((word for word in command[1:] if not word.startswith("-")), "")
    return os.path.basename(script) == "wf" or script.partition(".")[0] == "wf_cli"
