"""A reader for pages: the installed `wf`, a home of its own, and an empty folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.box import Box
from support.pages import Reader


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A shell in an empty folder. What a page leaves running fails its test."""
    box = Box(tmp_path)
    made = Reader(box.root, box.environ, box.notes)
    try:
        yield made
    finally:
        made.close()
        box.close()
