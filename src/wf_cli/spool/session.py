"""A session's own file: what process it is and which agents it has, with one writer.

Readers use it to prove a session dead, to find what it left running, and to show it. Format: one JSON
object, replaced as a whole (fields of `SessionRecord`).
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from dataclasses import asdict, field, replace
from typing import Any

from wf_cli import fsio, ids, proc
from wf_cli.contract import text
from wf_cli.contract.token import NUMBER_LIMIT, TIME_DIGITS, Token, is_word, mark
from wf_cli.frozen import frozen
from wf_cli.spool.layout import Spool

#: Seconds. No lease lasts longer, whatever the file of its session says.
LONGEST_LEASE = 30 * 86400.0
#: Characters of one text of a session's file.
_LONGEST = 1024
#: No system numbers its processes beyond this (Linux: 2**22).
_LAST_PID = 2**31 - 1


@frozen
class Agent:
    """One agent's launcher: enough to find and end the whole attempt on this host."""

    job_id: str
    attempt: int
    mark: str
    pid: int
    start: str | None
    #: The runtime's own session, as soon as it said so: the next attempt may go on with it.
    session_id: str | None = None
    #: The checkout before the job's first attempt (`wf_cli.workflow.changes`), where a change is to be proven.
    baseline: str | None = None


@frozen
class SessionRecord:
    """A session as others see it."""

    owner: str
    runtime: str
    host: str
    pid: int
    start: str | None
    boot_id: str | None
    pid_ns: str | None
    lease_seconds: float
    started_ms: int
    roles: tuple[str, ...] = ()
    #: Jobs at a time; 0 for one that takes no more (an editor's keeper).
    concurrency: int = 1
    state: str = "running"  # running, draining, stopped
    agents: tuple[Agent, ...] = field(default=())

    @property
    def on_this_host(self) -> bool:
        """Whether its pid means something here: same boot, same pid namespace."""
        return self.boot_id is not None and self.boot_id == proc.boot_id() and self.pid_ns == proc.pid_namespace()

    @property
    def proven_dead(self) -> bool:
        """The process is gone for certain. False proves nothing."""
        return self.on_this_host and self.start is not None and proc.gone(self.pid, self.start)


def this_process(owner: str, runtime: str, lease_seconds: float, now_ms: int, **facts: Any) -> SessionRecord:
    """The record of the calling process."""
    return SessionRecord(
        owner=owner,
        runtime=runtime,
        host=ids.host_label(),
        pid=os.getpid(),
        start=proc.start_token(os.getpid()),
        boot_id=proc.boot_id(),
        pid_ns=proc.pid_namespace(),
        lease_seconds=lease_seconds,
        started_ms=now_ms,
        **facts,
    )


class SessionFile:
    """The writer of one session's file. Its methods may be called from any thread of the session."""

    def __init__(self, spool: Spool, record: SessionRecord):
        self._spool = spool
        self._lock = threading.Lock()
        self.record = record
        self._is_old = False
        self._write()

    def add_agent(self, agent: Agent) -> None:
        """Durable before it returns: a launcher may open its gate only after this."""
        with self._lock:
            self.record = replace(self.record, agents=(*self.record.agents, agent))
            self._write()

    def remove_agent(self, mark: str, *, later: bool = False) -> None:
        """Nothing of that attempt lives any more. With ``later`` the next write tells, or `write_what_is_new`."""
        with self._lock:
            kept = tuple(agent for agent in self.record.agents if agent.mark != mark)
            self.record = replace(self.record, agents=kept)
            self._is_old = True
            if not later:
                self._write()

    def write_what_is_new(self) -> None:
        """Write the file if it does not tell everything."""
        with self._lock:
            if self._is_old:
                self._write()

    def set_agent_session(self, mark: str, session_id: str) -> None:
        """The runtime named its session."""
        with self._lock:
            agents = tuple(replace(a, session_id=session_id) if a.mark == mark else a for a in self.record.agents)
            self.record = replace(self.record, agents=agents)
            self._write()

    def set_state(self, state: str) -> None:
        with self._lock:
            self.record = replace(self.record, state=state)
            self._write()

    def remove(self) -> None:
        """The session has ended, and nothing in the spool names it. The file stays when the disk refuses that."""
        with self._lock, contextlib.suppress(OSError):
            fsio.unlink_quietly(self._spool.path("sessions", f"{self.record.owner}.json"))

    def _write(self) -> None:
        self._spool.replace("sessions", f"{self.record.owner}.json", json.dumps(asdict(self.record), indent=2))
        self._is_old = False


def read(spool: Spool, owner: str) -> SessionRecord | None:
    """A session's record, for those who only look; None when it has none, or it cannot be read or trusted."""
    with contextlib.suppress(OSError):
        return load(spool, owner)
    return None


def load(spool: Spool, owner: str) -> SessionRecord | None:
    """A session's record; None when it has none or it cannot be trusted.

    Raises OSError when the disk does not tell. Whoever decides something by the record must not take that for none:
    a session's own lease duration is in it, and the agents that it has.
    """
    if not is_word(owner):
        return None
    try:
        value = json.loads(fsio.read_regular(spool.path("sessions", f"{owner}.json"), 1024 * 1024))
        agents = tuple(
            Agent(
                job_id=text.line(str(a["job_id"]), _LONGEST),
                attempt=_whole(a["attempt"], NUMBER_LIMIT - 1),
                mark=text.line(str(a["mark"]), _LONGEST),
                pid=_whole(a["pid"], _LAST_PID),
                start=_text(a["start"]),
                session_id=_text(a.get("session_id")),
                baseline=_baseline(a.get("baseline")),
            )
            for a in value["agents"]
        )
        record = SessionRecord(
            owner=str(value["owner"]),
            runtime=text.line(str(value["runtime"]), _LONGEST),
            host=text.line(str(value["host"]), _LONGEST),
            pid=_whole(value["pid"], _LAST_PID),
            start=_text(value["start"]),
            boot_id=_text(value["boot_id"]),
            pid_ns=_text(value["pid_ns"]),
            lease_seconds=_lease_seconds(value["lease_seconds"]),
            started_ms=_whole(value["started_ms"], 10**TIME_DIGITS - 1),
            roles=tuple(text.line(str(r), _LONGEST) for r in value["roles"]),
            concurrency=_whole(value["concurrency"], NUMBER_LIMIT - 1),
            state=text.line(str(value["state"]), _LONGEST),
            agents=agents,
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    return record if record.owner == owner and record.pid > 0 else None


def _whole(value: Any, most: int) -> int:
    """A whole number from 0 to ``most``. ValueError for any other: the file is not trusted, and what reads the record
    shows its numbers, adds them up and asks the system about them."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"{value} is no number from 0 to {most}")
    return int(value)


def _lease_seconds(value: Any) -> float:
    """A lease that ends: who says that its own lasts for ever would never be seen to be gone."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_LEASE:
        raise ValueError(f"a lease of {value} s")
    return float(value)


def _text(value: object) -> str | None:
    return None if value is None else text.line(str(value), _LONGEST)


def _baseline(value: Any) -> str | None:
    """As an outcome takes it (``schemas/outcome.schema.json``)."""
    return value if isinstance(value, str) and len(value) <= 1024 else None


def owners(spool: Spool) -> list[str]:
    """Every owner id that has a session file or a lease."""
    found = {n.removesuffix(".json") for n in spool.names("sessions") if n.endswith(".json")}
    found |= {n.removesuffix(".lease") for n in spool.names("leases") if n.endswith(".lease")}
    return sorted(owner for owner in found if is_word(owner))


def agent_of(spool: Spool, token: Token) -> Agent | None:
    """What the session of ``token`` says of its agent; None when it names none, or is not for us to read.

    Raises OSError when the disk does not tell.
    """
    record = readable(spool, token.owner or "")
    agents = record.agents if record is not None else ()
    return next((agent for agent in agents if agent.mark == mark(token)), None)


def has_agent(spool: Spool, token: Token) -> bool:
    """Whether the session of ``token`` still names an agent of its attempt. One proven dead has none to stop.

    Raises OSError when the disk does not tell.
    """
    record = readable(spool, token.owner or "")
    if record is None or record.proven_dead:
        return False
    return any(agent.mark == mark(token) for agent in record.agents)


def readable(spool: Spool, owner: str) -> SessionRecord | None:
    """`load`; None also for a record of another user that is not for us to read."""
    try:
        return load(spool, owner)
    except PermissionError:
        return None
