"""The end of an attempt whose worker died after its agent had ended: what a living worker would have said.

A launcher keeps its agent's exit (`wf_cli.spool.exits`). What the agent printed died with its worker. So the end is
judged by the plan, which decides for every agent, and by the exit code, as far as that proves anything for its
program. Where neither decides, the attempt is lost, as if nothing had been kept, and the job runs again.
"""

from __future__ import annotations

from typing import Any

from wf_cli.attempt.steps import Steps
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Token
from wf_cli.errors import WfError
from wf_cli.runtimes.base import Exit
from wf_cli.runtimes.command import exit_failure
from wf_cli.spool.exits import KeptExit
from wf_cli.spool.session import Agent


def ending(token: Token, target: Target | None, kept: KeptExit, agent: Agent, steps: Steps | None) -> Ending | None:
    """The end of the running attempt of ``token`` by what was ``kept`` of ``agent``; None when nothing is proven.

    A plan may be handed over for the agent, as `Steps.check` does for a worker. Trouble with the plan proves nothing.
    """
    done = kept.code == 0 and (kept.proves == "success" or (kept.proves == "end" and kept.by_itself))
    if target is None:
        if done:
            return _succeeded(kept, agent)
        if kept.proves == "end" and kept.by_itself and not kept.words_decide:
            failure = exit_failure(Exit(kept.code))
            return ending_of(failure, **_facts(kept, agent)) if failure is not None else None
        return None
    if steps is None or not (kept.by_itself or done):
        return None
    try:
        unmet = steps.check(target, token, steps.idle(target, agent.baseline))
    except (OSError, WfError):
        return None
    if unmet is None:
        return _succeeded(kept, agent)
    return ending_of(unmet, **_facts(kept, agent)) if done else None


def _succeeded(kept: KeptExit, agent: Agent) -> Ending:
    reason = "its agent had finished when its session ended"
    result = {"summary": "", "exit_code": kept.code}
    return Ending(End.SUCCEEDED, reason=reason, result=result, **_facts(kept, agent))


def _facts(kept: KeptExit, agent: Agent) -> dict[str, Any]:
    return {"started_ms": kept.started_ms, "session_id": agent.session_id, "baseline": agent.baseline}
