"""What each suite of a queue starts with."""

from __future__ import annotations

import pytest

from support.clock import FakeClock
from support.spools import Recorder


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def events() -> Recorder:
    return Recorder()
