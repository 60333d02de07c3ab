"""An agent's program: the one to start, and what it says its version is."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from wf_cli.runtimes.base import RuntimeMissing
from wf_cli.runtimes.executable import absence, find

#: Seconds that ``--version`` may take. Slow agent programs need one on an idle machine.
VERSION_LIMIT = 30.0

_versions: dict[tuple[str, int], str] = {}


def require(
    command: Sequence[str], *, root: Path, environment: Mapping[str, str], config_path: str, install: str
) -> tuple[str, ...]:
    """``command`` with its program found; RuntimeMissing, saying where to set it and how to get it, otherwise."""
    found = find(command[0], root=root, environment=environment)
    if found is None:
        why = absence(command[0], root=root, environment=environment)
        if why is not None and why[1] is not None:
            raise RuntimeMissing(why[0], hint=why[1], program=command[0])
        raise RuntimeMissing(
            f"{command[0]} is not installed here", hint=f"{install}, or set {config_path}.command", program=command[0]
        )
    return (found, *command[1:])


def version(command: Sequence[str], *, environment: Mapping[str, str]) -> str:
    """The first line of ``<command> --version``, asked once per program file; RuntimeMissing when it does not run.

    The environment is the agent's. A program that hangs is ended together with all that it started.
    """
    try:
        key = (" ".join(command), os.stat(command[0]).st_mtime_ns)
        if key not in _versions:
            lines = _said([*command, "--version"], environment).decode("utf-8", "replace").strip().splitlines()
            _versions[key] = lines[0].strip() if lines else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeMissing(f"{command[0]} does not run: {error}", program=command[0]) from error
    return _versions[key]


def _said(argv: Sequence[str], environment: Mapping[str, str]) -> bytes:
    """What a short command prints."""
    process = subprocess.Popen(
        argv,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # A Ctrl-C in the terminal is for the worker, and must not end this program.
    )
    with process:
        try:
            out, err = process.communicate(timeout=VERSION_LIMIT)
        except BaseException:
            # The whole group is killed, because a wrapper's child would outlive the wrapper and hold the pipes open.
            # The group's number cannot belong to another process before this one has been waited for.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return out or err
