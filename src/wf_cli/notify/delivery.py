"""One try to hand an event on, and what became of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from wf_cli.config.model import Notify
from wf_cli.contract import text
from wf_cli.frozen import frozen
from wf_cli.runtimes.process.redact import Redactor, secret_values

#: Characters of a message that are kept.
_LONGEST = 300


@frozen
class Result:
    """What a try said, without secrets and harmless on a terminal. ``again``: another try may succeed."""

    ok: bool
    said: str
    again: bool = False


def obstacle(entry: Notify, root: Path, environ: Mapping[str, str]) -> str | None:
    """Why this process cannot hand anything to ``entry``; None when it can try."""
    if entry.url is None:
        program = entry.run[0]
        found = shutil.which(program if os.sep not in program else str(root / program), path=environ.get("PATH"))
        return None if found is not None else f"there is no program {text.line(program)} that may be run"
    if not entry.url.startswith("env:"):
        return None
    name = entry.url.removeprefix("env:")
    value = environ.get(name)
    if not value:
        return f"the variable {name} is not set"
    if (
        not value.isascii()
        or not value.isprintable()
        or " " in value
        or not value.startswith(("http://", "https://"))
    ):
        return f"the variable {name} holds no http(s) address"
    return None


def deliver(
    entry: Notify, body: bytes, *, kind: str, event_id: str, root: Path, environ: Mapping[str, str]
) -> Result:
    """Try once, for at most the entry's timeout and a moment. Never raises for what the other side does."""
    missing = obstacle(entry, root, environ)
    if missing is not None:
        return Result(False, missing)
    if entry.url is None:
        from wf_cli.notify import program

        result = program.run(entry.run, body, kind=kind, root=root, environ=environ, timeout_s=entry.timeout_s)
        secrets = secret_values(environ)
    else:
        from wf_cli.notify import post

        url = environ[entry.url.removeprefix("env:")] if entry.url.startswith("env:") else entry.url
        result = post.post(url, body, event_id=event_id, timeout_s=entry.timeout_s)
        secrets = secret_values(environ) | {url}
    said = text.line(Redactor(secrets).text(result.said), _LONGEST)
    return Result(result.ok, said, result.again)
