"""What went wrong, by code: structured facts first, the wording of a message only where there are none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from wf_cli.contract.failure import Failure
from wf_cli.runtimes.jsonlines import brief

#: Characters of a message that is stored.
MESSAGE_LIMIT = 500

_STATUS = {401: "auth", 402: "usage_limit", 403: "auth", 408: "network", 429: "rate_limited"}

# Messages of providers and agent CLIs, most telling first. "quota" comes before "429": providers use that
# status for both, and only one of them goes away by itself.
_WORDING: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (code, re.compile(pattern, re.IGNORECASE))
    for code, pattern in (
        (
            "usage_limit",
            r"usage limit|spend(ing)? limit|insufficient[ _](quota|funds|credit|balance)|quota exceeded|exceeded your"
            r"|out of credits|credit balance|payment required|hit your limit|upgrade your plan",
        ),
        ("rate_limited", r"rate.?limit|too many requests|\b429\b"),
        (
            "auth",
            r"unauthori[sz]ed|not (logged|signed) in|invalid (api|x-api) ?-?key|api key (is )?(missing|invalid)"
            r"|api key not valid|authentication (required|failed)|incorrect api key|no api key"
            r"|please (log ?in|sign in|run .*login)"
            r"|\b401\b|\b403\b|forbidden",
        ),
        (
            "model_not_found",
            r"ModelNotFound|model.{0,80}(not found|does not exist|is not available|not supported)"
            r"|(unknown|invalid|no such) (model|provider)|cannot use this model|provider.{0,40}not found",
        ),
        (
            "policy_denied",
            r"workspace.{0,20}trust|trust (this|the) (workspace|directory|folder)"
            r"|blocked by (policy|your administrator)|content policy|rejected permission",
        ),
        (
            "network",
            r"ECONN\w+|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|EPIPE|socket hang up|fetch failed|network error|connection"
            r" (error|refused|reset|closed)|unable to connect|timed? ?out|overloaded|service unavailable|bad gateway"
            r"|internal server error|\b50[0234]\b",
        ),
    )
)


def by_status(status: int | None) -> str | None:
    """The code of an HTTP status; None when it says nothing."""
    if status is None:
        return None
    return "network" if 500 <= status <= 599 else _STATUS.get(status)


def by_wording(message: str) -> str | None:
    """The code that a message of a provider or an agent CLI suggests; None when it suggests none."""
    return next((code for code, pattern in _WORDING if pattern.search(message)), None)


def failure(message: str, *, code: str | None = None, retry_after_s: float | None = None, **details: Any) -> Failure:
    """A failure of ``code``, or of what the message suggests, or a crash. Details that are None are left out."""
    return Failure(
        code=code or by_wording(message) or "crashed",
        message=brief(message, MESSAGE_LIMIT),
        retry_after_s=retry_after_s,
        details={key: value for key, value in details.items() if value is not None},
    )


def retry_after(headers: Mapping[str, Any], now_ms: int | None = None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110 10.2.3: seconds or a date; also ``retry-after-ms``).

    A date is compared with the local clock: a hint for a pause, no decision about ownership.
    """
    lower = {str(key).lower(): str(value) for key, value in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", lower.get(name, "")):
            return float(lower[name]) * unit
    try:
        moment = parsedate_to_datetime(lower.get("retry-after", ""))
    except (ValueError, TypeError, IndexError):
        return None
    now = datetime.now(UTC) if now_ms is None else datetime.fromtimestamp(now_ms / 1000, UTC)
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
