"""A provider that refuses, and an agent that tries it again: for how long that is worth waiting for.

ACP has no word for it. OpenCode's own server tells it (`runtimes.opencode.server`), and the logs of some agents do
(`acp.logs`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from wf_cli.runtimes.acp.report import Reporter

#: Seconds between two looks.
LOOK = 1.0
#: Seconds. For a longer wait the attempt ends, so that the pool is parked and the job comes back.
PATIENCE = 30.0
#: Seconds of retries without progress after which the attempt ends likewise.
SERIES = 60.0


class Retry(NamedTuple):
    """A provider that is tried again."""

    message: str
    #: From 1; a lower one than before begins a new series.
    attempt: int
    #: Seconds until the next try; 0 where they are not told.
    wait_s: float
    #: Of the provider's answer, where it is told.
    status: int | None = None


async def watch(look: Callable[[], Awaitable[Retry | None]], report: Reporter) -> Retry:
    """Report each retry that ``look`` tells. Returns the first one that is not worth its wait."""
    since, attempt, progress = 0.0, 0, -1
    while True:
        await asyncio.sleep(LOOK)
        retry = await look()
        if retry is None or retry.attempt == attempt:
            continue
        now = time.monotonic()
        if report.progress != progress or retry.attempt < attempt:
            since, progress = now, report.progress
        attempt = retry.attempt
        report.say(
            "retry",
            message=retry.message,
            attempt=attempt,
            wait_s=round(retry.wait_s, 1),
            status=retry.status,
        )
        if retry.wait_s > PATIENCE or now + retry.wait_s - since > SERIES:
            return retry
