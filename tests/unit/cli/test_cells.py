"""The room of a text on a terminal: colours take none, letters of East Asian scripts and emoji two cells."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli.cli.frame import cells, fitting

TEXTS = st.text(st.sampled_from("ab -é日付😀\u0301"), max_size=40)
COLOURED = st.lists(st.tuples(TEXTS, st.sampled_from(["", "\x1b[31m", "\x1b[0m", "\x1b[1;2m"])), max_size=4).map(
    lambda parts: "".join(colour + text for text, colour in parts)
)


SIZES = [("abc", 3), ("日付", 4), ("😀", 2), ("e\u0301", 1), ("\x1b[31mab\x1b[0m", 2)]


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_the_width_of_a_text(text: str, size: int) -> None:
    assert cells.width(text) == size


@given(text=COLOURED, room=st.integers(0, 50), mark=st.sampled_from(["…", "..."]))
def test_a_cut_text_fits_begins_as_it_did_and_leaves_no_colour_on(text: str, room: int, mark: str) -> None:
    cut = cells.cut(text, room, mark)
    assert cells.width(cut) <= room
    if cells.width(text) <= room:
        assert cut == text
    else:
        assert plain(text).startswith(plain(cut).removesuffix(mark))
        assert not re.search(r"\x1b\[(31|1;2)m[^\x1b]*\Z", cut)


@given(text=TEXTS.map(str.strip), room=st.integers(2, 50))
def test_wrapped_lines_fit_and_lose_nothing(text: str, room: int) -> None:
    lines = cells.wrapped(text, room)
    assert all(cells.width(line) <= room for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_reason_in_any_script_stays_in_the_width_of_its_table() -> None:
    head = ("STATUS", "JOB", "REASON")
    for room in (30, 40, 80):
        blocks = fitting.fitted([head, ("held", "job-1", "日付を解析する" * 12)], room, ())
        assert all(cells.width(line) <= room for block in blocks for line in block)
