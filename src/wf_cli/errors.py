"""Every error that reaches a user, by condition.

A message says what is wrong and names the path or id; ``hint`` says what to do about it. The command
line maps the family to an exit code (``cli/frame/failures.py``). Expected outcomes, such as a lost race, are return
values and never exceptions.
"""

from __future__ import annotations

from pathlib import Path


class WfError(Exception):
    """Base of all errors that end a command with one clear message.

    ``code`` is the stable name used in JSON; ``facts`` are its machine-readable details.
    """

    code = "ERROR"

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None, **facts: object):
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code
        self.facts = facts

    @property
    def told(self) -> str:
        """The message and what to do about it, in one line."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(WfError):
    """The command line itself is wrong."""

    code = "USAGE"


class NotFound(WfError):
    """The thing that was named does not exist, or the name fits several things."""

    code = "NOT_FOUND"


class Refused(WfError):
    """The thing exists, and its state does not allow this, or another owner has it."""

    code = "REFUSED"


class StaleAttempt(Refused):
    """A superseded attempt tried to change a plan or a job (invariant 2)."""

    code = "STALE_ATTEMPT"


class Unhealthy(WfError):
    """A check found something."""

    code = "UNHEALTHY"


class Temporary(WfError):
    """A condition that may pass: the spool is paused, the disk is full, a lock stays busy."""

    code = "TEMPORARY"


class Absent(Temporary):
    """The plan or epic of a job is not in the checkout just now, or is there in an earlier state than the job needs.

    It may come back, so the job is not decided.
    """

    code = "ABSENT"


class ContractError(WfError):
    """A record, key or file name does not follow the contract."""

    code = "INVALID_RECORD"


class ConfigError(WfError):
    """wf.config or one of the legacy files is wrong; the message names file and key path."""

    code = "CONFIG_INVALID"


class SpoolError(WfError):
    """The spool folder cannot be used as it is."""

    code = "SPOOL_ERROR"


class SpoolMissing(SpoolError):
    """There is no spool here (yet), or it vanished while it was used."""

    code = "SPOOL_MISSING"


class StateError(WfError):
    """A state file of a plan, epic or session is missing, torn or malformed."""

    code = "STATE_INVALID"


class FileTrouble(OSError):
    """The system refused a file, and it is known why: ``strerror`` says so, ``hint`` what to do about it.

    An `OSError`, because to every loop it is one: nothing is half done, and the step can be repeated later.
    """

    code = "SYSTEM"

    def __init__(self, number: int | None, text: str, path: Path, *, hint: str):
        super().__init__(number, text, str(path))
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}; {self.hint}"


class LockTrouble(FileTrouble):
    """A lock cannot be taken whoever holds it: its file cannot be opened, or the file system has no locks."""

    code = "LOCK_UNUSABLE"


class NotALock(LockTrouble):
    """Under the name of a lock lies a link, a folder, a pipe or a socket. It stays so until a person removes it, and
    concerns what this one lock is for."""


class LinkedFolder(FileTrouble):
    """A folder of the spool is a link, which is not followed, or no folder at all."""

    code = "LINKED_FOLDER"
