"""What `wf stats` counts, from events that a real queue wrote and from hostile ones."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.clock import FakeClock
from support.projects import Cli
from support.spools import POOL, claim_one, failing, make_spool, request, run_one, spool_queue
from support.views import make_late
from wf_cli import clock as times
from wf_cli.clock import SystemClock
from wf_cli.contract.event import Event
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool, Token
from wf_cli.eventlog.log import EventLog
from wf_cli.eventlog.stream import Stream
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool.layout import Spool
from wf_cli.views import openmetrics, stats
from wf_cli.views.quantiles import Durations
from wf_cli.views.stats import UNUSED, Stats

PROMTOOL = shutil.which("promtool")


class Yard:
    """A queue whose events go to a real log, by a clock that the test moves."""

    def __init__(self, root: Path):
        self.clock = FakeClock()
        self.spool: Spool = make_spool(root)
        self.queue: SpoolQueue = spool_queue(
            self.spool, self.clock, EventLog(self.spool.folder("log"), "w-box-1", self.clock)
        )

    def run(self, key: str, ending: Ending, *, waits: float = 0, works: float = 0, pool: Pool = POOL) -> Token:
        self.queue.enqueue(request(key, pool))
        return self.again(ending, waits=waits, works=works, pool=pool)

    def again(self, ending: Ending, *, waits: float = 0, works: float = 0, pool: Pool = POOL) -> Token:
        self.clock.advance(waits)
        token = run_one(self.queue, "w-box-1", pool)
        began = self.clock.now_ms()
        self.clock.advance(works)
        self.queue.end(token, replace(ending, started_ms=began), by="w-box-1")
        return token

    def stats(self, **options: Any) -> Stats:
        out = Stats(**options)
        for ms, event in Stream(self.spool.folder("log"), without=UNUSED).new_events():
            out.add(ms, event)
        return out


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / ".wf" / "spool")


def told(**usage: Any) -> Ending:
    return Ending(End.SUCCEEDED, usage=usage)


def test_waits_runs_ends_and_cost_of_what_a_queue_did(yard: Yard) -> None:
    yard.run("a", told(tokens_in=100, tokens_out=7, cost_usd=0.25), waits=10, works=60)
    yard.run("b", told(), waits=2, works=4)
    yard.run("c", failing("policy_denied"), works=1)
    got = yard.stats().total.to_json()
    assert (got["enqueued"], got["succeeded"], got["failed"], got["dead"]) == (3, 2, 1, 1)
    assert got["success_share"] == 0.6667
    assert got["wait_s"]["count"] == 3
    assert got["wait_s"]["max"] == 10
    assert got["wait_s"]["p50"] == pytest.approx(2, rel=0.011)
    about = {"p50": pytest.approx(4, rel=0.011), "p95": pytest.approx(60, rel=0.011)}
    assert got["run_s"] == {"count": 3, "max": 60, **about}
    assert got["tokens"] == {"in": 100, "out": 7, "unknown_attempts": 2}
    assert got["cost"] == {"usd": 0.25, "unknown_attempts": 2}


def test_what_no_attempt_told_is_unknown_and_not_zero(yard: Yard) -> None:
    assert yard.stats().total.to_json()["cost"] == {"usd": None, "unknown_attempts": 0}
    yard.run("a", told())
    got = yard.stats().total.to_json()
    assert got["tokens"] == {"in": None, "out": None, "unknown_attempts": 1}
    assert got["cost"] == {"usd": None, "unknown_attempts": 1}


def test_an_attempt_that_told_that_it_was_free_is_known(yard: Yard) -> None:
    yard.run("a", told(cost_usd=0, tokens_in=0))
    got = yard.stats().total.to_json()
    assert got["cost"] == {"usd": 0, "unknown_attempts": 0}
    assert got["tokens"] == {"in": 0, "out": 0, "unknown_attempts": 0}


def test_retries_of_the_policy_and_of_operators_losses_and_late_results(yard: Yard) -> None:
    yard.run("a", failing("crashed"), works=1)
    yard.clock.advance(3600)
    token = run_one(yard.queue)
    make_late(yard.queue, token)
    yard.clock.advance(3600)
    yard.again(failing("policy_denied"))
    yard.queue.retry("a")
    yard.queue.cancel("a", by="me")
    got = yard.stats().total.to_json()
    assert (got["retries"], got["lost"], got["late_results"]) == (3, 1, 1)
    assert (got["dead"], got["cancelled"], got["success_share"]) == (1, 1, 0.0)
    assert got["wait_s"]["max"] == 3600, "from queued again to claimed again"


def test_a_job_that_died_at_once_counts_as_dead_once(yard: Yard) -> None:
    yard.queue.enqueue(request("a"))
    token = claim_one(yard.queue)
    yard.queue.quarantine(token, Failure("invalid_spec", "torn"), by="w-box-1")
    assert yard.stats().total.dead == 1


def test_held_and_given_back_is_neither_the_end_of_an_attempt_nor_a_wait(yard: Yard) -> None:
    yard.queue.enqueue(request("a"))
    yard.queue.hold("a")
    yard.clock.advance(1000)
    yard.queue.unhold("a")
    yard.again(told(), waits=5)
    got = yard.stats().total.to_json()
    assert got["released"] == 0
    assert got["wait_s"]["count"] == 1
    assert got["wait_s"]["max"] == 5


def test_a_claim_that_was_logged_before_its_enqueue_waited_for_no_time(yard: Yard) -> None:
    out = Stats(by="owner")
    for ms, kind, facts in (
        (5, "job.claimed", {"attempt": 1, "owner": "w"}),
        (9, "job.enqueued", {}),
        (20, "job.failed", {"attempt": 1, "owner": "w", "to": "queued", "from": "running"}),
        (1020, "job.claimed", {"attempt": 2, "owner": "w"}),
    ):
        out.add(ms, Event("", kind, {"job_id": "a", **facts}))
    assert (out.total.wait.count, out.total.wait.greatest, out.total.wait.total) == (2, 1.0, 1.0)
    assert out.groups["w"].wait.count == 2


def test_a_claim_whose_enqueue_is_not_in_the_log_is_no_wait_and_the_next_one_is() -> None:
    out = Stats()
    out.add(5, Event("", "job.claimed", {"job_id": "a", "attempt": 1}))
    out.add(7, Event("", "job.failed", {"job_id": "a", "attempt": 1, "from": "running", "to": "queued"}))
    out.add(2007, Event("", "job.claimed", {"job_id": "a", "attempt": 2}))
    assert (out.total.wait.count, out.total.wait.greatest) == (1, 2.0)


def test_since_leaves_earlier_events_out_and_knows_when_a_job_was_queued(yard: Yard) -> None:
    yard.run("a", told(cost_usd=1))
    yard.queue.enqueue(request("b"))
    yard.clock.advance(100)
    since = yard.clock.now_ms()
    yard.again(told(cost_usd=2), waits=20)
    got = yard.stats(since_ms=since).total.to_json()
    assert (got["enqueued"], got["succeeded"], got["cost"]["usd"]) == (0, 1, 2)
    assert got["wait_s"]["max"] == 120


def test_groups_add_up_to_the_total(yard: Yard) -> None:
    other = Pool("reviewer", "cursor")
    yard.run("a", told(cost_usd=1, tokens_in=5), waits=1, works=2)
    yard.run("b", failing("policy_denied"), pool=other)
    yard.run("c", told(), pool=other)
    for by, names in (
        ("role", {"coder", "reviewer"}),
        ("runtime", {"opencode", "cursor"}),
        ("owner", {None, "w-box-1"}),
        ("error", {None, "policy_denied"}),
    ):
        found = yard.stats(by=by)
        assert set(found.groups) == names
        for name in ("enqueued", "dead", "cost_usd", "cost_known", "cost_unknown", "tokens_in"):
            assert sum(getattr(f, name) for f in found.groups.values()) == getattr(found.total, name), (by, name)
        assert sum(sum(f.ends.values()) for f in found.groups.values()) == 3
        assert sum(f.wait.count for f in found.groups.values()) == 3


def test_names_that_somebody_made_up_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "_MOST_GROUPS", 10)
    monkeypatch.setattr(stats, "_MOST_WAITING", 10)
    out = Stats(by="owner")
    for n in range(1000):
        out.add(n, Event("", "job.enqueued", {"job_id": f"j{n}", "owner": f"w{n}"}))
        out.add(n, Event("", "job.claimed", {"job_id": f"other{n}", "owner": f"w{n}"}))
    assert len(out.groups) == 11
    assert out.groups[stats.OTHERS].enqueued == 990
    assert max(len(out._queued), len(out._early)) <= 10


VALUES = st.one_of(st.integers(-5, 10**14), st.floats(allow_nan=False, allow_infinity=False), st.none())


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**6),
            st.sampled_from(sorted({*stats.ENDS, "job.claimed", "job.enqueued", "job.dead", "attempt.late"})),
            st.dictionaries(st.sampled_from(["duration_s", "tokens_in", "tokens_out", "cost_usd"]), VALUES),
            st.fixed_dictionaries({}, optional={
                "job_id": st.sampled_from("ab"), "to": st.sampled_from(["queued", "dead", "x"]),
                "from": st.sampled_from(["queued", "running"]), "attempt": st.integers(-1, 3), "reason": st.text(),
                "role": st.text(),
            }),
        )
    )
)  # fmt: skip
def test_no_order_and_no_value_of_a_hostile_log_breaks_a_figure(found: list[Any]) -> None:
    out = Stats(by="role")
    for ms, kind, amounts, facts in found:
        out.add(ms, Event("", kind, {**facts, **{k: v for k, v in amounts.items() if v is not None}}))
    document = json.dumps(out.total.to_json(), allow_nan=False)
    assert "-" not in document.replace("e-", "")
    lines = openmetrics.text({"queued": 0}, out, by="role", now_ms=0).split("\n")
    assert lines[-2:] == ["# EOF", ""]


@pytest.mark.parametrize("name", ["tokens_in", "tokens_out", "cost_usd", "duration_s"])
def test_amounts_that_no_event_has_are_unknown(name: str) -> None:
    out = Stats(by="role")
    for _ in range(2):
        out.add(0, Event("", "job.cancelled", {name: 1.7e308}))
    json.dumps(out.total.to_json(), allow_nan=False)
    assert "# EOF" in openmetrics.text({}, out, by="role", now_ms=0)


@given(st.lists(st.floats(0, 1e9), min_size=1), st.floats(0, 1))
def test_a_quantile_is_at_most_one_percent_off(values: list[float], share: float) -> None:
    durations = Durations()
    for value in values:
        durations.add(value)
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    got = durations.quantile(share)
    assert got is not None
    assert abs(got - exact) <= max(0.0101 * exact, 0.00102)
    assert durations.quantile(1) == max(values)


# -- the command


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path, monkeypatch, capsys)


def test_without_a_spool_all_is_zero_and_no_spool_is_made(wf: Cli) -> None:
    got = wf.json("stats")
    assert got["counts"] == {str(status): 0 for status in Status}
    assert got["success_share"] is None
    assert not (wf.root / ".wf").exists()


def test_json_and_text_say_the_same(wf: Cli, yard: Yard) -> None:
    yard.run("a", told(cost_usd=0.5), waits=1, works=2)
    yard.run("b", failing("policy_denied"))
    got = wf.json("stats", "--by", "error")
    assert (got["by"], [group["error"] for group in got["groups"]]) == ("error", [None, "policy_denied"])
    assert (got["counts"]["succeeded"], got["counts"]["failed"]) == (1, 1)
    code, out, _ = wf("stats")
    assert code == 0
    assert "50.0% of the jobs" in out
    assert "$0.5000 and 1 attempt(s) told nothing" in out
    assert "tokens          unknown: 2 attempt(s) told nothing" in out
    code, out, _ = wf("stats", "--by", "error")
    assert [line.split()[:4] for line in out.splitlines()] == [["-", "1", "1", "0"], ["policy_denied", "1", "0", "1"]]


def test_text_of_others_cannot_act(wf: Cli, yard: Yard) -> None:
    line = {"ts": times.iso(0), "event": "job.failed", "job_id": "a", "role": 'x\x1b[2J\u202e\n\t"\\', "to": "dead"}
    (yard.spool.folder("log") / "evil.jsonl").write_text(json.dumps(line) + "\n")
    target = wf.root / "wf.prom"
    code, out, _ = wf("stats", "--by", "role", "--openmetrics", str(target))
    assert code == 0
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert 'role="x\\\\x1b[2J\\\\u202e  \\"\\\\"' in target.read_text()


@pytest.fixture
def metrics(wf: Cli, yard: Yard) -> str:
    yard.run("a", told(cost_usd=0.5, tokens_in=1), waits=1, works=2)
    yard.run("b", failing("policy_denied"), pool=Pool("reviewer", "cursor"))
    code, _, err = wf("stats", "--openmetrics", "wf.prom", "--by", "role")
    assert code == 0, err
    return (wf.root / "wf.prom").read_text()


def test_the_metrics_file_can_be_read_by_a_collector_and_is_replaced_as_a_whole(wf: Cli, metrics: str) -> None:
    path = wf.root / "wf.prom"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    before = path.stat().st_ino
    path.chmod(0o600)
    assert wf("stats", "--openmetrics", "wf.prom")[0] == 0
    assert path.stat().st_ino != before, "another file under the name, not a change in place"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [p.name for p in wf.root.iterdir() if "prom" in p.name] == ["wf.prom"], "no part is left"


def test_the_metrics_are_those_of_the_reference_and_have_a_sample_for_each_group(metrics: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "metrics.md").read_text()
    names = {line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE")}
    assert len(names) > 10
    assert {name for name in names if f"`{name}`" not in page} == set()
    assert 'wf_jobs{status="failed"} 1' in metrics
    assert 'wf_attempts_ended_total{role="coder",end="succeeded"} 1' in metrics
    assert 'wf_cost_usd_total{role="coder"} 0.5' in metrics
    assert 'wf_cost_usd_total{role="reviewer"}' not in metrics, "unknown is no sample, and never zero"
    assert 'wf_attempts_without_cost_total{role="reviewer"} 1' in metrics


@pytest.mark.skipif(PROMTOOL is None, reason="SKIPPED, LOUDLY: no promtool (apt-get install prometheus)")
def test_prometheus_own_checker_accepts_the_metrics(metrics: str) -> None:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=metrics, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("place", ["folder", "nowhere/wf.prom", "pipe"])
def test_a_metrics_file_that_cannot_be_written_is_one_message(wf: Cli, yard: Yard, place: str) -> None:
    (wf.root / "folder").mkdir()
    os.mkfifo(wf.root / "pipe")
    code, _, err = wf("stats", "--openmetrics", place)
    assert code in (1, 2)
    assert str(wf.root / place.split("/")[0]) in err
    assert "Traceback" not in err


def test_counters_never_go_back_so_a_window_is_refused(wf: Cli) -> None:
    code, _, err = wf("stats", "--openmetrics", "x", "--since", "1h")
    assert code == 2
    assert "leave --since out" in err


def test_a_crowd_of_jobs_in_any_order_adds_up(tmp_path: Path) -> None:
    rng = random.Random(11)
    log = tmp_path / "log"
    log.mkdir()
    files = [(log / f"w-{n}.jsonl").open("w") for n in range(8)]
    for n in range(2000):
        at = n * 10
        for file, ms, kind, facts in (
            (files[0], at, "job.enqueued", {}),
            (rng.choice(files[1:]), at + 5, "job.claimed", {"attempt": 1}),
        ):
            file.write(Event(times.iso(ms), kind, {"job_id": f"j{n}", **facts}).line() + "\n")
    for file in files:
        file.close()
    out = Stats()
    for ms, event in Stream(log).new_events():
        out.add(ms, event)
    assert (out.total.enqueued, out.total.wait.count, out.total.wait.greatest) == (2000, 2000, 0.005)
    assert not out._queued


def test_watching_adds_what_is_logged_meanwhile_and_prints_only_changes(
    wf: Cli, yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def between_two_looks(_clock: SystemClock, _seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            yard.run("b", told(cost_usd=2))
        elif looks == 4:
            raise KeyboardInterrupt

    yard.run("a", told(cost_usd=1))
    monkeypatch.setattr(SystemClock, "sleep", between_two_looks)
    code, out, _ = wf("stats", "--watch", "--json", "--openmetrics", "wf.prom")
    assert code == 0
    assert [json.loads(line)["cost"]["usd"] for line in out.splitlines()] == [1, 3]
    assert "wf_cost_usd_total 3\n" in (wf.root / "wf.prom").read_text()
