"""A bed for each row of the table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conditions.bed import Bed


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path)
    try:
        yield made
    finally:
        made.close()
