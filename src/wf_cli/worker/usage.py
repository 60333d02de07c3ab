"""What an attempt used, as far as its agent told: sums that only grow, and amounts that are none."""

from __future__ import annotations

from wf_cli.runtimes.base import Usage

#: What is more than this, or less than nothing, is no usage.
_MOST = 1e12


def merged(old: Usage, new: Usage) -> Usage:
    """The newer figures, where there are any: both are sums from the beginning."""
    return Usage(
        old.tokens_in if new.tokens_in is None else new.tokens_in,
        old.tokens_out if new.tokens_out is None else new.tokens_out,
        old.cost_usd if new.cost_usd is None else new.cost_usd,
    )


def known(usage: Usage) -> dict[str, float | int | None] | None:
    """``usage`` as an outcome has it; None when nothing is known."""
    told = {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out, "cost_usd": usage.cost_usd}
    plausible = {key: value if value is not None and 0 <= value < _MOST else None for key, value in told.items()}
    return plausible if any(value is not None for value in plausible.values()) else None
