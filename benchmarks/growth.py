"""Size of a spool on which many jobs run, with `wf spool gc` after each part of them: bytes and files on disk.

Jobs outside plans are enqueued, claimed, started and ended by the queue itself, without an agent, and told of in the
log. Logs are full at 256 KiB, so that their rotation is a part of it, and gc keeps them no longer than it has to. The
variable JOBS is the number of jobs; a fourth of it lies between two figures.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure

JOBS = int(os.environ.get("JOBS", "20000"))
#: How often gc runs between two figures.
ROUNDS = 5
_LOG_SIZE = 256 * 1024


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as folder:
        first = 0
        for part, (ended, files, size, keys) in enumerate(grown(Path(folder) / "spool", JOBS)):
            first = first or files
            beside = (
                f"{files - first:+d} files since the first figure; {keys / max(1, ended):.0f} bytes a key in packs"
            )
            yield Figure(f"{ended:,} jobs have ended ({part + 1}/4)", f"{files} files, {size / 1e6:.2f} MB", beside)


def grown(root: Path, jobs: int, rounds: int = ROUNDS) -> Iterator[tuple[int, int, int, int]]:
    """Run that many jobs in four parts; after each the ended jobs, and files, bytes, and bytes of packs on disk."""
    from wf_cli.clock import SystemClock
    from wf_cli.contract.job import End
    from wf_cli.contract.retry import Ending
    from wf_cli.contract.token import Pool
    from wf_cli.eventlog.log import EventLog
    from wf_cli.queue.spool_queue import SpoolQueue
    from wf_cli.queue.values import JobRequest
    from wf_cli.spool import change, layout, packing, retention

    layout.create(root, durability="none")  # What is synced does not change what is there.
    change.allow_packs(root)
    spool, clock, owner, pool = layout.open_spool(root), SystemClock(), "w-box-1", Pool("other", "shell")
    batch, ended = max(1, jobs // (4 * rounds)), 0
    for part in range(4):
        for _ in range(rounds):
            events = EventLog(spool.folder("log"), owner, clock, size=_LOG_SIZE)
            queue = SpoolQueue(spool, clock=clock, events=events)
            requests = [JobRequest(role=pool.role, runtime=pool.runtime, key=f"k{ended + n}") for n in range(batch)]
            queue.enqueue_many(requests)
            while (token := queue.claim(owner, (pool,))) is not None:
                with queue.fence(token.job_id):
                    queue.start(token)
                queue.end(token, Ending(End.SUCCEEDED), by=owner)
                ended += 1
            events.rest()
            queue.gc(older_s=-1.0)
            _age_logs(spool.folder("log"))
            now_ms = clock.now_ms()
            # Now and an hour later, in which a log that was put aside is removed.
            for at_ms in (now_ms, now_ms + 3_600_000):
                retention.clean(spool, before_ms=now_ms, logs=retention.OldLogs(at_ms - 3_600_000, at_ms))
            packing.run(spool, clock)
        assert ended == (part + 1) * rounds * batch, "every job ran once"
        files = [path for path in root.rglob("*") if path.is_file()]
        packs = sum(path.stat().st_size for path in files if path.suffix == ".pack")
        yield ended, len(files), sum(path.stat().st_size for path in files), packs


def _age_logs(folder: Path) -> None:
    """All full logs are as if nobody had written them for a day."""
    for path in folder.iterdir():
        info = path.stat()
        if info.st_size >= _LOG_SIZE:
            os.utime(path, (info.st_mtime - 86400, info.st_mtime - 86400))
