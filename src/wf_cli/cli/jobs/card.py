"""The record of one job as a page of text, for `wf spool show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wf_cli.cli.frame import output
from wf_cli.cli.frame.tables import NOTHING, plain
from wf_cli.clock import format_duration
from wf_cli.contract import plain_json
from wf_cli.views.record import Attempt, Lease, Record

#: How many of the latest events are shown; `wf logs --events` shows all.
_EVENTS = 12
#: How many lines are shown of what a failed program said.
_SAID = 10
#: How many characters of a payload or result are shown.
_VALUE = 2000


def lines(record: Record) -> list[str]:
    """The lines of the page."""
    return [line for part in (_facts(record), _attempts(record), _events(record)) for line in part]


def _facts(record: Record) -> Iterator[str]:
    row = record.row
    facts: list[tuple[str, object]] = [
        ("job", row.job_id),
        ("status", f"{row.status}{f': {row.reason}' if row.reason else ''}"),
        ("pool", f"{row.role}@{row.runtime}"),
        ("key", record.spec.dedupe_key if record.spec is not None else None),
        ("attempt", f"{row.attempt}, {row.burned} of {row.max_attempts} burned"),
        ("priority", row.priority),
        ("ready at", row.ready_at),
        ("age", format_duration(row.age_s)),
        ("lease", _lease(record.lease) if record.lease is not None else None),
        ("payload", _short(record.spec.payload) if record.spec is not None and record.spec.payload else None),
        ("result", _short(record.result) if record.result else None),
        ("error", _error(record.error)),
        ("damaged", record.problem),
    ]
    yield from output.columns([(name, plain(str(value))) for name, value in facts if value is not None], indent="")
    for error in (record.error or {}).get("errors", ()):
        yield f"          - {plain(str(error))}"
    for line in _last_words(record.error or {}):
        yield f"          | {plain(line)}"


def _last_words(error: dict[str, Any]) -> list[str]:
    """The end of what the program said on stderr. Its last line, which the message has, may be only a hint."""
    details = error.get("details")
    said = details.get("stderr") if isinstance(details, dict) else None
    lines = said.strip().splitlines()[-_SAID:] if isinstance(said, str) else []
    return lines if len(lines) > 1 else []


def _lease(lease: Lease) -> str:
    beat = "no lease file" if lease.renewed_s_ago is None else f"beat {format_duration(lease.renewed_s_ago)} ago"
    state = {True: "gone", False: "alive", None: "cannot be told from here"}[lease.expired]
    return f"{lease.owner}, process {lease.pid or NOTHING} on {lease.host or NOTHING}, {beat}, {state}"


def _error(error: dict[str, Any] | None) -> str | None:
    return None if error is None else f"{error['code']} ({error.get('class', 'unknown class')}): {error['message']}"


def _attempts(record: Record) -> Iterator[str]:
    if not record.attempts:
        return
    yield ""
    yield "attempts"
    yield from output.columns([tuple(map(plain, _attempt(a))) for a in record.attempts])


def _attempt(attempt: Attempt) -> tuple[str, ...]:
    late = " (late)" if attempt.accepted is False else ""
    return (
        f"{attempt.attempt}",
        f"{attempt.status or NOTHING}{late}",
        attempt.owner or NOTHING,
        attempt.started_at or NOTHING,
        attempt.ended_at or NOTHING,
        _usage(attempt),
        attempt.transcript or NOTHING,
        _error(attempt.error) or NOTHING,
    )


def _usage(attempt: Attempt) -> str:
    """Tokens and dollars. A figure that the agent did not report is unknown; an attempt without an agent has none."""
    told = attempt.usage or {}
    if not told and attempt.started_at is None and attempt.status not in ("lost", "cancelled"):
        return NOTHING
    tokens = [told.get(key) for key in ("tokens_in", "tokens_out")]
    known = "tokens unknown" if None in tokens else f"{tokens[0]} in {tokens[1]} out"
    cost = told.get("cost_usd")
    return f"{known}, {'cost unknown' if cost is None else f'${cost:.4f}'}"


def _events(record: Record) -> Iterator[str]:
    if not record.events:
        return
    yield ""
    left_out = len(record.events) - _EVENTS
    yield "events" if left_out <= 0 else f"events (the last {_EVENTS}; {left_out} more: wf logs --events)"
    yield from output.columns([tuple(map(plain, event_cells(e.to_json()))) for e in record.events[-_EVENTS:]])


def event_cells(event: dict[str, Any]) -> tuple[str, ...]:
    """The cells of an event: time, kind, job and attempt, owner, reason."""
    attempt = f".a{event['attempt']}" if event.get("attempt") else ""
    subject = f"{event['job_id']}{attempt}" if "job_id" in event else event.get("plan_id") or event.get("epic_id")
    error = event.get("error_code")
    why = ": ".join(part for part in (error, event.get("reason")) if part)
    return (event["ts"], event["event"], subject or NOTHING, event.get("owner") or NOTHING, why or NOTHING)


def _short(value: object) -> str:
    text = plain_json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}... ({len(text)} characters; --json has all)"
