"""`wf notify`: tries the notifications of wf.config out."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from wf_cli.cli.frame import tables
from wf_cli.cli.frame.bundles import spread
from wf_cli.cli.frame.options import Common, group
from wf_cli.errors import WfError

if TYPE_CHECKING:
    from wf_cli.config.model import Notify

app = group("Try the notifications of wf.config out.")


@app.callback()
def notify() -> None:
    """Try the notifications of wf.config out."""


@app.command("test")
@spread
def test(common: Common) -> None:
    """Send a made-up event to each entry of notify, once, and say what came of it. Ends with 1 when one failed.

    The event has the kind of the entry's first one and `"test": true`. Addresses are shown without what may be
    secret. Neither a spool nor a worker is needed, and no event is recorded. An entry that works is no longer told of
    as failing.

    \b
    wf notify test
    """
    from wf_cli import ids
    from wf_cli.clock import iso
    from wf_cli.contract import plain_json
    from wf_cli.contract.event import SCHEMA
    from wf_cli.notify import delivery

    results: list[dict[str, Any]] = []
    worked = []
    for entry in common.app.config.notify:
        event_id = f"test-{ids.nonce()}"
        event = {
            "schema": SCHEMA,
            "ts": iso(common.clock.now_ms()),
            "event": entry.on[0],
            "reason": "wf notify test made this up",
            "id": event_id,
            "test": True,
        }
        body = plain_json.dumps(event).encode() + b"\n"
        result = delivery.deliver(
            entry, body, kind=entry.on[0], event_id=event_id, root=common.root, environ=os.environ
        )
        worked += [entry] if result.ok else []
        results.append({"entry": entry.place, "on": list(entry.on), "sent": result.ok, "said": result.said})
    _no_longer_failing(common, worked)
    rows = [("sent" if r["sent"] else "failed", r["entry"], ",".join(r["on"]), r["said"]) for r in results]
    lines = tables.table(("RESULT", "ENTRY", "EVENTS", "SAID"), rows) or ["wf.config has no notify entries"]
    bad = [r for r in results if not r["sent"]]
    if bad:
        message = f"{len(bad)} of {len(results)} failed; the first: {bad[0]['entry']}: {bad[0]['said']}"
        error = WfError(message, hint="correct notify in wf.config, then try again", code="NOTIFY_FAILED")
        raise common.failed(error, {"entries": results}, lines)
    common.emit({"entries": results}, lines)


def _no_longer_failing(common: Common, worked: list[Notify]) -> None:
    """Take back that these entries fail, where a worker has told so in the spool."""
    from wf_cli.notify.notifier import failing_mark
    from wf_cli.spool import layout, notified

    with contextlib.suppress(OSError, WfError):
        if worked and layout.exists(common.spool_root):
            spool = common.open_spool()
            for entry in worked:
                notified.forget(spool, failing_mark(entry))
