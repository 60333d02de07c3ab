"""A slice of `make fuzz`: spools with generated names and contents in every folder, by seed."""

from __future__ import annotations

import pytest

from fuzz.run import fuzz


@pytest.mark.parametrize("seed", range(8))
def test_i7_a_hostile_spool_crashes_nothing_reaches_nothing_outside_and_runs_nothing(seed: int) -> None:
    planted, actions = fuzz(seed)
    assert planted
    assert actions > 50
