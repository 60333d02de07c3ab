"""Operators' commands on a large spool: CPU seconds and memory of each, beside `python -c "import typer"`.

The spool has 100,000 finished jobs (one in twenty dead) with their specs, outcomes and events, and 10,000 queued ones
for a pool that no worker here serves. CPU seconds are user and system time of the process; memory is its largest
resident set. The best of three runs counts, because other processes can only make a run slower.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import idle, scratch
from benchmarks.figures import Figure

FINISHED, QUEUED = 100_000, 10_000
ROUNDS = 3
WORKERS = 8
#: The spools whose listing has to take no longer than twice an import of typer.
SMALL = 20

#: Runs a command from a small process, because a child's largest resident set begins with that of its parent.
_MEASURED = """
import os, sys
silent = [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent)
_, status, used = os.wait4(pid, 0)
sys.stderr.write(f"{used.ru_utime + used.ru_stime} {used.ru_maxrss}")
"""
_BASELINE = (sys.executable, "-c", "import typer")
_ROUTING = "  other: {runtime: elsewhere}\n"
_SINCE_MS = 1_764_000_000_000
#: Sessions that wrote the events, and milliseconds between the ends of two jobs.
_SESSIONS, _EVERY_MS = 20, 1000


def run() -> Iterator[Figure]:
    with scratch.project(_ROUTING, runtime=_runtimes()) as (app, spool):
        fill(app.root, SMALL, SMALL)
        small = _best(app.root, (*scratch.WF, "spool", "ls"))
        base = _best(app.root, _BASELINE)
        beside = f"import typer: {base[0]:.2f} s; {small[0] / base[0]:.2f} times that"
        yield Figure(f"wf spool ls, {2 * SMALL} jobs", f"{small[0]:.2f} s, {small[1]} MB", beside)
    with scratch.project(_ROUTING, runtime=_runtimes()) as (app, spool):
        fill(app.root, FINISHED, QUEUED)
        for name, words, environ in commands():
            cpu, memory = _best(app.root, (*scratch.WF, *words), environ)
            base = _best(app.root, _BASELINE)
            yield Figure(name, f"{cpu:.2f} s, {memory} MB", f"import typer: {base[0]:.2f} s, {base[1]} MB")
        with contextlib.ExitStack() as stack:
            workers = [stack.enter_context(scratch.worker(app, leases=n + 1)) for n in range(WORKERS)]
            time.sleep(5.0)
            (share,) = idle.measure([worker.pid for worker in workers])
        what = f"{WORKERS} idle workers beside {QUEUED:,} jobs of another pool, over {idle.SECONDS:g} s"
        yield Figure(what, f"{share:.1f} % of a core together", f"spool {spool.version.topology}")


def commands() -> list[tuple[str, Sequence[str], Mapping[str, str]]]:
    """What is measured: its name, the words after `wf`, and more environment. None of them changes much."""
    done, dead, waits = _step_id(FINISHED // 2 + 1), _step_id(FINISHED // 2 // 20 * 20), _own_id(FINISHED + 7)
    complete = {"_WF_COMPLETE": "bash"}
    return [
        ("wf spool ls --limit 50", ("spool", "ls", "--limit", "50"), {}),
        ("wf spool ls --limit 50 --json", ("spool", "ls", "--limit", "50", "--json"), {}),
        ("wf spool ls --status failed --limit 50", ("spool", "ls", "--status", "failed", "--limit", "50"), {}),
        ("wf spool ls, every job to a pipe", ("spool", "ls"), {}),
        ("wf spool show, an exact id", ("spool", "show", done), {}),
        ("wf spool show, a beginning", ("spool", "show", done.rpartition("-")[0]), {}),
        ("wf explain, an exact id", ("explain", waits), {}),
        ("wf logs --events, an exact id", ("logs", "--events", done), {}),
        ("wf retry, an exact id", ("retry", dead, "--dry-run"), {}),
        ("wf retry --force, an exact id", ("retry", "--force", done), {}),
        ("wf cancel, an exact id", ("cancel", waits), {}),
        ("wf dead ls", ("dead", "ls"), {}),
        ("wf dead ls --by error", ("dead", "ls", "--by", "error"), {}),
        ("wf events --since 5m", ("events", "--since", "5m"), {}),
        ("completion of a job, nothing typed", ("spool", "show", ""), complete),
        ("completion of a job, a beginning typed", ("spool", "show", done[:6]), complete),
        ("wf spool verify", ("spool", "verify"), {}),
        ("wf doctor", ("doctor", "--no-call"), {}),
    ]


def _runtimes() -> str:
    program = '{adapter: command, argv: ["true"]}'
    return f"shell: {program}\n  elsewhere: {program}"


def _best(root: Path, argv: Sequence[str], environ: Mapping[str, str] | None = None) -> tuple[float, int]:
    """CPU seconds and megabytes of the best of some runs. The output goes to a pipe that somebody reads."""
    runs = []
    for _ in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _MEASURED, *argv],
            cwd=root,
            env={**scratch.environment(), **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        while process.stdout.read(1 << 20):
            pass
        cpu, memory = process.stderr.read().split()
        process.wait()
        process.stdout.close()
        process.stderr.close()
        runs.append((float(cpu), int(memory) // 1024))
    return min(cpu for cpu, _ in runs), min(memory for _, memory in runs)


def fill(root: Path, finished: int, queued: int) -> None:
    """Put that many jobs into the spool of the project at ``root``.

    Another process makes them, because a child's largest resident set is never below that of its parent at the fork.
    """
    argv = [sys.executable, "-m", "benchmarks.large", str(root / ".wf" / "spool"), str(finished), str(queued)]
    subprocess.run(argv, check=True)


def make(root: Path, finished: int, queued: int) -> None:
    """Steps of plans that have ended, and jobs outside plans that wait: files as the queue writes them, unsynced."""
    from wf_cli import clock
    from wf_cli.contract.event import Event
    from wf_cli.contract.failure import Failure
    from wf_cli.contract.identity import Target
    from wf_cli.contract.job import Disposition, End, Outcome, Spec
    from wf_cli.spool import layout

    spool = layout.open_spool(root)
    names = [f"shell-box1-{n:08x}.jsonl" for n in range(_SESSIONS)]
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(open(spool.path("log", name), "w", encoding="utf-8")) for name in names]
        for n in range(finished + queued):
            created, nonce = _SINCE_MS + n * _EVERY_MS, f"{n:016x}"
            if n < finished:
                job_id, role, runtime = _step_id(n), "plan-coder", "shell"
                target = Target(str(100 + n), 0, "code", role, epic_id="01")
                spec = Spec(job_id, target.dedupe_key, nonce, created, role, runtime, target)
            else:
                job_id, role, runtime = _own_id(n), "other", "elsewhere"
                spec = Spec(job_id, f"key:{job_id}", nonce, created, role, runtime)
            token, folder = spec.token(created), "queued"
            owner, ended = f"shell-box1-{n % _SESSIONS:08x}", created + 60_000
            facts = {"job_id": job_id, "runtime": runtime, "role": role, "host": "box1", "pid": 4711}
            events: list[tuple[str, int, dict[str, object]]] = [("job.enqueued", created, {})]
            if n < finished:
                facts |= {"epic_id": "01", "plan_id": str(100 + n)}
                dead = n % 20 == 0
                folder, end = ("dead", End.FAILED) if dead else ("done", End.SUCCEEDED)
                failure = Failure(("crashed", "gate_failed", "timeout")[n // 20 % 3], "it did") if dead else None
                outcome = Outcome(
                    job_id, 1, owner, owner, f"{n:016x}", end, int(dead), Disposition(folder, ended), ended,
                    failure=failure, started_ms=created + 1000, runtime=runtime,
                )  # fmt: skip
                _write(spool.outcome_path(job_id, 1), outcome.encode())
                token = token.claimed_by(owner)
                token = replace(token.finished("failed" if dead else "succeeded", burned=int(dead)), time_ms=ended)
                took: dict[str, object] = {"attempt": 1, "owner": owner}
                events += [
                    ("job.claimed", created + 900, {**took, "from": "queued", "to": "claimed"}),
                    ("job.started", created + 1000, {**took, "from": "claimed", "to": "running"}),
                    ("job.dead" if dead else "job.succeeded", ended, {**took, "from": "running", "to": folder}),
                ]
            _write(spool.spec_path(job_id), spec.encode())
            os.link(spool.spec_path(job_id), spool.path(folder, token.name))
            for event, ts, more in events:
                logs[n % _SESSIONS].write(Event(clock.iso(ts), event, facts | more).line() + "\n")


def _step_id(n: int) -> str:
    return f"e01-p{100 + n}-i0-code-plan-coder"


def _own_id(n: int) -> str:
    return f"item-{n:07d}"


def _write(path: Path, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
