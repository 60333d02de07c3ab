"""The desk of an agent inside an editor: ``control/editor.<owner>.json``, there as long as its keeper holds a job.

The keeper makes it before it hands the job over, the agent's heartbeats replace it, and the keeper compares
what is in it with what was in it before. Nobody decides anything about ownership by it: that is the token's.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from wf_cli import fsio, ids
from wf_cli.contract.token import is_word
from wf_cli.spool import lease, scan
from wf_cli.spool.layout import Spool

_KIND = "editor"


@dataclass(frozen=True, slots=True)
class Desk:
    """One agent with its job. ``beat`` is another word after each heartbeat."""

    owner: str
    started_ms: int
    idle_s: float
    beat: str = ""


def put(spool: Spool, desk: Desk) -> None:
    """Write it, with a new beat."""
    spool.replace("control", _name(desk.owner), json.dumps(asdict(desk) | {"beat": ids.nonce()}))


def read(spool: Spool, owner: str) -> Desk | None:
    """The desk of a session; None for one that is no keeper's, or that cannot be read."""
    if not is_word(owner):
        return None
    try:
        value = json.loads(fsio.read_regular(spool.path("control", _name(owner)), 65536))
        return Desk(owner, int(value["started_ms"]), float(value["idle_s"]), str(value["beat"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None


def remove(spool: Spool, owner: str) -> None:
    """The job is gone from it. Gone already is fine."""
    fsio.unlink_quietly(spool.path("control", _name(owner)))


def bury(spool: Spool) -> None:
    """Remove the desks that killed keepers left: no lease any more, and no job."""
    names = [name for name in fsio.names(spool.folder("control")) if name.startswith(f"{_KIND}.")]
    if not names:
        return
    busy = scan.busy_owners(spool)
    for name in names:
        owner = name.removeprefix(f"{_KIND}.").removesuffix(".json")
        if is_word(owner) and owner not in busy and not lease.path_of(spool, owner).exists():
            remove(spool, owner)


def _name(owner: str) -> str:
    return f"{_KIND}.{owner}.json"
