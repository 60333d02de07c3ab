"""``--log-file`` becomes FILE.1 when it is large, and no line is lost between several writers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.clock import FakeClock
from wf_cli.cli.frame.log_lines import KEPT, LogLines


def lines(folder: Path) -> list[str]:
    """The last word of each line of all files."""
    return [line.split()[-1] for path in folder.iterdir() for line in path.read_text().splitlines()]


def test_a_large_file_becomes_the_first_of_the_older_ones_and_five_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "w.log"
    log = LogLines(file, as_json=False, clock=FakeClock(), size=100)
    for n in range(40):
        log.say(f"line-{n:02d}")
    names = {"w.log", *(f"w.log.{n + 1}" for n in range(KEPT))}
    assert names - set(os.listdir(tmp_path)) <= {"w.log"}, "the last line may have ended its file"
    assert set(os.listdir(tmp_path)) <= names
    kept = sorted(lines(tmp_path))
    assert kept == [f"line-{n:02d}" for n in range(40)][-len(kept) :]
    assert max(lines_of(file.with_name("w.log.2"))) < min(lines_of(file.with_name("w.log.1")))


def lines_of(path: Path) -> list[str]:
    return [line.split()[-1] for line in path.read_text().splitlines()]


def test_several_processes_rotate_one_file_and_lose_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from wf_cli.clock import SystemClock;"
        "from wf_cli.cli.frame import log_lines; log_lines.KEPT = 1000;"
        "log = log_lines.LogLines(Path(sys.argv[1]), as_json=False, clock=SystemClock(), size=500);"
        "[log.say(f'{sys.argv[2]}-{n}') for n in range(200)]"
    )
    runs = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "w.log"), f"p{k}"]) for k in range(4)]
    assert [run.wait(timeout=60) for run in runs] == [0] * 4
    assert sorted(lines(tmp_path)) == sorted(f"p{k}-{n}" for k in range(4) for n in range(200))


def test_a_file_that_cannot_be_renamed_only_grows(tmp_path: Path) -> None:
    file = tmp_path / "w.log"
    log = LogLines(file, as_json=False, clock=FakeClock(), size=50)
    for n in range(KEPT):
        (tmp_path / f"w.log.{n + 1}" / "full").mkdir(parents=True)
    for n in range(5):
        log.say(f"line-{n}")
    assert lines_of(file) == [f"line-{n}" for n in range(5)]
