"""What commands need of the memory does not depend on the size of the files that they show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.spools import OTHER, make_spool, request, run_one, spool_queue
from wf_cli.clock import SystemClock, iso
from wf_cli.spool.layout import Spool

#: KiB that a command may take more for a huge file than for a small one.
ROOM = 48 * 1024
HUGE = 160 * 1024 * 1024


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A job ``big`` with one attempt, which has ended."""
    (tmp_path / "wf.config.json").write_text('{"version": 1, "mode": "distributed"}')
    spool = make_spool(tmp_path / ".wf" / "spool")
    queue = spool_queue(spool, SystemClock())
    queue.enqueue(request("big", OTHER))
    run_one(queue, "w-box-1", OTHER)
    return spool


def peak(spool: Spool, *words: str) -> tuple[int, int, bytes]:
    """The peak of the memory in KiB of a real command, how many bytes it printed, and the last of them."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(spool.root), "LANG": "C.UTF-8"}
    process = subprocess.Popen(
        [sys.executable, "-m", "wf_cli", *words],
        cwd=spool.root.parent.parent,
        env=environ,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    printed, last = 0, b""
    with process.stdout:
        while piece := process.stdout.read1(1 << 20):
            printed += len(piece)
            last = (last + piece)[-4096:]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, last
    return usage.ru_maxrss, printed, last


def many_lines(path: Path) -> None:
    with path.open("wb") as file:
        block = (b"x" * 4095 + b"\n") * 256
        for _ in range(HUGE // len(block)):
            file.write(block)


def one_line(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"the beginning ")
        file.truncate(1 << 30)


@pytest.mark.parametrize("options", [(), ("--json",), ("-f", "--attempt", "1")], ids=" ".join)
@pytest.mark.parametrize("fill", [many_lines, one_line])
def test_a_huge_transcript_is_streamed(spool: Spool, options: tuple[str, ...], fill: Callable[[Path], None]) -> None:
    """`wf logs` held the whole transcript in memory: 1 GB for 1 GiB."""
    queue = spool_queue(spool, SystemClock())
    queue.cancel("big", by="someone")
    path = spool.transcript_path("big", 1)
    path.write_bytes(b"small\n")
    small, _, _ = peak(spool, "logs", "big", *options)
    fill(path)
    huge, printed, last = peak(spool, "logs", "big", *options)
    assert huge - small < ROOM
    if fill is many_lines:
        assert printed >= HUGE
    else:
        assert printed < 16 * 1024 * 1024
        assert f"({(1 << 30) - (1 << 20)} bytes of this line are left out)".encode() in last


def test_huge_logs_are_streamed_in_order(spool: Spool) -> None:
    """All events of all sessions were in memory, with five times the size of their files."""
    small, _, _ = peak(spool, "spool", "show", "big", "--json")
    names, count = [f"w{n}-box-1" for n in range(8)], 15_000
    for number, name in enumerate(names):
        with spool.path("log", f"{name}.jsonl").open("w") as file:
            for n in range(count):
                at = n * len(names) + number
                stamp = iso(1_767_000_000_000 + 100 * at)
                fact = {"ts": stamp, "event": "job.enqueued", "job_id": f"j{at}", "reason": "r" * 400}
                file.write(json.dumps(fact) + "\n")
    for words in (("events", "--json"), ("logs", "big", "--events"), ("spool", "show", "big", "--json")):
        huge, _, last = peak(spool, *words)
        assert huge - small < 2 * ROOM, words
        if words[0] == "events":
            ids = [json.loads(line)["job_id"] for line in last.decode().splitlines()[1:]]
            assert ids == [f"j{at}" for at in range(len(names) * count - len(ids), len(names) * count)]
