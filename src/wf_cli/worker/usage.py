"""The tokens and the cost of an attempt, as its agent reported them. An implausible amount counts as unknown."""

from __future__ import annotations

from wf_cli.runtimes.base import Usage

#: An amount above this, or below zero, is implausible.
_MOST = 1e12


def merged(old: Usage, new: Usage) -> Usage:
    """The newer figures where there are any, else the old ones. They are not added, because both are running sums."""
    return Usage(
        old.tokens_in if new.tokens_in is None else new.tokens_in,
        old.tokens_out if new.tokens_out is None else new.tokens_out,
        old.cost_usd if new.cost_usd is None else new.cost_usd,
    )


def known(usage: Usage) -> dict[str, float | int | None] | None:
    """``usage`` as an outcome has it; None when no amount is known."""
    told = {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out, "cost_usd": usage.cost_usd}
    plausible = {key: value if value is not None and 0 <= value < _MOST else None for key, value in told.items()}
    return plausible if any(value is not None for value in plausible.values()) else None
