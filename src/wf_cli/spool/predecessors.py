"""The agents of a job's earlier attempts that may still live, for whoever is about to begin its next attempt.

An attempt can end while its agent goes on: an operator cancelled it, or its session was judged to be gone. The next
attempt must not work beside that agent. An agent is named by the record of its session from before its launcher's
gate opens until its processes are gone, and its worker looks at the token once more in between. So once an attempt
has ended, its agent is on record or never starts, and the agents that this module finds can only become fewer.

Guarantees and their limit: on this host the processes themselves are looked at. Of another host only the record and
the lease are known, so the agent of a session that was judged to be gone counts as gone, although it may live
(exclusive execution is not promised there, see `wf_cli.spool`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator

from wf_cli import proc
from wf_cli.contract.job import End
from wf_cli.errors import ContractError
from wf_cli.frozen import frozen
from wf_cli.spool import liveness, records, session, started
from wf_cli.spool.layout import Spool
from wf_cli.spool.liveness import GONE, Verdict
from wf_cli.spool.session import Agent, SessionRecord


@frozen
class Predecessor:
    """The agent of an earlier attempt that may live."""

    agent: Agent
    record: SessionRecord
    #: Whether its session is gone. Such an agent is on this host, where it can be ended.
    orphaned: bool

    @property
    def text(self) -> str:
        """For people."""
        agent, record = self.agent, self.record
        where = f"process {agent.pid}" if record.on_this_host else f"process {agent.pid} on {record.host}"
        return f"the agent of its attempt {agent.attempt} has not stopped yet ({where}, of {record.owner})"


def living(spool: Spool, job_id: str, attempt: int, verdict: Callable[[str], Verdict]) -> Iterator[Predecessor]:
    """The agents of attempts 1 to ``attempt`` of a job that may live. All of these attempts have ended.

    ``verdict`` tells what is known of a session. Raises OSError when the disk does not tell.
    """
    for owner in _owners(spool, job_id, attempt):
        record = session.readable(spool, owner)
        for agent in record.agents if record is not None else ():
            if agent.job_id != job_id or agent.attempt > attempt or record is None:
                continue
            if record.on_this_host:
                if lives_here(agent):
                    yield Predecessor(agent, record, orphaned=record.proven_dead or verdict(owner) in GONE)
            elif record.state != "stopped" and verdict(owner) not in GONE:
                yield Predecessor(agent, record, orphaned=False)


def of_jobs(spool: Spool, job_ids: Container[str]) -> dict[str, Predecessor]:
    """The jobs among ``job_ids``, which have ended, that an agent may still work on. Every session's file is read."""
    found = {}
    for owner in session.owners(spool):
        record = session.readable(spool, owner)
        for agent in record.agents if record is not None else ():
            if record is None or agent.job_id not in job_ids:
                continue
            lives = lives_here(agent) if record.on_this_host else not liveness.known_gone(spool, owner)
            if lives:
                found[agent.job_id] = Predecessor(agent, record, orphaned=False)
    return found


def lives_here(agent: Agent) -> bool:
    """Whether the agent's launcher, or a process that carries the attempt's mark, is seen to run on this host."""
    return proc.alive(agent.pid, agent.start) or bool(proc.marked(agent.mark))


def _owners(spool: Spool, job_id: str, attempt: int) -> Iterator[str]:
    """The sessions that may have left an agent of attempts 1 to ``attempt``, the latest first.

    A session that ended its attempt by itself did so after its agent's processes were gone. If it had started one,
    the attempts before had none that lived, because this module was asked first. So the search ends there.
    """
    for number in range(attempt, 0, -1):
        try:
            outcome = records.read_outcome(spool, job_id, number)
        except (ContractError, PermissionError):
            outcome = None
        if outcome is None:  # Nobody tells whose attempt it was, so each session is asked.
            yield from session.owners(spool)
            return
        if outcome.by != outcome.owner:
            yield outcome.owner
            start = started.start_of(spool, job_id, number)
            if start is not None and start.owner not in ("", outcome.owner):
                yield start.owner
        elif outcome.started_ms is not None and outcome.end in (End.FAILED, End.RELEASED):
            return
