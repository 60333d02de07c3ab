"""The entries of ``notify``: whether each can be used from here, and which ones failed last. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from wf_cli.config.model import Config
from wf_cli.doctor.check import Check, ok, warn
from wf_cli.notify import delivery, notifier, outbox
from wf_cli.spool import layout, notified

_TEST = "wf notify test"
#: Waiting events that show that nobody hands them on.
_MANY = 20


def look(spool_root: Path, config: Config, root: Path, environ: Mapping[str, str]) -> Iterator[Check]:
    """One line for each entry that cannot be used, and one for each that fails. Nothing without entries."""
    if not config.notify:
        return
    missing = [
        (entry.place, why) for entry in config.notify if (why := delivery.obstacle(entry, root, environ)) is not None
    ]
    for place, why in missing:
        yield warn("notify", f"{place}: {why}", f"{_TEST}: after the program or the variable is there")
    failing = []
    if layout.exists(spool_root):
        spool = layout.open_spool(spool_root)
        marks = notified.failing(spool)  # Those of entries that are no more do not count.
        failing = [marks[mark] for entry in config.notify if (mark := notifier.failing_mark(entry)) in marks]
        for facts in failing:
            where = f"{facts.get('entry', 'an entry')}: {facts.get('why', 'it fails')}"
            yield warn("notify", f"{where} (since {facts.get('at', 'some time')})", f"{_TEST}: tries it again")
        waiting = len(outbox.waiting(spool))
        if waiting >= _MANY:
            text = f"{waiting} events wait to be handed on; workers do that, and `wf dispatch --watch`"
            yield warn("notify", text, "wf worker ls")
    if not missing and not failing:
        yield ok("notify", f"{len(config.notify)} program(s) and address(es); `{_TEST}` tries them out")
