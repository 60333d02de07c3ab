"""A trace as text: a row of bars for each worker, and a line for each attempt."""

from __future__ import annotations

from wf_cli.clock import format_duration, iso
from wf_cli.views.trace.model import Attempt, Trace, critical_path, end_of, recoveries, ticks, totals

#: What a bar is drawn of, by outcome.
FILL = {
    "succeeded": "=", "failed": "x", "lost": "!", "released": "-", "cancelled": "/", "running": ">", "stalled": "~",
    "unknown": "?",
}  # fmt: skip
_LABEL = 28
#: A piece of a line, and the outcome by which it may be coloured.
Piece = tuple[str, str | None]


def summary(trace: Trace) -> str:
    """The whole in one line."""
    ends = ", ".join(f"{count} {outcome}" for outcome, count in totals(trace).items())
    jobs = len({a.job_id for a in trace.attempts})
    workers = len(trace.workers)
    return (
        f"{trace.subject}: {jobs} job(s), {len(trace.attempts)} attempt(s) by {workers} worker(s): {ends}; "
        f"{format_duration((trace.end_ms - trace.begin_ms) / 1000)} from {iso(trace.begin_ms)}"
    )


def picture(trace: Trace, width: int) -> list[list[Piece]]:
    """The rows of bars, ``width`` characters wide. The numbers in the bars are those of `rows`."""
    track = max(20, width - _LABEL - 2)
    span = max(1, trace.end_ms - trace.begin_ms)

    def place(ms: int) -> int:
        return min(track - 1, max(0, (ms - trace.begin_ms) * track // span))

    out: list[list[Piece]] = [[(" " * (_LABEL + 2) + _axis(span, track), None)]]
    path = critical_path(trace)
    if len(path) > 1:
        cells = ["."] * track
        for step in path:
            begin, end = place(step.attempt.begin_ms or 0), place(end_of(trace, step.attempt))
            cells[begin : end + 1] = "#" * (end - begin + 1)
        out.append([(f"{'critical path':<{_LABEL}}  {''.join(cells)}", None)])
    number = {id(attempt): n for n, attempt in enumerate(trace.attempts, 1)}
    for owner, lanes in trace.workers.items():
        for k, lane in enumerate(lanes):
            label = _cut(owner, _LABEL) if k == 0 else ""
            pieces: list[Piece] = [(f"{label:<{_LABEL}}  ", None)]
            at = 0
            for attempt in lane:
                begin = max(at, place(attempt.begin_ms or 0))
                end = max(begin, place(end_of(trace, attempt)))
                if begin >= track:
                    break
                name = str(number[id(attempt)])
                bar = FILL[attempt.outcome] * (end - begin + 1)
                if len(bar) > len(name) + 1:
                    bar = bar[0] + name + bar[len(name) + 1 :]
                pieces += [(" " * (begin - at), None), (bar, attempt.outcome)]
                at = end + 1
            out.append(pieces)
    shown = [outcome for outcome in FILL if any(a.outcome == outcome for a in trace.attempts)]
    out.append([("  ".join(f"{FILL[outcome]} {outcome}" for outcome in shown), None)])
    return out


def rows(trace: Trace) -> list[tuple[object, ...]]:
    """One row for each attempt, by its beginning, with the columns of `HEAD`."""
    on_path = {id(step.attempt) for step in critical_path(trace)}
    return [
        (
            n, a.outcome, a.name, a.owner, _after(trace, a), _waited(a), _ran(trace, a),
            "*" if id(a) in on_path else None, _note(a),
        )
        for n, a in enumerate(trace.attempts, 1)
    ]  # fmt: skip


HEAD = ("#", "OUTCOME", "ATTEMPT", "WORKER", "BEGAN", "WAITED", "RAN", "PATH", "NOTE")


def findings(trace: Trace) -> list[str]:
    """The critical path and the recoveries, in a few lines."""
    path = critical_path(trace)
    ran, waited = sum(step.ran_s for step in path), sum(step.waited_s for step in path)
    out = [
        f"critical path: {len(path)} attempt(s), {format_duration(ran)} at work, {format_duration(waited)} waiting "
        "in between"
    ]
    for recovery in recoveries(trace):
        lost = recovery.attempt
        after = (
            f"went on as attempt {recovery.next.number} by {recovery.next.owner}"
            + (f" {format_duration(recovery.gap_s)} later" if recovery.gap_s is not None else "")
            if recovery.next is not None
            else "nobody has gone on with it"
        )
        out.append(f"{lost.name} {lost.outcome} ({_note(lost) or 'no reason is known'}); {after}")
    return out


def _axis(span_ms: int, track: int) -> str:
    cells = [" "] * track
    for tick in ticks(span_ms, max(2, track // 12)):
        at = tick * track // span_ms
        label = f"|{duration(tick, span_ms)}"
        if at + len(label) <= track:
            cells[at : at + len(label)] = label
    return "".join(cells).rstrip()


def duration(ms: int, span_ms: int) -> str:
    """The label of a tick: fine ones where the whole is short."""
    return f"{ms / 1000:g}s" if span_ms < 120_000 else format_duration(ms / 1000) if ms else "0s"


def _after(trace: Trace, attempt: Attempt) -> str | None:
    if attempt.begin_ms is None:
        return None
    return f"+{format_duration((attempt.begin_ms - trace.begin_ms) / 1000)}"


def _waited(a: Attempt) -> str | None:
    if a.queued_ms is None or a.begin_ms is None:
        return None
    return format_duration(max(0, a.begin_ms - a.queued_ms) / 1000)


def _ran(trace: Trace, a: Attempt) -> str | None:
    if a.begin_ms is None or a.outcome == "unknown":
        return None
    return format_duration((end_of(trace, a) - a.begin_ms) / 1000)


def _note(a: Attempt) -> str | None:
    code = a.error_code if a.error_code != a.outcome else None
    said = ": ".join(part for part in (code, a.reason) if part)
    return "; ".join(part for part in (said, "its late result was kept" if a.late else "") if part) or None


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "~"
