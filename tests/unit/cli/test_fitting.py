"""A table on terminals of every width: what may not give way is whole, and no word of a reason is lost."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.projects import Cli
from wf_cli.cli.frame import fitting, tables
from wf_cli.cli.jobs import listing

WORDS = st.text("abcdefgh-", min_size=1, max_size=18)
ROWS = st.lists(
    st.tuples(*[WORDS] * 9, st.lists(WORDS, min_size=1, max_size=30).map(" ".join)), min_size=1, max_size=4
)
ALWAYS = ("STATUS", "JOB", "READY")


@given(rows=ROWS, width=st.integers(20, 250))
def test_what_may_not_give_way_is_whole_at_any_width(rows: list[tuple[str, ...]], width: int) -> None:
    head = listing._HEAD
    blocks = fitting.fitted([head, *rows], width, listing._YIELDING)
    assert len(blocks) == len(rows) + 1
    for name in (*ALWAYS, "REASON"):
        assert name in " ".join(blocks[0])
    needed = sum(max(len(row[head.index(name)]) for row in [head, *rows]) + 2 for name in ALWAYS)
    for row, block in zip(rows, blocks[1:], strict=True):
        words = block[0].split()
        for name in ALWAYS:
            assert row[head.index(name)] in words
        told = "".join("".join(block).split())
        assert told.endswith("".join(row[-1].split())), "each word of the reason is there, in order"
        assert all(len(line) <= max(width, needed, 28) for line in block)


@given(rows=ROWS)
def test_a_wide_terminal_shows_every_column_whole(rows: list[tuple[str, ...]]) -> None:
    blocks = fitting.fitted([listing._HEAD, *rows], 2000, listing._YIELDING)
    assert [len(block) for block in blocks] == [1] * len(blocks)
    for row, block in zip(rows, blocks[1:], strict=True):
        assert block[0].split() == " ".join(row).split()


def test_columns_give_way_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "on_terminal", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    row = ("running", "e01-p01-i0-code", "plan-coder@opencode", "1", "0/3", "5", "2m", "w-box-1-abc", "-", "because")
    seen = []
    for width in (200, 90, 70, 50, 30):
        monkeypatch.setenv("COLUMNS", str(width))
        seen.append(tables.table(listing._HEAD, [row], listing._YIELDING)[0].split())
    assert seen[0] == list(listing._HEAD)
    assert seen[-1] == ["STATUS", "JOB", "READY"], "the reason stands below"
    for wider, narrower in itertools.pairwise(seen):
        assert set(narrower) <= set(wider)


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    for name in [name for name in os.environ if name.startswith("WF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WF_DISTRIBUTED", "1")
    cli = Cli(tmp_path, monkeypatch, capsys)
    for key in ("a", "b"):
        cli.json("enqueue", "--role", "linter", "--runtime", "shell", "--key", key)
    return cli


def test_a_pipe_has_the_chosen_columns_plain_whatever_the_width(wf: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    assert len(wf("spool", "ls")[1].splitlines()[0].split()) >= 10
    assert sorted(wf("spool", "ls", "--columns", "job,Status")[1].splitlines()) == ["a  queued", "b  queued"]
    assert sorted(wf("spool", "ls", "--columns", "job")[1].splitlines()) == ["a", "b"]


@pytest.mark.parametrize("text", ["nope", "job,", "", "job,job", "job;status"])
def test_columns_that_do_not_exist_are_told(wf: Cli, text: str) -> None:
    code, out, err = wf("spool", "ls", "--columns", text)
    assert (code, out) == (2, "")
    assert "status,job,pool" in err
