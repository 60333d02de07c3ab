"""The tutorial, word by word: a reader who types what is there gets what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import pages
from support.pages import Reader

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")


@pytest.mark.timeout(600)
def test_a_newcomer_gets_what_the_tutorial_says(reader: Reader) -> None:
    faults = list(pages.read(PAGE, reader))
    assert not faults, "\n\n".join(faults)


def test_every_block_is_run_or_written() -> None:
    kinds = {(block.line, block.language) for block in pages.blocks_of(PAGE) if block.title is None}
    assert {(line, language) for line, language in kinds if language != "console"} == set()
    assert PAGE.count("```") == 2 * len(pages.blocks_of(PAGE)), "a block that no reader sees"
