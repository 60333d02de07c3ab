"""A trace as one HTML page that needs nothing else: no network, no other file.

Names and texts come from files that others may write. All of them are escaped, and the page's own policy lets no
script run but the one whose hash it names.
"""

from __future__ import annotations

import base64
import hashlib
import html
import string
from collections.abc import Iterator
from functools import cache
from importlib import resources

from wf_cli.clock import format_duration, iso
from wf_cli.contract import text as escaped
from wf_cli.contract.identity import target_of
from wf_cli.views.trace import text
from wf_cli.views.trace.model import Attempt, Step, Trace, critical_path, end_of, ticks

#: The sign of each outcome, which tells it to people who do not see its colour.
SIGNS = {
    "succeeded": "✓", "failed": "✗", "lost": "!", "released": "↩", "cancelled": "⊘", "running": "▶", "stalled": "…",
    "unknown": "?",
}  # fmt: skip


def page(trace: Trace) -> str:
    """The whole document."""
    path = critical_path(trace)
    on_path = {id(step.attempt) for step in path}
    script = _part("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    shown = [outcome for outcome in SIGNS if any(a.outcome == outcome for a in trace.attempts)]
    legend = [f'<span><i class="{o}" aria-hidden="true">{SIGNS[o]}</i>{o}</span>' for o in shown]
    if len(path) > 1:
        legend.append('<span><i class="bar critical unknown" aria-hidden="true"></i>on the critical path</span>')
    findings = "".join(f"<li>{_e(line)}</li>\n" for line in text.findings(trace))
    return string.Template(_part("page.html")).substitute(
        script_hash=f"sha256-{digest}",
        script=script,
        style=_part("page.css"),
        title=_e(f"Trace of {trace.subject}"),
        summary=_e(text.summary(trace).partition(": ")[2]),
        legend="\n".join(legend),
        chart="".join(_chart(trace, path, on_path)),
        findings=f"<ul>\n{findings}</ul>",
        rows="".join(_table_row(row) for row in text.rows(trace)),
        marks=_marks(trace),
    )


@cache
def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _e(value: object) -> str:
    """``value`` as text of the page: no markup, and no character that turns a line round."""
    return html.escape(escaped.line(str(value)), quote=True)


def _chart(trace: Trace, path: list[Step], on_path: set[int]) -> Iterator[str]:
    span = max(1, trace.end_ms - trace.begin_ms)

    def at(ms: int) -> float:
        return min(100.0, max(0.0, 100 * (ms - trace.begin_ms) / span))

    marks = [tick for tick in ticks(span, 10) if tick / span < 0.97]
    labels = "".join(
        f'<span class="tick" style="left:{100 * t / span:.3f}%">{text.duration(t, span)}</span>' for t in marks
    )
    grid = "".join(f'<span class="grid" style="left:{100 * t / span:.3f}%"></span>' for t in marks)
    yield (
        f'<div class="row axis"><div class="label">{_e(iso(trace.begin_ms)[11:19])} UTC</div>'
        f'<div class="track">{grid}{labels}</div></div>\n'
    )
    if len(path) > 1:
        yield '<div class="row path"><div class="label">critical path<small>what the end waited for</small></div>'
        yield f'<div class="track">{grid}'
        reached = path[0].attempt.begin_ms or trace.begin_ms
        for step in path:
            begin, end = step.attempt.begin_ms or 0, end_of(trace, step.attempt)
            if begin > reached:
                yield _stretch("wait", at(reached), at(begin))
            yield _stretch("work", at(begin), at(end))
            reached = max(reached, end)
        yield "</div></div>\n"
    number = {id(attempt): n for n, attempt in enumerate(trace.attempts, 1)}
    for owner, lanes in trace.workers.items():
        first = lanes[0][0]
        where = " on ".join(part for part in (first.runtime, trace.hosts.get(owner)) if part)
        yield f'<div class="row"><div class="label" title="{_e(owner)}">{_e(owner)}<small>{_e(where)}</small></div>'
        yield f'<div class="track">{grid}'
        for lane in lanes:
            yield '<div class="lane">'
            for attempt in lane:
                left, right = at(attempt.begin_ms or 0), at(end_of(trace, attempt))
                yield _bar(trace, attempt, number[id(attempt)], left, right - left, critical=id(attempt) in on_path)
            yield "</div>"
        yield "</div></div>\n"
    for n, attempt in enumerate(trace.attempts, 1):
        yield f'<template id="about{n}">{_about(trace, attempt)}</template>\n'


def _stretch(kind: str, left: float, right: float) -> str:
    return f'<span class="{kind}" style="left:{left:.3f}%;width:{right - left:.3f}%"></span>'


def _bar(trace: Trace, a: Attempt, n: int, left: float, width: float, *, critical: bool) -> str:
    shown = f"{SIGNS[a.outcome]} {_short(a)}"
    ran = format_duration((end_of(trace, a) - (a.begin_ms or 0)) / 1000)
    told = f"{a.name}, {a.outcome}, {ran}" + (", on the critical path" if critical else "")
    classes = " ".join(("bar", a.outcome, *(["critical"] if critical else [])))
    return (
        f'<button type="button" class="{classes}" data-n="{n}" style="left:{left:.3f}%;width:{width:.3f}%" '
        f'aria-label="{_e(told)}"><span>{_e(shown)}</span></button>'
    )


def _short(a: Attempt) -> str:
    target = target_of(a.job_id)
    again = f" #{a.number}" if a.number > 1 else ""
    if target is None:
        return a.job_id + again
    where = f"p{target.plan_id} " if target.plan_id is not None else ""
    return f"{where}{target.command}{f' i{target.iteration}' if target.iteration else ''}{again}"


def _about(trace: Trace, a: Attempt) -> str:
    def moment(ms: int | None) -> str | None:
        return iso(ms) if ms is not None else None

    tokens = None
    if a.tokens_in is not None or a.tokens_out is not None:
        tokens = f"{a.tokens_in if a.tokens_in is not None else '?'} in, {a.tokens_out or 0} out"
    facts = (
        ("job", a.job_id), ("attempt", a.number), ("outcome", f"{SIGNS[a.outcome]} {a.outcome}"), ("worker", a.owner),
        ("role", a.role), ("runtime", a.runtime), ("queued", moment(a.queued_ms)), ("claimed", moment(a.claimed_ms)),
        ("started", moment(a.started_ms)), ("ended", moment(a.end_ms)), ("tokens", tokens or "unknown"),
        ("cost", f"${a.cost_usd:.4f}" if a.cost_usd is not None else "unknown"),
    )  # fmt: skip
    known = "".join(f"<dt>{name}</dt><dd>{_e(value)}</dd>" for name, value in facts if value is not None)
    wide = (("error", a.error_code), ("reason", a.reason), ("late", "its result came late and was kept" * a.late))
    known += "".join(f'<dt>{name}</dt><dd class="wide">{_e(value)}</dd>' for name, value in wide if value)
    return f"<dl>{known}</dl>"


def _table_row(row: tuple[object, ...]) -> str:
    n, outcome, name, owner, began, waited, ran, on_path, note = ("" if cell is None else cell for cell in row)
    tag = f'<span class="tag {outcome}">{SIGNS[str(outcome)]} {outcome}</span>'
    return (
        f'<tr id="row{n}"><td class="n">{n}</td><td>{tag}</td><td class="id">{_e(name)}</td>'
        f'<td class="id">{_e(owner)}</td><td class="n">{_e(began)}</td><td class="n">{_e(waited)}</td>'
        f'<td class="n">{_e(ran)}</td>'
        f'<td>{"★" if on_path else ""}</td><td class="note">{_e(note)}</td></tr>\n'
    )


def _marks(trace: Trace) -> str:
    if not trace.marks:
        return ""
    items = ""
    for mark in trace.marks:
        what = f"{mark.kind} {mark.subject}" + (f": {mark.reason}" if mark.reason else "")
        items += f"<li><code>{_e(iso(mark.ms))}</code> {_e(what)}</li>\n"
    return f"<section>\n<h2>What else happened</h2>\n<ul>\n{items}</ul>\n</section>"
