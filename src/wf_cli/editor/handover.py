"""The job in the form in which an agent inside an editor gets it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wf_cli import git
from wf_cli.attempt import briefing
from wf_cli.attempt.steps import Steps
from wf_cli.clock import format_duration
from wf_cli.contract.job import Spec
from wf_cli.contract.token import Token, mark
from wf_cli.frozen import frozen
from wf_cli.queue.spool_queue import SpoolQueue

#: Tells the agent how to end its job. It follows the prompt that every agent of the step gets.
_HOW = """\

## Handing this job in

You work on it from inside an editor, so no worker watches your end: you say yourself how it went.

- Every `wf` command of this job needs its token in the environment. Shells that are new for each command forget
  what was exported: put it in front of the command, `WF_JOB_TOKEN={token} wf ...`.
- Silent for {idle}, and the job goes back to the queue. Between long steps: `wf job heartbeat {token}`.
- Done: `wf job finish {token}`. Exit code 1 lists what is missing: put that right and finish again. Running
  `wf finish-code` or `wf done` alone does not end the job.
- It cannot be done: `wf job fail {token} --message 'why'`. Not by you, or not now: `wf job release {token}`.
- Where `wf` is an MCP server, its tools `heartbeat`, `finish`, `fail` and `release` do the same.
"""


@frozen
class Job:
    """One attempt of one job. A step of a plan has a ``prompt``, and a job outside plans has a ``payload``."""

    job_id: str
    attempt: int
    role: str
    runtime: str
    #: The attempt's mark. It is the value of ``WF_JOB_TOKEN`` and the argument of the verbs of ``wf job``.
    token: str
    #: The variables that ``wf`` commands of this job need in their environment.
    environment: Mapping[str, str]
    idle_s: float
    plan_id: str | None = None
    epic_id: str | None = None
    prompt: str | None = None
    payload: Any = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Job:
        return cls(**value)

    def exports(self) -> list[str]:
        """The lines that set the environment in a POSIX shell, and take out of it what sends git elsewhere.

        A worker's agents do not inherit those variables either.
        """
        lines = [f"export {name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return [*lines, f"unset {' '.join(sorted(git.REDIRECTS))}"]


def make(queue: SpoolQueue, steps: Steps, token: Token, spec: Spec, *, root: Path, idle_s: float) -> Job:
    """The job of a running token. Reads the plan, and holds no lock."""
    marked, target = mark(token), spec.target
    prompt = None
    if target is not None:
        told = briefing.prompt(steps, spec, token, briefing.last_failure(queue, token))
        prompt = told + _HOW.format(token=marked, idle=format_duration(idle_s))
    return Job(
        job_id=token.job_id,
        attempt=token.attempt,
        role=token.pool.role,
        runtime=token.pool.runtime,
        token=marked,
        environment=briefing.variables(token, root=root, spool_root=queue.spool.root),
        idle_s=idle_s,
        plan_id=target.plan_id if target is not None else None,
        epic_id=target.epic_id if target is not None else None,
        prompt=prompt,
        payload=None if target is not None else spec.payload,
    )
