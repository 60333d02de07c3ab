"""How long common commands take to start, as a ratio to `python -c "import typer"` of the same run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import scratch
from wf_cli.contract.token import Pool, Token
from wf_cli.spool.layout import Spool

ROUNDS = 9
#: Jobs that are done in the spool of the second figure of a plan command.
DONE = 50_000
_BASELINE = (sys.executable, "-c", "import typer")
_IMPLEMENTED = ("todo", "implemented", "01", "T1", "--test", "make check", "--output", "ok")
_ON = {"WF_DISTRIBUTED": "1"}


def run() -> Iterator[tuple[str, str]]:
    with scratch.project() as (app, spool):
        _fill(app.root)
        commands: dict[str, Sequence[str]] = {
            "wf --help": ("--help",),
            "wf context 01 --json": ("context", "01", "--json"),
            "wf todo list 01": ("todo", "list", "01"),
            "wf verify 01": ("verify", "01"),
            "wf spool ls": ("spool", "ls"),
            "wf spool ls --json": ("spool", "ls", "--json"),
        }
        # In turns, so that a slow second of the machine hits all of them.
        times: dict[str, list[float]] = {name: [] for name in ("baseline", *commands)}
        for _ in range(ROUNDS):
            times["baseline"].append(_time(_BASELINE, app.root))
            for name, words in commands.items():
                times[name].append(_time((*scratch.WF, *words), app.root))
        for name, done in (("nothing done", 0), (f"{DONE:,} jobs done", DONE)):
            _finish(spool, done)
            implemented = [_time((*scratch.WF, *_IMPLEMENTED), app.root, _ON) for _ in range(ROUNDS)]
            times[f"wf todo implemented 01 T1, mode on, {name}"] = implemented
        baseline = statistics.median(times.pop("baseline"))
    yield 'baseline: python -c "import typer"', f"{1000 * baseline:.0f} ms"
    for name, measured in times.items():
        median = statistics.median(measured)
        yield name, f"{median / baseline:.2f} x  ({1000 * median:.0f} ms)"


def _fill(root: Path) -> None:
    (root / "wf.config.yaml").unlink()  # as in most projects
    subprocess.run([*scratch.WF, "set-model", "gpt-5.2"], cwd=root, check=True, capture_output=True)
    subprocess.run([*scratch.WF, "plan", "A plan"], cwd=root, check=True, capture_output=True)
    (root / "plans" / "01-a-plan" / "todo.md").write_text("- [ ] [T1] an item\n")
    subprocess.run([*scratch.WF, "code", "01"], cwd=root, check=True, capture_output=True)


def _finish(spool: Spool, jobs: int) -> None:
    """That many jobs are done."""
    for n in range(jobs):
        job_id = f"p{n + 100}-i0-code-plan-coder"
        token = Token(5, 1_764_000_000_000, job_id, Pool("plan-coder", "opencode"), 1, 0, 3, status="succeeded")
        spool.path("done", token.name).touch()
        spool.spec_path(job_id).touch()


def _time(argv: Sequence[str], root: Path, more: Mapping[str, str] | None = None) -> float:
    begin = time.monotonic()
    environ = scratch.environment() | dict(more or {})
    subprocess.run(argv, cwd=root, env=environ, capture_output=True, check=False)
    return time.monotonic() - begin
