"""`wf retry`: dead or cancelled jobs run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from wf_cli.cli.frame.options import Common, ReasonOption, seconds, single
from wf_cli.cli.jobs.bulk import Bulk, Done, JobsArgument, change
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Placed, Token
from wf_cli.errors import UsageError

if TYPE_CHECKING:
    from wf_cli.queue.spool_queue import SpoolQueue


def retry(
    common: Common,
    bulk: Bulk,
    jobs: JobsArgument = None,
    delay: Annotated[str | None, typer.Option("--in", metavar="DUR", help="not before so long: 10s, 2h")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="do not resume the agent's session")] = False,
    force: Annotated[bool, typer.Option("--force", help="jobs that succeeded, too")] = False,
    now: Annotated[bool, typer.Option("--now", help="end the delay of queued jobs, which keep their budget")] = False,
    reason: ReasonOption = None,
) -> None:
    """Queue dead or cancelled jobs again. The count of burned attempts starts at 0; attempt numbers go on.

    Selectors without --status mean dead jobs, and with --now queued ones. A job that `wf spool gc` has put away is
    found by its id. The exit code is 4 when every job was refused.

    \b
    wf retry e01-p03-i0-code              one job
    wf retry --now e01-p03-i0-code        a job that waits for its next attempt, at once
    wf retry --error timeout --in 10m     all that failed by a timeout, in ten minutes
    wf retry --epic 01 --dry-run          what would be retried
    """
    if now:
        if delay is not None or fresh or force:
            raise UsageError("--now is for queued jobs, and takes no --in, --fresh or --force")
        _now(common, jobs, bulk, reason).show(common)
        return
    delay_s = seconds(delay, "--in") if delay is not None else 0.0
    retry_all(common, jobs, bulk, delay_s=lambda _nth: delay_s, fresh=fresh, force=force, reason=reason).show(common)


def _now(common: Common, jobs: list[str] | None, bulk: Bulk, reason: str | None) -> Done:
    """Make the chosen jobs ready that wait for their time."""

    def why_not(placed: Placed) -> str | None:
        if placed.status is not Status.QUEUED:
            return f"it is {placed.status}; --now is for queued jobs"
        if not placed.token.delay_s or placed.token.time_ms <= common.clock.now_ms():
            return "it is ready; `wf explain` says why no worker takes it"
        return None

    return change(
        common, jobs, bulk, verb="retried", default=frozenset({Status.QUEUED}), why_not=why_not,
        act=lambda queue, placed: queue.hurry(placed.token.job_id, reason=reason, seen=placed),
    )  # fmt: skip


def retry_all(
    common: Common,
    jobs: list[str] | None,
    bulk: Bulk,
    *,
    delay_s: Callable[[int], float],
    fresh: bool = False,
    force: bool = False,
    reason: str | None = None,
) -> Done:
    """Retry the chosen jobs. The nth job that is queued (from 0) gets ready after ``delay_s(n)`` seconds."""
    from wf_cli.spool import control

    queued = 0

    def act(queue: SpoolQueue, placed: Placed) -> bool:
        nonlocal queued

        def forget_session(token: Token) -> None:
            name = f"fresh.{token.job_id}.a{token.attempt + 1}"
            control.request(queue.spool, name, common.clock, reason=reason or "")

        changed = queue.retry(
            placed.token.job_id,
            force=force,
            delay_s=delay_s(queued),
            reason=reason,
            before=forget_session if fresh else lambda _token: None,
            seen=placed,
        )
        queued += changed
        return changed

    def why_not(placed: Placed) -> str | None:
        match placed.status:
            case Status.FAILED | Status.CANCELLED:
                return None
            case Status.SUCCEEDED:
                return None if force else "it succeeded; --force runs it again"
            case Status.HELD:
                return "it is held; wf release lets it run"
            case Status.QUEUED if placed.token.delay_s:
                return "it is queued and waits for its time; --now makes it ready"
            case status:
                return f"it is {status}; only a job that has ended can be retried"

    default = frozenset({Status.FAILED})
    return change(common, jobs, bulk, verb="retried", default=default, why_not=why_not, act=act, archived=True)


retry_app = single(retry)
