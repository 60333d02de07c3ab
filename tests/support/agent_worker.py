"""A worker with one agent, as a process that tests can kill: ``agent_worker.py <json>``.

The JSON has ``argv`` (of the agent), ``root``, ``mark`` and optionally ``slot`` (a lock file). Prints one line
``<launcher pid> <launcher start>`` before the gate opens, and opens it unless ``gate`` is false.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from wf_cli import locks
from wf_cli.clock import SystemClock
from wf_cli.runtimes.base import Request, RuntimeSettings
from wf_cli.runtimes.command import CommandAdapter
from wf_cli.runtimes.process.supervise import AgentRun


def main() -> None:
    job = json.loads(sys.argv[1])
    slot = locks.try_slot(Path(job["slot"])) if "slot" in job else None
    adapter = CommandAdapter(RuntimeSettings("shell", "command", argv=tuple(job["argv"])))
    request = Request("j", 1, "coder", "", Path(job["root"]), {"PATH": os.environ["PATH"]}, mark=job["mark"])
    with AgentRun(adapter, request, clock=SystemClock(), slot=slot) as run:
        ref = run.spawn()
        print(ref.pid, ref.start, flush=True)
        if job.get("gate", True):
            run.go()
            run.wait()
        else:
            time.sleep(600)


if __name__ == "__main__":
    main()
