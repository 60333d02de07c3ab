"""Who did what when, from what a real queue wrote; hostile names and lost lines; the page in a real browser."""

from __future__ import annotations

import html.parser
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.chromium import CHROMIUM, Page, browser
from support.clock import START_MS
from support.projects import Cli
from support.traced import Team, an_epic, done
from wf_cli import clock as times
from wf_cli import schema
from wf_cli.contract.event import Event
from wf_cli.errors import NotFound
from wf_cli.spool.troubles import Trouble
from wf_cli.views.trace import page, perfetto, text
from wf_cli.views.trace.build import Subject, build
from wf_cli.views.trace.model import Attempt, Trace, critical_path, recoveries, ticks
from wf_cli.views.viewer import Viewer

EPIC = Subject(epic_id="01")
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\x1b[2J\u202e\"'&amp;{{}}${x}"


def traced(team: Team, subject: Subject = EPIC, said: list[Trouble] | None = None) -> Trace:
    return build(subject, Viewer(team.spool, team.clock), (said if said is not None else []).append)


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return an_epic(tmp_path / ".wf" / "spool")


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path, monkeypatch, capsys)


# -- what is in a trace


def test_every_attempt_has_its_worker_its_time_and_its_end(team: Team) -> None:
    trace = traced(team)
    ends = [(a.name.removeprefix("e01-"), a.owner.split("-")[0] + a.owner.split("-")[1], a.outcome)
            for a in trace.attempts]  # fmt: skip
    assert ends == [
        ("p01-i0-plan-orchestrator.a1", "cursor1", "succeeded"),
        ("p01-i0-code-plan-coder.a1", "opencode2", "lost"),
        ("p01-i0-code-plan-coder.a2", "opencode1", "succeeded"),
        ("p01-i0-review-plan-reviewer.a1", "cursor1", "succeeded"),
        ("p02-i0-plan-orchestrator.a1", "cursor2", "succeeded"),
        ("p01-i0-fix-plan-fixer.a1", "opencode1", "succeeded"),
        ("p02-i0-code-plan-coder.a1", "opencode3", "failed"),
        ("p02-i0-code-plan-coder.a2", "opencode3", "released"),
        ("p01-i1-review-plan-reviewer.a1", "cursor1", "succeeded"),
        ("p02-i0-code-plan-coder.a3", "opencode1", "cancelled"),
        ("p02-i0-code-plan-coder.a4", "opencode1", "running"),
    ]
    first = trace.attempts[0]
    assert (first.queued_ms, first.begin_ms, first.end_ms) == (START_MS, START_MS + 4000, START_MS + 99_000)
    assert trace.attempts[-1].end_ms is None
    assert trace.end_ms == team.clock.now_ms(), "what goes on reaches to now"


def test_recoveries_name_who_went_on_and_when(team: Team) -> None:
    trace = traced(team)
    found = [(r.attempt.name[-5:], r.attempt.outcome, r.next and r.next.number, r.gap_s) for r in recoveries(trace)]
    assert found == [("er.a1", "lost", 2, 3.0), ("er.a1", "failed", 2, 80.0)]
    assert trace.attempts[1].late
    assert [m.kind for m in trace.marks] == ["epic.started", "attempt.late", "job.retried"]


def test_the_critical_path_covers_the_time_to_the_end(team: Team) -> None:
    trace = traced(team)
    path = critical_path(trace)
    assert path[0].attempt is trace.attempts[0]
    assert path[-1].attempt is trace.attempts[-1]
    covered = sum(step.waited_s + step.ran_s for step in path)
    assert covered == pytest.approx((trace.end_ms - trace.begin_ms) / 1000)
    assert trace.attempts[4] not in [step.attempt for step in path], "nothing waited for that one"


def test_one_job_a_beginning_of_ids_and_a_plan_are_traced_too(team: Team) -> None:
    assert len(traced(team, Subject(job="e01-p02-i0-code-plan-coder")).attempts) == 4
    assert len(traced(team, Subject(job="e01-p02")).attempts) == 5
    assert len(traced(team, Subject(plan_id="01")).attempts) == 6
    with pytest.raises(NotFound):
        traced(team, Subject(job="e01-p0"))


def test_without_logs_outcomes_and_tokens_tell_what_they_know(team: Team) -> None:
    before = {a.name: a.outcome for a in traced(team).attempts}
    for log in team.spool.folder("log").iterdir():
        log.unlink()
    trace = traced(team)
    assert {a.name: a.outcome for a in trace.attempts} == before
    assert {a.role for a in trace.attempts} == {"orchestrator", "plan-coder", "plan-reviewer", "plan-fixer"}
    code = next(a for a in trace.attempts if a.name == "e01-p01-i0-code-plan-coder.a2")
    assert (code.cost_usd, code.tokens_in) == (0.412, 150_000)
    page.page(trace)


def test_an_attempt_whose_session_died_is_stalled(tmp_path: Path) -> None:
    from support.views import beat, write_session

    team = Team(tmp_path / "spool")
    team.enqueue("01", "plan")
    token = team.start("cursor-1", "plan")
    write_session(team.spool, "cursor-1", token, dead=True)
    beat(team.spool, "cursor-1")
    assert [a.outcome for a in traced(team).attempts] == ["stalled"]


def test_jobs_that_one_worker_had_at_once_do_not_hide_each_other(tmp_path: Path) -> None:
    team = Team(tmp_path / "spool")
    for plan in ("01", "02", "03"):
        team.enqueue(plan, "plan")
    one, two = team.start("cursor-1", "plan"), team.start("cursor-1", "plan")
    team.clock.advance(10)
    team.end(one, done())
    team.clock.advance(1)
    team.start("cursor-1", "plan")
    team.end(two, done())
    (lanes,) = traced(team).workers.values()
    assert [[a.plan_id for a in lane] for lane in lanes] == [["01", "03"], ["02"]]


def test_an_outcome_that_cannot_be_read_is_named_and_the_rest_is_shown(team: Team) -> None:
    for log in team.spool.folder("log").iterdir():
        log.unlink()
    path = team.spool.outcome_path("e01-p01-i0-fix-plan-fixer", 1)
    path.unlink()
    path.write_text("torn")
    said: list[Trouble] = []
    assert len(traced(team, said=said).attempts) == 10
    assert [t.path for t in said] == [str(path)]


@given(st.lists(st.tuples(st.sampled_from(sorted(text.FILL)), *[st.none() | st.integers(0, 10**13)] * 4,
                          st.sampled_from("abc"), st.sampled_from("xy"))), st.integers(0, 10**13))  # fmt: skip
def test_no_times_of_a_hostile_log_break_a_picture(found: list[Any], now: int) -> None:
    attempts = [
        Attempt(job, n, owner, outcome=outcome, queued_ms=q, claimed_ms=c, started_ms=s, end_ms=e)
        for n, (outcome, q, c, s, e, job, owner) in enumerate(found)
    ]
    trace = Trace("x", now, sorted(attempts, key=lambda a: a.begin_ms or 0))
    assert all(sum(len(piece) for piece, _ in row) <= 100 for row in text.picture(trace, 100)[:-1])
    assert len(text.rows(trace)) == len(attempts)
    assert text.findings(trace)
    shown = page.page(trace)
    places = re.findall(r"left:([\d.]+)%(?:;width:([\d.]+)%)?", shown)
    assert all(0 <= float(left) <= 100 and float(width or 0) <= 100 for left, width in places)
    assert schema.problems("trace", perfetto.document(trace)) == []
    json.dumps(trace.to_json(), allow_nan=False)


@given(st.integers(0, 10**14), st.integers(2, 20))
def test_an_axis_has_no_more_ticks_than_it_has_room_for(span: int, most: int) -> None:
    assert 1 <= len(ticks(span, most)) <= most + 1


# -- the forms


def test_text_has_a_row_of_bars_for_each_worker(team: Team) -> None:
    rows = ["".join(piece for piece, _ in row) for row in text.picture(traced(team), 120)]
    assert len(rows) == 1 + 1 + 5 + 1, "axis, critical path, workers, legend"
    assert "!2!!" in rows[3]
    assert "=3==" in rows[4]
    assert ">11>" in rows[4]
    assert rows[-1] == "= succeeded  x failed  ! lost  - released  / cancelled  > running"


def test_perfetto_gets_what_its_schema_says(team: Team) -> None:
    document = perfetto.document(traced(team))
    assert schema.problems("trace", document) == []
    bars = [e for e in document["traceEvents"] if e["ph"] == "X" and e["cat"] != "path"]
    assert len(bars) == 11
    assert {e["ph"] for e in document["traceEvents"]} == {"X", "M", "i", "s", "f"}
    names = [e["args"]["name"] for e in document["traceEvents"] if e["name"] == "process_name"]
    assert len(names) == 6
    broken = {**document, "traceEvents": [{**bars[0], "dur": -1}]}
    assert schema.problems("trace", broken) != []


class Elements(html.parser.HTMLParser):
    """The elements of a page, and the attributes that could load or run something."""

    def __init__(self, source: str):
        super().__init__()
        self.tags: list[str] = []
        self.dangerous: list[tuple[str, str | None]] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.dangerous += [(k, v) for k, v in attrs if k.startswith("on") or k in ("src", "href", "srcset", "action")]


def evil(team: Team) -> Trace:
    """A trace in which all that others can write is hostile."""
    log = team.spool.folder("log") / "evil.jsonl"
    facts = {
        "job_id": "e01-p09-i0-code-plan-coder", "attempt": 1, "owner": HOSTILE, "role": HOSTILE, "runtime": HOSTILE,
        "host": HOSTILE, "reason": HOSTILE, "error_code": HOSTILE, "epic_id": "01",
    }  # fmt: skip
    with log.open("w") as file:
        for ms, kind in ((1, "job.claimed"), (9000, "job.failed"), (9001, "job.dead"), (9002, "epic.blocked")):
            file.write(json.dumps(Event(times.iso(START_MS + ms), kind, {**facts, "to": HOSTILE}).to_json()) + "\n")
    return traced(team)


def test_nothing_from_the_spool_is_ever_markup(team: Team) -> None:
    plain = Elements(page.page(traced(team)))
    trace = evil(team)
    shown = page.page(trace)
    found = Elements(shown)
    assert found.dangerous == []
    assert set(found.tags) == set(plain.tags)
    assert found.tags.count("script") == 1
    assert "&lt;img src=x" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert schema.problems("trace", perfetto.document(trace)) == []


# -- the command


def test_a_pipe_gets_a_line_for_each_attempt_and_a_file_the_picture(wf: Cli, team: Team) -> None:
    code, out, _ = wf("trace", "01")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()][:3] == ["succeeded", "lost", "succeeded"]
    assert len(out.splitlines()) == 11
    code, out, _ = wf("trace", "01", "--output", "t.txt")
    assert code == 0
    assert "critical path: 9 attempt(s)" in (wf.root / "t.txt").read_text()
    assert str(wf.root / "t.txt") in out


def test_json_says_all_of_it(wf: Cli, team: Team) -> None:
    got = wf.json("trace", "epic:1")
    assert (got["subject"], len(got["attempts"]), len(got["workers"])) == ("epic 01", 11, 5)
    assert got["recoveries"][0]["next_owner"] == "opencode-1-office-41d0b7aa"
    assert got["critical_path"][0]["job_id"] == "e01-p01-i0-plan-orchestrator"
    written = wf.json("trace", "01", "--format", "html", "--output", "t.html")
    assert written["written"] == str(wf.root / "t.html")


@pytest.mark.parametrize(
    ("word", "subject"),
    [("1", "epic 01"), ("plan:1", "plan 01"), ("2", "plan 02"), ("01-big", "epic 01"), ("02-b", "plan 02"),
     ("e01-p01-i0-fix", "e01-p01-i0-fix")],
)  # fmt: skip
def test_a_number_means_the_epic_then_the_plan_and_a_folder_itself(
    wf: Cli, team: Team, word: str, subject: str
) -> None:
    (wf.root / "epics" / "01-big").mkdir(parents=True)
    (wf.root / "plans" / "02-b").mkdir(parents=True)
    assert wf.json("trace", word)["subject"] == subject


@pytest.mark.parametrize("word", ["99", "nope", "../../etc", "", "plan:77", "e01-p0", "\udcff(", "e01.p01"])
def test_what_the_spool_does_not_know_ends_with_3(wf: Cli, team: Team, word: str) -> None:
    code, _, err = wf("trace", word)
    assert code == 3
    assert "knows nothing of" in err


def test_an_output_that_cannot_be_written_is_one_message(wf: Cli, team: Team) -> None:
    (wf.root / "folder").mkdir()
    os.mkfifo(wf.root / "pipe")
    for place in ("folder", "pipe", "nowhere/t.html"):
        code, _, err = wf("trace", "01", "--format", "html", "--output", place)
        assert code in (1, 2)
        assert str(wf.root / place.split("/")[0]) in err
    assert wf("trace", "01", "--format", "html", "--json")[0] == 2


def test_a_page_that_no_browser_could_show_is_refused(wf: Cli, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wf_cli.cli.jobs.trace.MOST_ON_PAGE", 10)
    code, _, err = wf("trace", "01", "--format", "html", "--output", "t.html")
    assert code == 2
    assert "11 attempts are too many for a page" in err
    assert not (wf.root / "t.html").exists()
    assert wf("trace", "01", "--format", "perfetto", "--output", "t.json")[0] == 0


def test_a_terminal_gets_no_escape_of_others(wf: Cli, team: Team) -> None:
    evil(team)
    for form in ("text", "html", "perfetto"):
        code, out, _ = wf("trace", "01", "--format", form)
        assert code == 0
        assert "\x1b" not in out
        assert "\u202e" not in out


# -- in a real browser

chromium = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="SKIPPED, LOUDLY: no chromium (apt-get install chromium)"),
]


@pytest.fixture
def shown(team: Team, tmp_path: Path) -> Iterator[Page]:
    path = tmp_path / "t.html"
    path.write_text(page.page(evil(team)), encoding="utf-8")
    with browser(tmp_path / "profile") as found:
        found.open(path)
        yield found


class TestInChromium:
    """The page, with hostile names in it."""

    pytestmark = chromium

    def test_the_bars_are_visible_and_no_script_but_its_own_runs(self, shown: Page) -> None:
        boxes = shown.evaluate(
            "[...document.querySelectorAll('.chart .bar')].map(b => { const r = b.getBoundingClientRect(), s ="
            " getComputedStyle(b); return [r.width, r.height, r.left >= 0 && r.right <= innerWidth, s.visibility,"
            " document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2).closest('.bar') !== null,"
            " s.backgroundImage + s.backgroundColor] })"
        )
        assert len(boxes) == 12
        assert all(w >= 5 and h >= 20 and inside and v == "visible" and top for w, h, inside, v, top, _ in boxes)
        assert len({looks for *_, looks in boxes}) == 6, "each outcome has its own looks"
        assert shown.complaints == []
        assert [url for url in shown.requests if not url.startswith("file:")] == []
        assert shown.evaluate("document.querySelectorAll('img').length") == 0
        assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth") is True

    def test_the_mouse_and_the_keyboard_show_the_details_of_a_bar(self, shown: Page) -> None:
        details = "document.getElementById('details').innerText"
        x, y = shown.evaluate(
            "(() => { const r = document.querySelector('.bar.lost').getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        shown.move_mouse(x, y)
        assert "its process is gone" in shown.evaluate(details)
        shown.move_mouse(2, 2)
        shown.evaluate("document.querySelector('.bar[data-n=\"1\"]').focus()")
        shown.press("ArrowRight")
        assert shown.evaluate("document.activeElement.dataset.n") == "2"
        before = shown.evaluate(details)
        shown.press("Enter")
        shown.press("ArrowRight")
        assert shown.evaluate(details) == before, "it is pinned"
        shown.press("Escape")
        shown.press("ArrowRight")
        assert shown.evaluate(details) != before
        wide = "document.getElementById('chart').getBoundingClientRect().width"
        width = shown.evaluate(wide)
        shown.press("+")
        assert shown.evaluate(wide) > 1.9 * width
        assert shown.complaints == []

    def test_dark_and_light_differ_and_both_can_be_read(self, shown: Page) -> None:
        colours = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        seen = []
        for scheme in ("light", "dark"):
            shown.prefers(scheme)
            ink, paper = (_brightness(colour) for colour in shown.evaluate(colours))
            assert abs(ink - paper) > 150
            seen.append(paper > ink)
        assert seen == [True, False]


def _brightness(colour: str) -> float:
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3
