"""What the end of an attempt means for the pool."""

from __future__ import annotations

from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import ErrorClass
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Token
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import control


def cool_down(queue: SpoolQueue, token: Token, ending: Ending, clock: Clock, events: EventSink) -> None:
    """A parked ending parks its runtime: nobody claims for it until the provider takes requests again."""
    failure = ending.failure
    if failure is None or failure.error_class is not ErrorClass.PARKED or ending.delay_s is None:
        return
    runtime = token.pool.runtime
    control.request(
        queue.spool,
        f"cooldown.{runtime}",
        clock,
        reason=f"{failure.code}: {failure.message}",
        seconds=ending.delay_s,
    )
    events.emit("pool.cooldown", runtime=runtime, reason=failure.message, error_code=failure.code)
