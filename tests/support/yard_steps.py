"""What `support.shared_yard` does on a host that has the shared folder, in the project of the current folder.

``python -m support.yard_steps enqueue N | await N | report FILE``
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from wf_cli.app import App
from wf_cli.clock import SystemClock
from wf_cli.errors import SpoolError
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool import layout, lease, verify


def enqueue(app: App, jobs: int) -> None:
    """Make the spool, and in it so many jobs."""
    queue = app.queue(app.create_spool())
    queue.enqueue_many([JobRequest("builder", "shell", key=f"job-{n}", max_attempts=9) for n in range(jobs)])


def await_done(root: Path, jobs: int) -> None:
    """Return when so many jobs are done. While the folder cannot be read it is looked at again."""
    while True:
        with contextlib.suppress(OSError, SpoolError):
            if len(os.listdir(layout.open_spool(root).folder("done"))) >= jobs:
                return
        time.sleep(0.2)


def findings(root: Path) -> list[str]:
    """What `wf spool verify` finds, which looks until it is sure."""
    clock = SystemClock()
    watch = verify.Watch(lease.DEFAULT_SECONDS["shared"], lambda _jobs, seconds: clock.sleep(seconds))
    return [str(finding) for finding in verify.verify(layout.open_spool(root), clock, watch=watch)]


def report(queue: SpoolQueue, root: Path) -> dict[str, Any]:
    """What is in the spool: the jobs by their places, how their attempts ended, and what is wrong with it.

    All jobs are done, and this host may not see that yet: its listings can be as old as its mount allows.
    """
    jobs, placed = len(os.listdir(root / "jobs")), queue.placed()
    patience = time.monotonic() + lease.DEFAULT_SECONDS["shared"]
    while [job.folder for job in placed] != ["done"] * jobs and time.monotonic() < patience:
        time.sleep(1)
        placed = queue.placed()
    outcomes: dict[str, list[dict[str, Any]]] = {}
    for job in placed:
        numbers = range(1, job.token.attempt + 1)
        found = [queue.outcome(job.token.job_id, number) for number in numbers]
        outcomes[job.token.job_id] = [
            {"attempt": each.attempt, "end": each.end, "owner": each.owner} for each in found if each is not None
        ]
    quarantine = root / "archive" / "quarantine"
    return {
        "placed": [job.token.job_id for job in placed],
        "outcomes": outcomes,
        "findings": findings(root),
        "put_away": sorted(os.listdir(quarantine)) if quarantine.exists() else [],
    }


def main(step: str, value: str) -> None:
    app = App(Path.cwd(), dict(os.environ))
    root = Path(os.environ["WF_SPOOL"])
    if step == "enqueue":
        enqueue(app, int(value))
    elif step == "await":
        await_done(root, int(value))
    else:
        text = json.dumps(report(app.queue(layout.open_spool(root)), root))
        Path(value).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
