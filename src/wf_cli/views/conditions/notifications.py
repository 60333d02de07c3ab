"""Entries of ``notify`` that events wait for in vain."""

from __future__ import annotations

from collections.abc import Iterator

from wf_cli.views.conditions.condition import Condition, Scope
from wf_cli.views.conditions.sight import Sight

_FOLDER = "outbox"
#: No job: work goes on without notifications.
_NO_JOB = Scope(job_id="")


def failing(sight: Sight) -> Iterator[Condition]:
    """Entries that a worker could not hand an event to, while events wait.

    The worker's word counts, because its environment and its programs are not those of this process. Without events
    that wait the configuration is not read.
    """
    spool = sight.viewer.spool
    waiting = len([name for name in spool.names(_FOLDER) if name.endswith(".json")])
    if not waiting:
        return
    from wf_cli.spool import notified

    marks = notified.failing(spool)
    if not marks:
        return
    from wf_cli.notify import notifier

    for entry in sight.means.config.notify:
        facts = marks.get(notifier.failing_mark(entry))
        if facts is None:
            continue
        command = "wf notify test"
        if entry.url is not None and entry.url.startswith("env:") and "variable" in facts.get("why", ""):
            command = f"export {entry.url.removeprefix('env:')}=ADDRESS && {command}"
        text = f"{waiting} event(s) wait: {facts.get('entry', 'an entry')}: {facts.get('why', 'it fails')}"
        yield Condition("notified", False, text, command, _NO_JOB)
