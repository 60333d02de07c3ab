"""The beginning of a worker's session. It waits for a spool that cannot be used just now."""

from __future__ import annotations

from collections.abc import Callable

from wf_cli.attempt import trouble
from wf_cli.attempt.lasting import Lasting
from wf_cli.attempt.outage import Outage
from wf_cli.attempt.session import Session
from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.errors import WfError
from wf_cli.spool.layout import Spool
from wf_cli.spool.session import this_process
from wf_cli.worker.settings import WorkerSettings

#: Seconds between two tries.
PAUSE = 1.0
_WHAT = "cannot begin a session"


def begin_session(
    spool: Spool,
    owner: str,
    settings: WorkerSettings,
    *,
    clock: Clock,
    events: EventSink,
    say: Callable[[str], None],
    on_lost: Callable[[], None],
    outage: Outage,
    is_first: bool,
    leaves_within: Callable[[float], bool],
    has_worked: Callable[[], bool] = lambda: True,
) -> Session | None:
    """The session ``owner``; None when the worker leaves before it can begin.

    ``leaves_within`` waits for so many seconds, and tells whether the worker leaves. Errors that may pass are waited
    for; a refusal (EACCES) is one of them unless this is the worker's first session. Raises SpoolError when the spool
    is gone or another one, and any other OSError unless the worker watches.
    """
    record = this_process(
        owner,
        settings.runtime,
        settings.lease_seconds,
        clock.now_ms(),
        roles=tuple(sorted(pool.role for pool in settings.pools)),
        concurrency=settings.concurrency,
    )
    lasting = Lasting(say)
    try:
        while True:
            try:
                session = Session(
                    spool, record, clock=clock, events=events, say=say, on_lost=on_lost, has_worked=has_worked
                )
            except (OSError, WfError) as error:
                if not outage.met(_WHAT, error, was_allowed=not is_first):
                    if isinstance(error, WfError) or not settings.watch:
                        raise
                    lasting.met(_WHAT, error, f"{_WHAT}: {trouble.told(error)}; trying again")
            else:
                outage.over(_WHAT)
                say(f"worker {owner} on {settings.runtime}: {', '.join(record.roles)}")
                return session
            if leaves_within(PAUSE):
                return None
    finally:
        outage.left(_WHAT)
