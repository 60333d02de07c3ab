"""An error of this host as one line for people: what failed, where, and what to do about it."""

from __future__ import annotations

import errno

from wf_cli.errors import WfError

#: What helps against an error of the system, by its number. Shared folders bring the first row.
_REMEDIES = (
    (
        {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP},
        "its file system gives no locks: mount it with locks, or move the spool with spool.dir in wf.config "
        "(`wf doctor --fs-probe` tries a folder out)",
    ),
    ({errno.ENOSPC, errno.EDQUOT}, "make room on that disk"),
    ({errno.EACCES, errno.EPERM, errno.EROFS}, "give this user write access there"),
    ({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN}, "check that disk or mount"),
)


def told(error: OSError | WfError) -> str:
    """``error`` in one line: the path comes first where it is known, the remedy last."""
    if isinstance(error, WfError):
        return f"{error.message}; {error.hint}" if error.hint else error.message
    where = f"{error.filename}: " if error.filename else ""
    remedy = getattr(error, "hint", None) or next(
        (text for numbers, text in _REMEDIES if error.errno in numbers), None
    )
    said = f"{where}{error.strerror or error}"
    return f"{said}; {remedy}" if remedy else said
