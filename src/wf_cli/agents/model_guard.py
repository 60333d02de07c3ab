"""The declared model of a checkout, and the commands that it may run.

The declaration is the flow's session file, ``.cursor/session/state.json``, or ``.opencode/session/state.json`` where
only that exists. Everyone in the checkout shares it. Capabilities are read from the file and not from the
catalogue, so a hand-written model with its own capabilities works.

The agent of a job does not act under this file. Its capabilities are those of the job's role.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wf_cli import fsio, ids, routing, sharing
from wf_cli.agents import models
from wf_cli.clock import Clock, iso, iso_date
from wf_cli.errors import Refused, StateError, UsageError
from wf_cli.frozen import frozen

UNSET = "unset"

#: Command -> the capabilities of which one is needed. A command that is not listed needs a declared model only.
REQUIRED: dict[str, tuple[str, ...]] = {
    "epic": (models.PLANNING,),
    "plan": (models.PLANNING,),
    "code": (models.CODING,),
    "finish-code": (models.CODING,),
    "worker": (models.CODING,),
    "review": (models.REVIEWING,),
    "fix": (models.FIXING,),
    "done": (models.COMPLETING,),
    "todo implemented": (models.CODING, models.FIXING),
    "todo accept": (models.REVIEWING,),
    "todo reject": (models.REVIEWING,),
}

_SET_MODEL_HINT = "choose one with: wf set-model <id> (the ids: wf models)"


class GuardRefused(Refused):
    """The declared model, or the role of the job, may not run this command."""

    code = "NOT_PERMITTED"


@frozen
class Session:
    """The declared model; ``raw`` is the whole file."""

    path: Path
    model: str
    capabilities: tuple[str, ...]
    locked: bool
    raw: dict[str, Any]

    @property
    def is_set(self) -> bool:
        return self.model != UNSET


def session_path(root: Path) -> Path:
    """The session file of the checkout, existing or not."""
    cursor = root / ".cursor" / "session" / "state.json"
    opencode = root / ".opencode" / "session" / "state.json"
    return opencode if opencode.exists() and not cursor.exists() else cursor


def ensure(root: Path, clock: Clock) -> None:
    """Create the session file if there is none. Never replaces a file, even one that appears meanwhile."""
    path = session_path(root)
    if path.exists():
        return
    content = {
        "model": UNSET,
        "capabilities": [],
        "locked": False,
        "created_at": iso_date(clock.now_ms()),
    }
    part = path.with_name(f".{path.name}.{ids.nonce()}.part")
    try:
        sharing.make_folders(path.parent)
        with fsio.discarding(part):
            fsio.write_new(part, fsio.json_text(content).encode(), durable=False)
            try:
                fsio.publish(part, path)
            except OSError as error:
                # A file system without hard links leaves only a rename, which may overwrite a file made in this
                # instant.
                if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                    raise
                os.replace(part, path)
    except OSError as error:
        raise StateError(
            f"cannot create the session file {path}: {error.strerror}",
            hint="wf has to be run in the project's root folder, with permission to write there",
            path=str(path),
        ) from error


def load(root: Path) -> Session:
    """The session now; StateError when the file is missing or malformed."""
    path = session_path(root)
    raw = fsio.read_json_object(path)
    if raw is None:
        raise StateError(f"{path} is missing", hint="wf models creates it", path=str(path))
    model, capabilities = raw.get("model"), raw.get("capabilities")
    return Session(
        path=path,
        model=model if isinstance(model, str) and model else UNSET,
        capabilities=tuple(item for item in capabilities if isinstance(item, str))
        if isinstance(capabilities, list)
        else (),
        locked=bool(raw.get("locked")),
        raw=raw,
    )


def choose(session: Session, model: str, clock: Clock, *, lock: bool) -> Session:
    """Declare ``model`` and write the session; every other key of the file survives.

    ``lock``: no further change by ``update-model``. The caller holds the project's lock ``session``. Raises
    UsageError for a model that is unknown or not enabled, and then has written nothing.
    """
    if model not in models.ENABLED:
        known = "known, but not enabled" if model in models.DISABLED else "unknown"
        raise UsageError(
            f"model {model!r} is {known}", hint=f"use one of {', '.join(models.ENABLED)}", code="UNKNOWN_MODEL"
        )
    capabilities = models.ENABLED[model]
    raw = {
        **session.raw,
        "model": model,
        "capabilities": list(capabilities),
        "locked": lock,
        "updated_at": iso(clock.now_ms()),
    }
    fsio.write_json(session.path, raw)
    return Session(session.path, model, capabilities, lock, raw)


def guard(command: str, session: Session | None, job_role: str | None = None) -> None:
    """Raise GuardRefused unless ``command`` (``todo accept`` for actions) may be run.

    With ``job_role`` the role of the job decides, and ``session`` is not looked at.
    """
    if job_role is not None:
        capabilities = sorted(routing.capabilities_of(job_role))
        _require(command, capabilities, f"a job of role {job_role}", "leave this to the job whose turn it is")
        return
    if command == "set-model":
        return
    if session is None or not session.is_set:
        raise GuardRefused(f"wf {command} needs a model, and none is set", hint=_SET_MODEL_HINT)
    if command == "update-model" and session.locked:
        raise GuardRefused(
            f"the session is locked to {session.model}", hint="wf set-model <id> unlocks and changes it"
        )
    _require(command, session.capabilities, f"model {session.model}", _SET_MODEL_HINT)


def _require(command: str, capabilities: Iterable[str], who: str, hint: str) -> None:
    required = REQUIRED.get(command)
    if required is None or not set(required).isdisjoint(capabilities):
        return
    has = ", ".join(capabilities) or "none"
    raise GuardRefused(f"wf {command} needs the capability {' or '.join(required)}; {who} has: {has}", hint=hint)
