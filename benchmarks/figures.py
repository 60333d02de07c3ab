"""One line of the table."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """What was measured, the figure, and the floor or the baseline of the same run."""

    what: str
    value: str
    beside: str = ""
