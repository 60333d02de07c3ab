"""The sign of life of an agent: a file ``control/editor.<owner>.json`` that exists as long as its keeper holds a job.

The keeper makes the file before it hands the job over. The agent's heartbeats replace it, and the keeper compares its
content with the content at its last look. The token alone decides who owns the job, never this file.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from wf_cli import fsio, ids
from wf_cli.contract.token import TIME_DIGITS, is_word
from wf_cli.frozen import frozen
from wf_cli.spool import lease, scan
from wf_cli.spool.layout import Spool

_KIND = "editor"


@frozen
class SignOfLife:
    """The content of the file. ``beat`` is a new random word after each heartbeat."""

    owner: str
    started_ms: int
    idle_s: float
    beat: str = ""


def put(spool: Spool, sign: SignOfLife) -> None:
    """Write the file with a new beat."""
    spool.replace("control", _name(sign.owner), json.dumps(asdict(sign) | {"beat": ids.nonce()}))


def read(spool: Spool, owner: str) -> SignOfLife | None:
    """The sign of life of a session's agent; None when the session is no keeper's, or the file cannot be read."""
    if not is_word(owner):
        return None
    try:
        value = json.loads(fsio.read_regular(spool.path("control", _name(owner)), 65536))
        sign = SignOfLife(owner, int(value["started_ms"]), float(value["idle_s"]), str(value["beat"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    # The file is not trusted. A time that cannot be shown, and an agent that may be idle for ever, are none.
    return sign if 0 <= sign.started_ms < 10**TIME_DIGITS and 0 <= sign.idle_s < 1e9 else None


def remove(spool: Spool, owner: str) -> None:
    """Remove the file, because the agent has no job any more. A missing file is no error."""
    fsio.unlink_quietly(spool.path("control", _name(owner)))


def bury(spool: Spool) -> None:
    """Remove the files of killed keepers, whose sessions have neither a lease nor a job."""
    names = [name for name in spool.names("control") if name.startswith(f"{_KIND}.")]
    if not names:
        return
    busy = scan.busy_owners(spool)
    for name in names:
        owner = name.removeprefix(f"{_KIND}.").removesuffix(".json")
        if is_word(owner) and owner not in busy and not fsio.exists(lease.path_of(spool, owner)):
            remove(spool, owner)


def _name(owner: str) -> str:
    return f"{_KIND}.{owner}.json"
