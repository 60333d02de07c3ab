"""The keeper's process: ``python -m wf_cli.editor.keeper_process``, started by `starting`.

It reads its order, one line of JSON, on stdin::

    {"root": ..., "spool": ..., "config": ..., "request": {...}}

It answers with one line on stdout: ``{"job": {...}}``, or ``{"error": {"kind", "message", "hint", "code"}}``. The
agent's command acknowledges a job with ``ok`` on stdin. When stdin ends before that, the keeper gives the job back.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wf_cli.app import App, Flags
from wf_cli.editor.keeper import Keeper
from wf_cli.editor.request import Request
from wf_cli.errors import WfError


class PipeChannel:
    """The keeper's end of the pipes to the agent's command."""

    def __init__(self, reading: int, writing: int):
        self._reading, self._writing = reading, writing
        self._heard: bool | None = None
        self._closed = False

    def say(self, document: Mapping[str, Any]) -> None:
        """Send one line. `heard` tells whether the other side read it."""
        data = memoryview(json.dumps(document).encode() + b"\n")
        try:
            while data:
                data = data[os.write(self._writing, data) :]
        except BrokenPipeError:
            self._heard = False

    def heard(self) -> bool | None:
        """True once the other side has said ok, False once it is gone without, None before. Does not wait."""
        if self._heard is None and select.select([self._reading], [], [], 0)[0]:
            self._heard = os.read(self._reading, 16).startswith(b"ok")
        return self._heard

    def close(self) -> None:
        """Close both pipes, so that a reader of the other end comes to its end. Safe to repeat."""
        if self._closed:
            return
        self._closed = True
        nowhere = os.open(os.devnull, os.O_RDWR)
        for fd in (self._reading, self._writing):
            os.dup2(nowhere, fd)
        os.close(nowhere)


def error_document(error: Exception) -> dict[str, Any]:
    """``error`` as JSON for the other side, which raises it again."""
    if not isinstance(error, WfError):
        error = WfError(f"the keeper failed: {type(error).__name__}: {error}", code="KEEPER_FAILED")
    return {
        "error": {
            "kind": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
            "code": error.code,
        }
    }


def main() -> None:
    """Detach from the process that started this one, and keep one job."""
    with os.fdopen(os.dup(0), "rb", buffering=0) as stdin:
        order = json.loads(stdin.readline())
    if os.fork():  # The keeper goes on as an orphan, so that no editor has to wait for a child it does not know.
        os._exit(0)
    os.setsid()
    channel = PipeChannel(0, 1)
    try:
        keeper = _keeper(order, channel)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            # An editor under nohup hands its ignored SIGHUP down, and its keeper is to stay as well.
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            signal.signal(number, lambda *_: keeper.stop("the keeper was told to end"))
        keeper.run()
    except Exception as error:  # noqa: BLE001 - the last resort: there is nobody else to tell
        channel.say(error_document(error))
        sys.exit(1)


def _keeper(order: Mapping[str, Any], channel: PipeChannel) -> Keeper:
    config = Path(order["config"]) if order["config"] is not None else None
    app = App(Path(order["root"]), os.environ, Flags(order["spool"], config))
    return Keeper(app, Request.from_json(order["request"]), channel)


if __name__ == "__main__":
    main()
