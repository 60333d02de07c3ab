"""Where the command-driven flow hands over to the distributed mode. With the mode off, nothing happens here.

Called by the contract commands at the right moments; the only module of theirs that knows about jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wf_cli.cli.contract_call import Call
    from wf_cli.workflow.epics import Epic
    from wf_cli.workflow.phases import PhaseCommand
    from wf_cli.workflow.plans import Plan

#: Further flags of `epic run` and `epic resume` in distributed mode.
EPIC_RUN_FLAGS = frozenset({"--follow"})


def after_change(call: Call, plan: Plan) -> None:
    """``plan`` was changed by this command: let the dispatcher look at it."""
    if not call.is_distributed:
        return


def publish_instead(call: Call, command: PhaseCommand, plan: Plan) -> bool:
    """A person runs ``code``, ``fix`` or ``review``: publish the job and return True, or let the command act.

    An agent (``call.job_role`` is not None) always acts itself.
    """
    if not call.is_distributed or call.job_role is not None:
        return False
    return False


def epic_started(call: Call, epic: Epic, flags: frozenset[str]) -> dict[str, Any] | None:
    """``epic`` was set running; returns the ``auto_workers`` part of the JSON, or None for none.

    ``flags`` are the options given: ``--auto-workers``, ``--no-auto-workers``, and `EPIC_RUN_FLAGS`.
    """
    if "--auto-workers" not in flags:
        return None
    # With the mode off there is no queue that a worker could serve.
    reason = "distributed mode is off"
    roles = ("orchestrator", "plan-coder", "plan-reviewer", "plan-fixer")
    skipped = [{"role": role, "runtime": "", "reason": reason} for role in roles]
    return {"started": [], "already_running": [], "failed": [], "skipped": skipped}


def epic_changed(call: Call, epic: Epic) -> None:
    """``epic`` was stopped, or its status was derived anew."""
    if not call.is_distributed:
        return
