"""The environment of a fork, as other processes see it in ``/proc`` (Linux).

The strings of a program's environment lie on its stack, and the kernel reads them there whenever ``/proc`` is read. A
fork that takes another environment writes it to that place. A server that was started with `ROOM` has room for it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path

#: A variable for a process whose forks show environments of up to 16 KiB.
ROOM = {"ROOM": "." * 16384}


def show(env: Mapping[str, str]) -> int:
    """Let ``/proc`` show this environment of this process. Returns how many bytes there is room for.

    The variables with which the process was started must not be in `os.environ` any more, because C reads those from
    the same place. An environment that is too long does not show, and none does where 0 is returned.
    """
    area = _area()
    if area is None:
        return 0
    begin, end = area
    block = _block(env)
    ctypes.memset(begin, 0, end - begin)
    if len(block) < end - begin:
        ctypes.memmove(begin, block, len(block))
    shown = Path("/proc/self/environ").read_bytes().rstrip(b"\0") + b"\0"
    return end - begin - 1 if shown == block else 0


def size(env: Mapping[str, str]) -> int:
    """The bytes that it takes."""
    return len(_block(env))


def _block(env: Mapping[str, str]) -> bytes:
    return b"".join(os.fsencode(f"{key}={value}") + b"\0" for key, value in env.items())


def _area() -> tuple[int, int] | None:
    """Where the kernel looks for it; None where that is not known."""
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    begin, end = int(fields[47]), int(fields[48])  # env_start and env_end of proc_pid_stat(5)
    return (begin, end) if 0 < begin < end else None
