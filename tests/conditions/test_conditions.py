"""Each condition is made, told by every command that a person asks, repaired as told, and then told no more."""

from __future__ import annotations

import pytest

from conditions.bed import Bed, Condition, check, holds_mounts
from conditions.table import TABLE


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name.replace(" ", "-"))
def test_it_is_told_and_the_command_that_is_named_repairs_it(bed: Bed, row: Condition) -> None:
    if row.needs_mounts and not holds_mounts():
        pytest.skip("needs to mount a file system, as root")
    check(bed, row)
