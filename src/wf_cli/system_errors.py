"""Errors of the system that may pass by themselves: a server that restarts, a mount that is away, a full disk.

Whoever waits for the spool goes on after such an error, because it says nothing about the spool or a job. An error
that says something (a missing file, a wrong version, a malformed record) is none of them.
"""

from __future__ import annotations

import errno

from wf_cli.sharing import DENIED

_NAMES = (
    "EIO", "ESTALE", "ENOTCONN", "ETIMEDOUT", "EROFS", "ENOSPC", "EDQUOT", "EREMOTEIO", "EHOSTDOWN", "EHOSTUNREACH",
    "ENETDOWN", "ENETUNREACH", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "ESHUTDOWN", "EAGAIN", "EBUSY", "EINTR",
    "EMFILE", "ENFILE", "ENOMEM",
)  # fmt: skip
#: Not every system has each of these.
PASSING = frozenset(getattr(errno, name) for name in _NAMES if hasattr(errno, name))

_ROOM, _MOUNT = "make room on that disk", "look at the disk or the mount"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: "mount it for writing",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs: the system has no file descriptor left",
    errno.ENOMEM: "close other programs: the system has no memory left",
}


def behind(error: BaseException) -> OSError | None:
    """The error of the system that ``error`` is, or was raised from; None when there is none."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__cause__
    return found


def may_pass(error: BaseException, *, was_allowed: bool = False) -> bool:
    """Whether the error of the system behind ``error`` may be over soon without anybody repairing a file of wf.

    ``was_allowed`` tells that the file could be used before. Then a refusal (EACCES, EPERM) counts too, because a
    server that restarts refuses for a while; else it says that this user has no rights, which does not pass.
    """
    found = behind(error)
    if found is None:
        return False
    return found.errno in PASSING or (was_allowed and found.errno in DENIED)


def remedy(number: int | None) -> str | None:
    """What to do about an error that may pass; None for others."""
    if number is None or number not in PASSING:
        return None
    return _REMEDIES.get(number, _MOUNT)
