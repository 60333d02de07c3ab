"""How long common commands take to start, as a ratio to `python -c "import typer"` of the same run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import scratch

ROUNDS = 9
_BASELINE = (sys.executable, "-c", "import typer")


def run() -> Iterator[tuple[str, str]]:
    with scratch.project() as (app, _):
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
        baseline = statistics.median(times.pop("baseline"))
    yield 'baseline: python -c "import typer"', f"{1000 * baseline:.0f} ms"
    for name, measured in times.items():
        median = statistics.median(measured)
        yield name, f"{median / baseline:.2f} x  ({1000 * median:.0f} ms)"


def _fill(root: Path) -> None:
    (root / "wf.config.yaml").unlink()  # as in most projects
    subprocess.run([*scratch.WF, "set-model", "gpt-5.2"], cwd=root, check=True, capture_output=True)
    subprocess.run([*scratch.WF, "plan", "A plan"], cwd=root, check=True, capture_output=True)


def _time(argv: Sequence[str], root: Path) -> float:
    begin = time.monotonic()
    subprocess.run(argv, cwd=root, env=scratch.environment(), capture_output=True, check=False)
    return time.monotonic() - begin
