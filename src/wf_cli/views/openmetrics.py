"""The figures of a spool as metrics that Prometheus reads: docs/reference/metrics.md describes each.

The text is the exposition format that node_exporter's textfile collector takes, with the end mark of OpenMetrics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wf_cli.views.quantiles import Durations
from wf_cli.views.stats import Figures, Stats

_Labels = Mapping[str, str]
#: A figure, in the groups that are asked for: the labels of a sample and its value.
_Samples = Iterator[tuple[_Labels, float]]

#: Counters that are one field of `Figures` each.
_COUNTERS = (
    ("wf_jobs_dead_total", "dead", "Jobs that became dead letters."),
    ("wf_retries_total", "retries", "Jobs queued again after a failure or a loss, or by an operator."),
    ("wf_lease_losses_total", "lease_losses", "Leases that a living session lost."),
    ("wf_late_results_total", "late_results", "Results of superseded attempts that were kept."),
    ("wf_attempts_without_tokens_total", "tokens_unknown", "Attempts whose agent told no tokens."),
    ("wf_attempts_without_cost_total", "cost_unknown", "Attempts whose agent told no cost."),
)


def text(counts: Mapping[str, int], stats: Stats, *, by: str | None, now_ms: int) -> str:
    """The whole file. ``counts`` are the jobs in each status now; with ``by`` each counter has that label.

    A figure that no attempt told (tokens, cost) has no sample.
    """
    return "".join(f"{line}\n" for line in (*_lines(counts, stats, by, now_ms), "# EOF"))


def _lines(counts: Mapping[str, int], stats: Stats, by: str | None, now_ms: int) -> Iterator[str]:
    groups: list[tuple[dict[str, str], Figures]] = [({}, stats.total)]
    if by is not None:
        groups = [({by: name or ""}, stats.groups[name]) for name in sorted(stats.groups, key=lambda n: n or "")]
    jobs = (({"status": status}, float(count)) for status, count in counts.items())
    yield from _family("wf_jobs", "gauge", "Jobs in the spool now, by status; archived ones are left out.", jobs)
    yield from _family(
        "wf_jobs_enqueued_total", "counter", "Jobs that were made.", ((g, f.enqueued) for g, f in groups)
    )
    ends = (({**g, "end": end}, float(count)) for g, f in groups for end, count in f.ends.items())
    yield from _family("wf_attempts_ended_total", "counter", "Attempts that ended, by how they ended.", ends)
    for name, field, help_text in _COUNTERS:
        yield from _family(name, "counter", help_text, ((g, getattr(f, field)) for g, f in groups))
    yield from _summary(
        "wf_job_wait_seconds", "From queued to claimed, delays included.", [(g, f.wait) for g, f in groups]
    )
    yield from _summary(
        "wf_attempt_run_seconds", "From the start of an attempt to its end.", [(g, f.run) for g, f in groups]
    )
    tokens = (
        ({**g, "direction": direction}, float(count))
        for g, f in groups
        if f.tokens_known
        for direction, count in (("in", f.tokens_in), ("out", f.tokens_out))
    )
    yield from _family("wf_tokens_total", "counter", "Tokens of the attempts that told them.", tokens)
    cost = ((g, f.cost_usd) for g, f in groups if f.cost_known)
    yield from _family("wf_cost_usd_total", "counter", "US dollars of the attempts that told their cost.", cost)
    yield from _family(
        "wf_stats_timestamp_seconds",
        "gauge",
        "When this file was written, in seconds since 1970.",
        iter([({}, now_ms / 1000)]),
    )


def _family(name: str, kind: str, help_text: str, samples: _Samples) -> Iterator[str]:
    lines = [_sample(name, labels, value) for labels, value in samples]
    if lines:
        yield from (f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", *lines)


def _summary(name: str, help_text: str, groups: list[tuple[dict[str, str], Durations]]) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} summary"
    for labels, durations in groups:
        for share in ("0.5", "0.95", "1"):
            value = durations.quantile(float(share))
            if value is not None:
                yield _sample(name, {**labels, "quantile": share}, value)
        yield _sample(f"{name}_sum", labels, durations.total)
        yield _sample(f"{name}_count", labels, durations.count)


def _sample(name: str, labels: _Labels, value: float) -> str:
    inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    number = str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(round(value, 6))
    return f"{name}{{{inner}}} {number}" if inner else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
