"""What people do to jobs: `wf retry`, `cancel`, `hold`, `release`, `explain`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from wf_cli.cli import output
from wf_cli.cli.bulk import Bulk, Done, JobsArgument, change
from wf_cli.cli.options import Common, ReasonOption, seconds, single
from wf_cli.cli.selectors import JobArgument, one
from wf_cli.contract.lifecycle import LIVE, Status
from wf_cli.contract.token import Placed, Token
from wf_cli.inspection.viewer import Viewer

if TYPE_CHECKING:
    from wf_cli.queue.spool_queue import SpoolQueue


# -- retry


def retry(
    common: Common,
    bulk: Bulk,
    jobs: JobsArgument = None,
    delay: Annotated[str | None, typer.Option("--in", metavar="DUR", help="not before so long: 10s, 2h")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="do not resume the agent's session")] = False,
    force: Annotated[bool, typer.Option("--force", help="jobs that succeeded, too")] = False,
    reason: ReasonOption = None,
) -> None:
    """Queue dead or cancelled jobs again: the budget is restored, attempt numbers go on.

    Selectors without --status mean dead jobs. Exit 4 when every job was refused.

    \b
    wf retry e01-p03-i0-code              one job
    wf retry --error timeout --in 10m     all that died of timeouts, in ten minutes
    wf retry --epic 01 --dry-run          what would be retried
    """
    delay_s = seconds(delay, "--in") if delay is not None else 0.0
    retry_all(common, jobs, bulk, delay_s=lambda _nth: delay_s, fresh=fresh, force=force, reason=reason).show(common)


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
    """Retry the chosen jobs; the ``nth`` (from 0) waits ``delay_s(nth)`` seconds."""
    from wf_cli.spool import control

    queued = 0

    def act(queue: SpoolQueue, placed: Placed) -> bool:
        nonlocal queued
        token = placed.token
        if fresh:  # before the job can be claimed
            name = f"fresh.{token.job_id}.a{token.attempt + 1}"
            control.request(queue.spool, name, common.clock, reason=reason or "")
        changed = queue.retry(token.job_id, force=force, delay_s=delay_s(queued), reason=reason)
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
            case status:
                return f"it is {status}; only a job that has ended can be retried"

    default = frozenset({Status.FAILED})
    return change(common, jobs, bulk, verb="retried", default=default, why_not=why_not, act=act)


# -- cancel


def cancel(
    common: Common,
    bulk: Bulk,
    jobs: JobsArgument = None,
    grace: Annotated[str, typer.Option(metavar="DUR", help="how long to wait for agents to stop")] = "30s",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="do not wait for agents to stop")] = False,
    reason: ReasonOption = None,
) -> None:
    """End jobs. No new attempt of them starts once this has returned.

    A job at work is cancelled at once; its worker notices and stops the agent, which is waited for (Ctrl-C stops
    only the waiting). Selectors without --status mean all jobs that have not finished.

    \b
    wf cancel e01-p03-i0-code --reason "wrong plan"
    wf cancel --epic 01 --no-wait
    """
    from wf_cli import ids
    from wf_cli.queue.base import Cancelled

    grace_s = seconds(grace, "--grace")
    operator = ids.owner_id("operator")
    at_work: list[Token] = []

    def act(queue: SpoolQueue, placed: Placed) -> bool:
        how = queue.cancel(placed.token.job_id, by=operator, reason=reason)
        if how is Cancelled.ATTEMPT:
            at_work.append(_cancelled_attempt(queue, placed.token))
        return how in (Cancelled.WAITING, Cancelled.ATTEMPT)

    def why_not(placed: Placed) -> str | None:
        return None if placed.status in LIVE else f"it has {placed.status} already"

    done = change(common, jobs, bulk, verb="cancelled", default=LIVE, why_not=why_not, act=act)
    if not bulk.dry_run:
        done.extra["still_running"] = _await_agents(common, at_work, 0.0 if no_wait else grace_s)
    done.show(common)


def _cancelled_attempt(queue: SpoolQueue, token: Token) -> Token:
    """The token as its session had it; it may have been claimed since it was listed."""
    now = queue.find(token.job_id)
    attempt = now.token.attempt if now is not None else token.attempt
    outcome = queue.outcome(token.job_id, attempt)
    return replace(token, attempt=attempt, owner=outcome.owner if outcome is not None else token.owner)


def _await_agents(common: Common, at_work: list[Token], grace_s: float) -> list[str]:
    """Wait until no agent of these attempts runs; the jobs whose agent still does."""
    from wf_cli.spool.session import has_agent

    spool, clock = common.open_spool(), common.clock
    deadline = clock.monotonic() + grace_s
    left = at_work
    said = len(left) + 1
    try:
        while left := [token for token in left if has_agent(spool, token)]:
            if clock.monotonic() >= deadline:
                break
            if len(left) < said:
                output.note(f"waiting for {len(left)} agent(s) to stop: {', '.join(t.job_id for t in left[:3])}")
                said = len(left)
            clock.sleep(0.1)
    except KeyboardInterrupt:
        output.note("no longer waiting; the jobs are cancelled")
    if left and grace_s:
        output.warn(f"the agent of {token.job_id} has not stopped yet" for token in left)
    return [token.job_id for token in left]


# -- hold, release


def hold(common: Common, bulk: Bulk, jobs: JobsArgument = None, reason: ReasonOption = None) -> None:
    """Keep queued jobs from being taken, until `wf release`. A running job cannot be held (exit 4).

    \b
    wf hold e01-p03-i0-review --reason "I want to look first"
    wf hold --role plan-reviewer
    """
    change(
        common, jobs, bulk, verb="held", default=frozenset({Status.QUEUED}),
        why_not=lambda p: None if p.status is Status.QUEUED else f"it is {p.status}; only a queued job can be held",
        act=lambda queue, p: queue.hold(p.token.job_id, reason=reason),
    ).show(common)  # fmt: skip


def release(common: Common, bulk: Bulk, jobs: JobsArgument = None, reason: ReasonOption = None) -> None:
    """Let held jobs be taken again.

    \b
    wf release e01-p03-i0-review
    wf release --all
    """
    change(
        common, jobs, bulk, verb="released", default=frozenset({Status.HELD}),
        why_not=lambda p: None if p.status is Status.HELD else f"it is {p.status}, not held",
        act=lambda queue, p: queue.unhold(p.token.job_id, reason=reason),
    ).show(common)  # fmt: skip


# -- explain


def explain(common: Common, job: JobArgument) -> None:
    """Say why a job is in its state and what would move it: each condition, whether it holds, and the command.

    \b
    wf explain e01-p03-i0-code
    """
    from wf_cli.inspection.explain import explanation

    viewer = Viewer(common.open_spool(), common.clock)
    found = explanation(one(viewer.spool, job, archived=True), viewer, epic_paused=common.app.epic_is_paused)
    marks = {True: "ok", False: "NO", None: "?"}
    lines = [f"{found.job_id} is {found.status}: {found.summary}"]
    for condition in found.conditions:
        command = f"   -> {condition.command}" if condition.command and condition.holds is not True else ""
        lines.append(f"  {marks[condition.holds]:<2}  {condition.text}{command}")
    if found.next:
        lines.append(f"next: {found.next}")
    common.emit(found.to_json(), lines)


retry_app = single(retry)
cancel_app = single(cancel)
hold_app = single(hold)
release_app = single(release)
explain_app = single(explain)
