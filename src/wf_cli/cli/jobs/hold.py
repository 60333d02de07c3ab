"""`wf hold`, `wf release`: keep queued jobs from being taken, and let them be taken again."""

from __future__ import annotations

from wf_cli.cli.frame.options import Common, ReasonOption, single
from wf_cli.cli.jobs.bulk import Bulk, JobsArgument, change
from wf_cli.contract.lifecycle import Status


def hold(common: Common, bulk: Bulk, jobs: JobsArgument = None, reason: ReasonOption = None) -> None:
    """Keep queued jobs from being taken until `wf release`. A job that has been claimed cannot be held (exit 4).

    \b
    wf hold e01-p03-i0-review --reason "I want to look first"
    wf hold --role plan-reviewer
    """
    change(
        common, jobs, bulk, verb="held", default=frozenset({Status.QUEUED}),
        why_not=lambda p: None if p.status is Status.QUEUED else f"it is {p.status}; only a queued job can be held",
        act=lambda queue, p: queue.hold(p.token.job_id, reason=reason, seen=p),
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
        act=lambda queue, p: queue.unhold(p.token.job_id, reason=reason, seen=p),
    ).show(common)  # fmt: skip


hold_app = single(hold)
release_app = single(release)
