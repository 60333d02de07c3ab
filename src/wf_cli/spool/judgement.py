"""The published verdict that a session is gone: ``sessions/<owner>.gone``, linked once, before anybody acts on it.

Whoever finds a session gone publishes this file first, with the evidence. From then on everybody acts on it, without
watching for themselves. The accused may live all the same, because a cache hid its heartbeat or its host stood still.
It sees the file, stops its agents, and begins a new session under another id. So it is judged once, and not again at
each of its claims. Format: one JSON object (fields of `Judgement`); an owner id that was judged is never used again.
"""

from __future__ import annotations

import json
from typing import Any

from wf_cli import fsio
from wf_cli.clock import iso
from wf_cli.contract import text
from wf_cli.contract.token import is_word
from wf_cli.frozen import frozen
from wf_cli.spool.layout import Spool

SUFFIX = ".gone"
_LIMIT = 65536


@frozen
class Judgement:
    """One verdict and its evidence. Texts are empty where a file of foreign hands does not tell."""

    owner: str
    #: The rule by which the session is gone: dead, expired or absent (`wf_cli.spool.liveness.Verdict`).
    rule: str
    #: Seconds for which the judge saw the lease unchanged, or saw none; None where the rule needs no watch.
    unchanged_s: float | None
    #: The session that judged, and its host.
    by: str
    host: str
    #: When, as RFC 3339. For people only.
    at: str

    @property
    def evidence(self) -> str:
        """One line for people: the rule, for how long it was watched, and by whom."""
        what = {
            "dead": "its process is gone",
            "expired": "its lease was seen unchanged",
            "absent": "it has no lease",
        }.get(self.rule, "it was judged to be gone")
        watched = f" for {self.unchanged_s:g} s" if self.unchanged_s is not None else ""
        return f"{what}{watched}, says {self.by or 'an unknown session'}" + (f" at {self.at}" if self.at else "")


def judge(owner: str, rule: str, unchanged_s: float | None, *, by: str, host: str, now_ms: int) -> Judgement:
    """A verdict of now, to be published."""
    seconds = None if unchanged_s is None else round(unchanged_s, 1)
    return Judgement(owner, rule, seconds, by, host, iso(now_ms))


def publish(spool: Spool, judgement: Judgement) -> Judgement:
    """Publish the verdict, unless its session has one. Returns the one that stands, durably. OSError as link says."""
    content = {
        "owner": judgement.owner, "verdict": judgement.rule, "unchanged_s": judgement.unchanged_s,
        "by": judgement.by, "host": judgement.host, "at": judgement.at,
    }  # fmt: skip
    with spool.part((json.dumps(content, indent=2) + "\n").encode()) as part:
        ours = fsio.publish(part, spool.path("sessions", judgement.owner + SUFFIX))
    spool.sync("sessions")
    return judgement if ours else standing(spool, judgement.owner) or judgement


def standing(spool: Spool, owner: str) -> Judgement | None:
    """The published verdict on ``owner``; None while there is none. Raises OSError when the disk does not tell.

    A lookup may be late on a network file system. That only delays, because each session that wants to act on a
    verdict either sees this one or publishes it.
    """
    try:
        data = fsio.read_regular(spool.path("sessions", owner + SUFFIX), _LIMIT)
    except (FileNotFoundError, ValueError):
        return None  # What is no file of wf judges nobody. `wf spool verify` reports a link, a folder or a pipe.
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None  # A damaged file counts, because the judge that could not publish its own acts on it.
    found = value if isinstance(value, dict) else {}
    seconds = found.get("unchanged_s")
    return Judgement(
        owner,
        _text(found.get("verdict")),
        seconds if _is_duration(seconds) else None,
        by if is_word(by := _text(found.get("by"))) else "",
        _text(found.get("host")),
        _text(found.get("at")),
    )


def _is_duration(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


def _text(value: Any) -> str:
    return text.line(value, 200) if isinstance(value, str) else ""
