"""One line of a log as an event. Logs are not trusted, so what does not fit is left out."""

from __future__ import annotations

import json
from typing import Any

from wf_cli.clock import parse_iso_ms
from wf_cli.contract import text
from wf_cli.contract.event import FIELDS, Event

#: Bytes; a longer line is no event.
LINE_LIMIT = 1024 * 1024

_NUMBERS = frozenset({"duration_s", "cost_usd"})
_INTEGERS = frozenset({"attempt", "pid", "exit_code", "tokens_in", "tokens_out"})

#: No count, duration or amount of a real event reaches this.
_LARGEST = 10**15


def parse_line(line: bytes) -> Event | None:
    """The event of one line; None for anything else. Keys unknown or of a wrong type are left out."""
    if len(line) > LINE_LIMIT:
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    ts, kind = value.get("ts"), value.get("event")
    if not isinstance(ts, str) or not isinstance(kind, str) or not _is_time(ts):
        return None
    facts = {key: value[key] for key in FIELDS if key in value and _fits(key, value[key])}
    return Event(ts, text.line(kind), {k: text.line(v) if isinstance(v, str) else v for k, v in facts.items()})


def _is_time(text: str) -> bool:
    try:
        return parse_iso_ms(text) is not None
    except (OverflowError, ValueError):
        return False


def _fits(key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if key in _INTEGERS:
        return isinstance(value, int) and abs(value) < _LARGEST
    if key in _NUMBERS:
        return isinstance(value, (int, float)) and abs(value) < _LARGEST  # NaN is not, either.
    return isinstance(value, str)
