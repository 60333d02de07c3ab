"""Spools with something to look at."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace

from support.clock import FakeClock
from support.spools import spool_queue
from wf_cli import proc
from wf_cli.config.model import Config, Runtime
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Placed, Token, mark
from wf_cli.planjobs.round import DispatchSettings
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import session
from wf_cli.spool.layout import Spool
from wf_cli.spool.session import Agent
from wf_cli.views.conditions import Sight
from wf_cli.views.viewer import Viewer
from wf_cli.workflow.project import Project


def dead_pid() -> tuple[int, str]:
    """A process of this host that has ended: pid and start."""
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    start = proc.start_token(child.pid)
    assert start is not None
    child.communicate(b"\n")
    return child.pid, start


def write_session(
    spool: Spool, owner: str, token: Token | None = None, *, dead: bool = False, **facts: object
) -> None:
    """The file of a session that is this process, or a dead one; ``token`` is what its agent works on."""
    record = session.this_process(owner, "opencode", 30.0, 0, roles=("coder",))
    if dead:
        pid, start = dead_pid()
        record = replace(record, pid=pid, start=start)
    if token is not None:
        agent = Agent(token.job_id, token.attempt, mark(token), record.pid, record.start, session_id="ses_1")
        record = replace(record, agents=(agent,))
    record = replace(record, **facts)  # type: ignore[arg-type]
    path = spool.path("sessions", f"{owner}.json")
    path.write_text(json.dumps(asdict(record)), encoding="utf-8")


def beat(spool: Spool, owner: str) -> None:
    """Give a session a lease file."""
    spool.path("leases", f"{owner}.lease").write_text("marker", encoding="utf-8")


def make_late(queue: SpoolQueue, token: Token, **result: object) -> str:
    """Supersede the attempt of ``token``, then let its owner succeed; the late result's name."""
    queue.end(token, Ending(End.LOST), by="reaper-box-1")
    ended = queue.end(token, Ending(End.SUCCEEDED, result=dict(result)), by=token.owner or "")
    assert not ended.accepted
    return f"{token.job_id}.a{token.attempt}.{token.owner}"


def clocked(spool: Spool) -> tuple[SpoolQueue, FakeClock]:
    clock = FakeClock()
    return spool_queue(spool, clock), clock


class PlainMeans:
    """A project with the mode off, whose runtimes need no program (`wf_cli.views.conditions.sight.Means`)."""

    distributed = False

    @property
    def config(self) -> Config:
        return Config(runtimes={name: Runtime(name, "scripted") for name in ("opencode", "cursor")})

    def agent_environment(self) -> dict[str, str]:
        return {}

    def project(self) -> Project:
        raise AssertionError("no look at plans is wanted")

    def dispatch_settings(self) -> DispatchSettings:
        raise AssertionError("no look at plans is wanted")


def sight(viewer: Viewer, *placed: Placed) -> Sight:
    """A look at these jobs, or at all that live."""
    return Sight(viewer, viewer.spool.root, PlainMeans, placed or None)
