"""A queue on a new spool, and its clock. Files that need others have fixtures of the same names."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import make_spool, spool_queue
from wf_cli.queue.spool_queue import SpoolQueue


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(tmp_path: Path, clock: FakeClock) -> SpoolQueue:
    return spool_queue(make_spool(tmp_path / "spool"), clock)
