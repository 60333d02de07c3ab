"""The events of an epic's life, each told once, whoever and however many look at the epic.

Every reconcile of every process sees that an epic is blocked or completed, so a mark by exclusive link decides who
tells (`wf_cli.spool.notified`). A process that dies between the mark and the event leaves the event untold.
"""

from __future__ import annotations

from wf_cli import ids
from wf_cli.contract.event import EventSink
from wf_cli.spool import notified
from wf_cli.spool.layout import Spool


def tell(spool: Spool, events: EventSink, kind: str, epic_id: str, *facts: object, reason: str | None = None) -> bool:
    """Emit ``epic.<kind>`` unless somebody has told it of the same ``facts``. Whether this call has told it.

    Raises OSError and SpoolMissing when the mark cannot be made; then nothing is told.
    """
    name = notified.name_of(notified.EPIC, f"{epic_id}-{kind}", *facts)
    if not notified.first(spool, name, by=ids.owner_id("teller")):
        return False
    events.emit(f"epic.{kind}", epic_id=epic_id, reason=reason)
    return True
