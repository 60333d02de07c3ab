"""A trace in the Chrome trace event format (``schemas/trace.schema.json``), for ui.perfetto.dev."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wf_cli.clock import iso
from wf_cli.views.trace.model import Attempt, Trace, critical_path, end_of, recoveries

#: Colour names of the format, by outcome.
_COLOURS = {
    "succeeded": "good", "failed": "terrible", "lost": "bad", "running": "thread_state_running",
    "released": "generic_work", "cancelled": "grey",
}  # fmt: skip
#: The process of the critical path and the marks; workers follow.
_PATH = 1


def document(trace: Trace) -> dict[str, Any]:
    """The whole document. Times are microseconds since the beginning of the trace."""
    return {
        "displayTimeUnit": "ms",
        "otherData": {"subject": trace.subject, "begin": iso(trace.begin_ms), "made_by": "wf trace"},
        "traceEvents": list(_events(trace)),
    }


def _events(trace: Trace) -> Iterator[dict[str, Any]]:
    zero = trace.begin_ms

    def us(ms: int) -> int:
        return max(0, ms - zero) * 1000

    yield from _named(_PATH, trace.subject, "critical path")
    for step in critical_path(trace):
        begin = step.attempt.begin_ms or zero
        yield {
            "ph": "X", "cat": "path", "name": step.attempt.name, "pid": _PATH, "tid": 1, "ts": us(begin),
            "dur": (end_of(trace, step.attempt) - begin) * 1000, "args": {"waited_s": step.waited_s},
        }  # fmt: skip
    for mark in trace.marks:
        yield {
            "ph": "i", "s": "g", "cat": "mark", "name": f"{mark.kind} {mark.subject}", "pid": _PATH, "tid": 1,
            "ts": us(mark.ms), "args": {"reason": mark.reason},
        }  # fmt: skip
    places: dict[int, tuple[int, int]] = {}
    for pid, (owner, lanes) in enumerate(trace.workers.items(), _PATH + 1):
        host = trace.hosts.get(owner)
        yield from _named(pid, f"{owner} ({host})" if host else owner, "jobs", lanes=len(lanes))
        for tid, lane in enumerate(lanes, 1):
            for attempt in lane:
                places[id(attempt)] = pid, tid
                begin = attempt.begin_ms or zero
                event = {
                    "ph": "X", "cat": attempt.outcome, "name": f"{attempt.name} {attempt.outcome}", "pid": pid,
                    "tid": tid, "ts": us(begin), "dur": (end_of(trace, attempt) - begin) * 1000,
                    "args": _arguments(attempt),
                }  # fmt: skip
                if attempt.outcome in _COLOURS:
                    event["cname"] = _COLOURS[attempt.outcome]
                yield event
    for number, recovery in enumerate(recoveries(trace), 1):
        after = recovery.next
        if after is None or id(after) not in places or id(recovery.attempt) not in places:
            continue
        for phase, attempt, ms in (
            ("s", recovery.attempt, recovery.attempt.begin_ms or zero),
            ("f", after, after.begin_ms or zero),
        ):
            pid, tid = places[id(attempt)]
            yield {
                "ph": phase, "bp": "e", "cat": "recovery", "name": "tried again", "id": number, "pid": pid,
                "tid": tid, "ts": us(ms),
            }  # fmt: skip


def _arguments(attempt: Attempt) -> dict[str, Any]:
    facts = {
        "job_id": attempt.job_id, "attempt": attempt.number, "outcome": attempt.outcome, "role": attempt.role,
        "runtime": attempt.runtime, "error": attempt.error_code, "reason": attempt.reason,
        "tokens_in": attempt.tokens_in, "tokens_out": attempt.tokens_out, "cost_usd": attempt.cost_usd,
    }  # fmt: skip
    return {key: value for key, value in facts.items() if value is not None}


def _named(pid: int, process: str, thread: str, lanes: int = 1) -> Iterator[dict[str, Any]]:
    yield {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": process}}
    yield {"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0, "args": {"sort_index": pid}}
    for tid in range(1, lanes + 1):
        yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": thread}}
