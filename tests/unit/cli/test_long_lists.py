"""Lists of many jobs: what is parsed, kept and printed for them. Counted, not timed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.projects import Cli
from support.spools import make_spool
from wf_cli.cli.frame import fitting, output, tables
from wf_cli.cli.jobs import listing
from wf_cli.contract import token
from wf_cli.contract.token import Pool, Token
from wf_cli.views import viewer

MANY = 300


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    spool = make_spool(tmp_path / ".wf" / "spool")
    for n in range(MANY):
        ended = Token(5, 1_764_000_000_000 + n, f"job-{n:04d}", Pool("builder", "shell"), 1, 0, 3, status="succeeded")
        spool.path("done", ended.name).touch()
    waits = Token(5, 1_764_000_000_000, "waits", Pool("builder", "shell"), 0, 0, 3)
    spool.path("queued", waits.name).touch()
    token.parse.cache_clear()
    return Cli(tmp_path, monkeypatch, capsys)


def test_a_terminal_shows_the_first_jobs_and_says_how_many_more_there_are(
    wf: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "ON_TERMINAL", 20)
    monkeypatch.setattr(tables, "on_terminal", lambda: True)
    code, out, err = wf("spool", "ls")
    assert code == 0
    assert out.count("job-") == 19
    assert "waits" in out
    assert f"... and {MANY + 1 - 20} more: --limit {MANY + 1} or a pipe shows all" in err
    assert f"1 queued, {MANY} succeeded" in err
    assert token.parse.cache_info().misses < 50, "a job that is not shown is not parsed"
    code, out, err = wf("spool", "ls", "--limit", str(MANY + 1))
    assert out.count("job-") == MANY
    assert "more:" not in err


@pytest.mark.parametrize(
    "words", [("spool", "ls"), ("spool", "ls", "--sort", "age"), ("spool", "ls", "--limit", "7")]
)
def test_json_and_a_pipe_have_every_job(wf: Cli, words: tuple[str, ...]) -> None:
    wanted = 7 if "7" in words else MANY + 1
    code, out, err = wf(*words)
    assert (code, len(out.splitlines())) == (0, wanted), err
    code, told, _ = wf(*words, "--json")
    document = json.loads(told)
    assert list(document) == ["ok", "schema_version", "counts", "jobs", "stops", "conditions"]
    assert [job["job_id"] for job in document["jobs"]] == [line.split()[1] for line in out.splitlines()]
    assert document["counts"]["succeeded"] == MANY


def test_json_without_a_job_is_the_same_document(wf: Cli) -> None:
    code, told, _ = wf("spool", "ls", "--status", "dead", "--json")
    assert code == 0
    assert json.loads(told)["jobs"] == []


def test_a_failure_among_the_jobs_leaves_one_document_that_tells_it(wf: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: viewer.Viewer, placed: token.Placed) -> None:
        if placed.token.job_id == "job-0200":
            raise PermissionError(13, "Permission denied", "outcomes/job-0200.a1.json")

    monkeypatch.setattr(viewer.Viewer, "reason", fails)
    code, told, _ = wf("spool", "ls", "--json")
    assert code != 0
    assert json.loads(told)["ok"] is False


def test_the_criteria_are_asked_whether_they_are_any_once_and_not_for_each_job(
    wf: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []
    real = viewer.Criteria.__bool__
    monkeypatch.setattr(viewer.Criteria, "__bool__", lambda self: asked.append(None) or real(self))
    assert wf("spool", "ls", "--limit", "5")[0] == 0
    assert len(asked) < 5


def test_the_room_of_a_table_is_measured_a_few_times_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []
    real = fitting.width
    monkeypatch.setattr(fitting, "width", lambda text: measured.append(text) or real(text))
    cells = [("STATUS", "JOB", "REASON"), *(("queued", f"job-{n}", "because") for n in range(MANY))]
    fitting.fitted(cells, 80, ())
    assert len(measured) < 10 * 3 * MANY, "and not the whole column for each of its rows"


def test_many_lines_are_printed_with_few_writes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[str] = []
    monkeypatch.setattr("builtins.print", lambda text, **_: writes.append(text))
    output.say_all(str(n) for n in range(1200))
    assert len(writes) == 3
    assert "\n".join(writes).splitlines() == [str(n) for n in range(1200)]
