"""The exit code of each error class, and the printing of errors."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from wf_cli import sharing
from wf_cli.cli.frame import output
from wf_cli.errors import (
    ConfigError,
    FileTrouble,
    NotFound,
    Refused,
    SpoolMissing,
    StaleAttempt,
    Temporary,
    Unhealthy,
    UsageError,
    WfError,
)

#: (class, exit code of contract commands, exit code of all others); the first class that fits counts.
#: Contract commands end with 0 or 1, except for a superseded attempt, which an agent has to recognise by its code.
EXIT_CODES: tuple[tuple[type[BaseException], int, int], ...] = (
    (StaleAttempt, 4, 4),
    (UsageError, 1, 2),
    (ConfigError, 1, 2),
    (NotFound, 1, 3),
    (SpoolMissing, 1, 3),
    (Refused, 1, 4),
    (Unhealthy, 1, 5),
    (Temporary, 1, 75),
    (KeyboardInterrupt, 130, 130),
    (BaseException, 1, 1),
)

#: Codes whose JSON has no message, as in wf-cli 0.3.x.
_WITHOUT_MESSAGE = frozenset({"PLAN_NOT_FOUND", "EPIC_NOT_FOUND"})


def exit_code(error: BaseException, *, contract: bool) -> int:
    """The exit code that ``error`` ends a command with."""
    for kind, for_contract, for_others in EXIT_CODES:
        if isinstance(error, kind):
            return for_contract if contract else for_others
    raise AssertionError("the last row of EXIT_CODES fits everything")


def as_wf_error(error: Exception) -> WfError:
    """``error`` as a WfError with one message. A bug's error becomes "internal error" without a traceback."""
    if isinstance(error, WfError):
        return error
    if isinstance(error, OSError):
        known = sharing.explained(error, Path(error.filename)) if isinstance(error.filename, str) else error
        where = f"{known.filename}: " if known.filename else ""
        hint = "check permissions and free space, then run the command again"
        if isinstance(error, FileNotFoundError) and isinstance(error.filename, str):
            folder = Path(error.filename).parent
            if not folder.exists() and (folder.parent / "VERSION").exists():
                hint = f"{folder} is gone; `wf spool verify --fix` makes a lost folder of the spool again"
            elif not folder.exists():
                hint = f"there is no folder {folder}: mkdir -p {shlex.quote(str(folder))}, or write somewhere else"
        if isinstance(known, FileTrouble):
            return WfError(f"{where}{known.strerror}", hint=known.hint, code=known.code)
        return WfError(f"{where}{known.strerror or known}", hint=hint, code="SYSTEM")
    if isinstance(error, UnicodeError):
        return WfError(f"text that is not valid Unicode: {error}", code="NOT_UNICODE")
    return WfError(
        f"internal error: {type(error).__name__}: {error}",
        hint="this is a bug in wf; please report it with the command that you ran",
        code="INTERNAL",
    )


def report(error: Exception, *, contract: bool, as_json: bool, known: bool = True) -> int:
    """Show ``error`` and return the exit code.

    JSON goes to stderr for contract commands (with their keys), to stdout for all others. A command that is not
    ``known`` has the exit codes of the contract, and its JSON goes to stdout.
    """
    shown = as_wf_error(error)
    if not isinstance(error, WfError | OSError) and output.level() > output.Level.USUAL:
        import traceback

        output.note(*traceback.format_exception(error))
    if not as_json:
        output.complain(shown.message, shown.hint)
    elif contract and known:
        output.print_json(_contract_document(shown), failed=True)
    else:
        document = {"schema_version": 1, **shown.facts, "message": shown.message, "hint": shown.hint}
        output.print_json({"ok": False, "error": shown.code} | document)
    return exit_code(error, contract=contract)


def _contract_document(error: WfError) -> dict[str, Any]:
    document: dict[str, Any] = {"ok": False, "error": error.code}
    if error.code not in _WITHOUT_MESSAGE:
        document["message"] = error.message
    return document | error.facts
