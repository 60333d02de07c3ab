"""A bed for each row of the table."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from conditions.bed import Bed


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    with contextlib.closing(Bed(tmp_path)) as made:
        yield made
