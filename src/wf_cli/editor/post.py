"""The session of a keeper: its file, its lease, and the heartbeat that goes on beside everything else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TypeVar

from wf_cli import proc
from wf_cli.contract.token import Token, mark
from wf_cli.editor.request import Request
from wf_cli.editor.tools import Tools
from wf_cli.spool import session, verify
from wf_cli.spool.lease import Lease
from wf_cli.spool.session import Agent, SessionFile

#: Seconds between two ticks while something takes long.
TICK = 0.1

_T = TypeVar("_T")


class Post:
    """An open session that takes one job. `tick` it often; `meanwhile` does so for what takes long."""

    def __init__(self, tools: Tools, owner: str, request: Request):
        lease_s, now_ms = tools.app.config.lease_s, tools.app.clock.now_ms()
        self.owner = owner
        self._events = tools.events
        self._file = SessionFile(
            tools.spool,
            session.this_process(owner, request.runtime, lease_s, now_ms, roles=request.roles, concurrency=0),
        )
        self._lease = Lease(tools.spool, owner, lease_s, tools.app.clock, lambda _reason: None)
        for event in ("lease.acquired", "worker.started"):
            tools.events.emit(
                event, owner=owner, runtime=request.runtime, reason=f"for the editor {request.editor.pid}"
            )
        verify.repair(tools.spool)

    @property
    def lost(self) -> str | None:
        """Why the lease is lost; None while it is held."""
        return self._lease.lost

    def tick(self) -> None:
        self._lease.tick()

    def meanwhile(self, work: Callable[[], _T]) -> _T:
        """What ``work`` returns or raises; the lease is beaten while it runs, in a thread of its own."""
        ended = threading.Event()
        values: list[_T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                values.append(work())
            except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that asked
                errors.append(error)
            finally:
                ended.set()

        threading.Thread(target=run, name="wf-keeper", daemon=True).start()
        while not ended.wait(TICK):
            self.tick()
        if errors:
            raise errors[0]
        return values[0]

    def sign_on(self, token: Token, baseline: str | None) -> None:
        """Name this process as the one to ask about the attempt, and the checkout as it is before that.

        So a reaper that finds the keeper dead ends what carries the attempt's mark. Never the editor: with
        the process that stands here a reaper ends all that it started.
        """
        me = proc.this_process()
        self._file.add_agent(
            Agent(token.job_id, token.attempt, mark(token), os.getpid(), me.start or None, baseline=baseline)
        )

    def sign_off(self, token: Token) -> None:
        """Nothing of the attempt is left to ask about."""
        self._file.remove_agent(mark(token))

    def close(self, reason: str) -> None:
        """End the session, in peace."""
        self._file.set_state("stopped")
        self._lease.release()
        self._events.emit("worker.stopped", owner=self.owner, reason=self.lost or reason)
