"""The workers that `epic run --auto-workers` starts, and the runtimes whose jobs no worker takes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wf_cli import fsio, git
from wf_cli.contract.lifecycle import Status

if TYPE_CHECKING:
    from wf_cli.app import App
    from wf_cli.clock import Clock
    from wf_cli.spool.layout import Spool
    from wf_cli.views.progress import EpicProgress


def start(the_app: App, spool: Spool, out: dict[str, Any]) -> None:
    """Start one worker for each runtime of the routing that no session serves.

    What became of each role is added to ``out`` (see `nothing_started`) at once, so that the caller of an interrupted
    start knows what to `drain`.
    """
    serving = serving_runtimes(spool)
    by_runtime: dict[str, list[str]] = {}
    for role, runtime in the_app.config.runtime_of_role.items():
        by_runtime.setdefault(runtime, []).append(role)
    for runtime, roles in by_runtime.items():
        if runtime in serving:
            out["already_running"] += [{"role": role, "runtime": runtime, "pid": serving[runtime]} for role in roles]
            continue
        try:
            pid = _spawn(the_app, spool, runtime)
        except (OSError, ValueError) as error:  # ValueError: a FIFO or a link has the name of its log.
            out["failed"] += [{"role": role, "runtime": runtime, "error": str(error)} for role in roles]
            continue
        out["started"] += [{"role": role, "runtime": runtime, "pid": pid} for role in roles]


def nothing_started() -> dict[str, Any]:
    """The ``auto_workers`` part of the JSON before `start`."""
    return {"started": [], "already_running": [], "failed": [], "skipped": []}


def _spawn(the_app: App, spool: Spool, runtime: str) -> int:
    log = spool.path("transcripts", f"auto-{runtime}.log")
    sink = fsio.open_append(log, mode=spool.shared_mode)
    words = ["worker", "--runtime", runtime, "--watch", "--id", f"auto-{runtime}"]
    if the_app.flags.spool is not None:
        words += ["--spool", str(spool.root)]
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "wf_cli", *words],
            cwd=the_app.root,
            env=git.without_redirects(the_app.environ),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    finally:
        os.close(sink)
    return process.pid


def drain(started: dict[str, Any] | None) -> None:
    """Ask the workers that `start` started to end after their jobs."""
    for pid in {entry["pid"] for entry in (started or {}).get("started", ())}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def serving_runtimes(spool: Spool) -> dict[str, int]:
    """The runtimes that sessions serve, each with the pid of one. Stopped and proven dead sessions do not count."""
    from wf_cli.spool import lease, session

    found = {}
    for owner in session.owners(spool):
        record = session.read(spool, owner)
        if record is None or record.state == "stopped" or record.proven_dead:
            continue
        if record.concurrency < 1:  # an editor's keeper, which takes no further job
            continue
        if fsio.exists(lease.path_of(spool, owner)):
            found[record.runtime] = record.pid
    return found


def unserved(
    spool: Spool, now: EpicProgress, since: dict[str, float], clock: Clock, *, patience_s: float
) -> Iterator[str]:
    """The runtimes that had a queued job and no worker for ``patience_s`` seconds. Each is yielded once.

    ``since`` is kept by the caller between calls. It holds when a runtime was first seen without a worker, and
    infinity once the runtime was yielded.
    """
    waiting = {plan.runtime for plan in now.plans if plan.status is Status.QUEUED and plan.runtime is not None}
    for runtime in waiting - set(serving_runtimes(spool)):
        first = since.setdefault(runtime, clock.monotonic())
        if clock.monotonic() - first >= patience_s:
            since[runtime] = float("inf")
            yield runtime
