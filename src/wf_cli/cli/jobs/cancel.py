"""`wf cancel`: end jobs, and wait until their agents have stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from wf_cli.cli.frame import output
from wf_cli.cli.frame.options import Common, ReasonOption, seconds, single
from wf_cli.cli.jobs.bulk import Bulk, JobsArgument, change
from wf_cli.contract.lifecycle import LIVE
from wf_cli.contract.token import Placed, Token

if TYPE_CHECKING:
    from wf_cli.queue.spool_queue import SpoolQueue


def cancel(
    common: Common,
    bulk: Bulk,
    jobs: JobsArgument = None,
    grace: Annotated[str, typer.Option(metavar="DUR", help="how long to wait for agents to stop")] = "30s",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="do not wait for agents to stop")] = False,
    reason: ReasonOption = None,
) -> None:
    """End jobs. No new attempt of them starts once this has returned.

    A job at work is cancelled at once. Its worker notices and stops the agent, and the command waits for that; Ctrl-C
    ends only the waiting. Selectors without --status mean all jobs that have not finished.

    \b
    wf cancel e01-p03-i0-code --reason "wrong plan"
    wf cancel --epic 01 --no-wait
    """
    from wf_cli import ids
    from wf_cli.queue.values import Cancelled

    grace_s = seconds(grace, "--grace")
    operator = ids.owner_id("operator")
    at_work: list[Token] = []

    def act(queue: SpoolQueue, placed: Placed) -> bool:
        how = queue.cancel(placed.token.job_id, by=operator, reason=reason, seen=placed)
        if how is Cancelled.ATTEMPT:
            at_work.append(_cancelled_attempt(queue, placed.token))
        return how in (Cancelled.WAITING, Cancelled.ATTEMPT)

    def why_not(placed: Placed) -> str | None:
        return None if placed.status in LIVE else f"it has {placed.status} already"

    done = change(common, jobs, bulk, verb="cancelled", default=LIVE, why_not=why_not, act=act)
    if not bulk.dry_run:
        done.extra["still_running"] = _await_agents(common, at_work, 0.0 if no_wait or done.left else grace_s)
    done.show(common)


def _cancelled_attempt(queue: SpoolQueue, token: Token) -> Token:
    """The token with the attempt and owner that were cancelled.

    They come from the outcome, because a session may have claimed the job after the listing.
    """
    now = queue.find(token.job_id)
    attempt = now.token.attempt if now is not None else token.attempt
    outcome = queue.readable_outcome(token.job_id, attempt)
    return replace(token, attempt=attempt, owner=outcome.owner if outcome is not None else token.owner)


def _await_agents(common: Common, at_work: list[Token], grace_s: float) -> list[str]:
    """Wait up to ``grace_s`` until no agent of these attempts runs. Returns the jobs whose agent still runs."""
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


cancel_app = single(cancel)
