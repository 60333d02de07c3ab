"""Jobs a second of one worker on GlusterFS, beside the same spool on this disk.

Three bricks on this machine hold a copy each; the agent is `true`. Both spools are of the topology ``shared``, and
they take turns. Needs root and GlusterFS, so it runs only when it is named.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from benchmarks import scratch
from benchmarks.figures import Figure
from wf_cli.app import App
from wf_cli.queue.values import JobRequest

JOBS = 60
ROUNDS = 3
SLOTS = (1, 3)


def run() -> Iterator[Figure]:
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from support.beds import Gluster, missing

    lack = missing("glusterfs", "glusterfsd")
    if lack is not None:
        sys.exit(f"this one needs GlusterFS: {lack}")
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as text, Gluster(Path(text)) as bed:
        folders = {"local": Path(text) / "local", "gluster": bed.mounts[0]}
        for slots in SLOTS:
            rates: dict[str, list[float]] = {"local": [], "gluster": []}
            for turn in range(ROUNDS):
                for name, folder in folders.items():
                    rates[name].append(_rate(folder / f"p{slots}-{turn}", slots))
            local, there = max(rates["local"]), max(rates["gluster"])
            yield Figure(
                f"own jobs on GlusterFS, {slots} at once",
                f"{there:.1f} jobs a second",
                f"on this disk: {local:.1f}, {local / there:.1f} times as many",
            )


def _rate(root: Path, slots: int) -> float:
    """Jobs a second, from the first claim to the last end, by the worker's own log."""
    root.mkdir(parents=True)
    config = scratch.CONFIG.replace("RUNTIME", 'shell: {adapter: command, argv: ["true"]}')
    (root / "wf.config.yaml").write_text(config + "spool: {topology: shared}\n", encoding="utf-8")
    app = App(root, scratch.environment())
    spool = app.create_spool()
    app.queue(spool).enqueue_many([JobRequest("builder", "shell", key=f"one-{i}") for i in range(JOBS)])
    argv = [*scratch.WF, "worker", "--runtime", "shell", "--concurrency", str(slots)]
    subprocess.run(argv, cwd=root, env=scratch.environment(), check=True, capture_output=True, timeout=300)
    times = []
    for log in spool.folder("log").iterdir():
        for line in log.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            if event["event"] in ("job.claimed", "job.succeeded"):
                times.append(datetime.fromisoformat(event["ts"]).timestamp())
    return JOBS / (max(times) - min(times))
