"""README, word by word: each way to use wf works from an empty repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import pages
from support.pages import Reader

PAGE = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("heading", ["By hand", "By workers"])
def test_a_way_to_use_it_works_from_an_empty_repository(reader: Reader, heading: str) -> None:
    part = pages.section(PAGE, heading)
    assert pages.blocks_of(part), f"{heading!r} shows nothing to type"
    assert reader.type("git init -q")[0] == 0
    try:
        faults = list(pages.read(part, reader))
        state = reader.type("wf context 01" if heading == "By hand" else "wf epic status 01")[1]
    finally:
        reader.type("wf worker drain all; wait")  # the section by workers leaves them working
    assert not faults, "\n\n".join(faults)
    assert ("phase: completed" if heading == "By hand" else "epic 01: completed") in state
