"""An error of this host as one line for people: what failed, where, and what to do about it."""

from __future__ import annotations

from pathlib import Path

from wf_cli import sharing, system_errors
from wf_cli.errors import FileTrouble, WfError


def told(error: OSError | WfError) -> str:
    """``error`` in one line: the path comes first where it is known, the remedy last."""
    if isinstance(error, WfError):
        return error.told
    known = sharing.explained(error, Path(error.filename)) if isinstance(error.filename, str) else error
    if isinstance(known, FileTrouble):
        return str(known)
    said = f"{known.filename}: {known.strerror}" if known.filename else known.strerror or str(known)
    remedy = system_errors.remedy(known.errno)
    return f"{said}; {remedy}" if remedy else said
