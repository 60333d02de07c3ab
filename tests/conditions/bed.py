"""A project in which a condition is made, and the four commands that have to tell of it."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.box import HANG, Box
from support.running import Done, Running
from support.wait import wait_until
from wf_cli import proc

#: The commands that tell of a condition, by the names that the table uses.
EXPLAIN, DOCTOR, LS, WORKERS = "explain", "doctor", "ls", "workers"
ALL = (EXPLAIN, DOCTOR, LS, WORKERS)


class Bed(Box):
    """A box with a runtime ``shell`` for the role ``builder``, and the job ``j`` of that role."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        #: What `wf explain` is asked about.
        self.subject = "j"
        #: Whether `wf doctor` starts the agents.
        self.calls = False
        self._mounted: list[Path] = []

    def lay(self, script: str = "exit 0\n", **values: object) -> None:
        """The configuration and the job, which nobody works on."""
        self.shell(script, **values)
        self.enqueue("j")

    def waits_for_ever(self) -> str:
        """A script that ends when the test lets go of it."""
        return ': > "$N/started.$1.$2"; while [ ! -e "$N/end" ]; do sleep 0.02; done\n'

    def at_work(self, *options: str) -> Running:
        """A worker whose agent runs job ``j``."""
        worker = self.worker("shell", *options)
        self.noted("started.j.1")
        return worker

    def ask(self, command: str) -> Done:
        """One of the four commands, as a person runs it."""
        words = {
            EXPLAIN: ("explain", self.subject),
            DOCTOR: ("doctor",) if self.calls else ("doctor", "--no-call"),
            LS: ("spool", "ls"),
            WORKERS: ("worker", "ls"),
        }
        return self.wf(*words[command])

    def told(self, command: str) -> str:
        """All that the command says, in one line for each finding."""
        done = self.ask(command)
        assert "Traceback" not in done.text, done.text
        assert "internal error" not in done.text, done.text
        return f"{done.out}{done.err}"

    def shell_out(self, command: str) -> Done:
        """Run a command that a tool printed, in a shell, as a person who pastes it."""
        import subprocess

        done = subprocess.run(
            ["sh", "-c", command], cwd=self.root, env=self.environ, capture_output=True, text=True, timeout=HANG,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def follow(self, command: str) -> None:
        """Do what a tool printed. A worker that stays goes on in the background."""
        if command.startswith("wf worker") and "--watch" in command:
            self.start(*command.split()[1:])
            return
        done = self.shell_out(command)
        assert done.code == 0, f"{command}: {done.text}"

    def mount(self, path: Path, *options: str) -> None:
        """A small file system in memory at ``path``."""
        import subprocess

        path.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "none", str(path)], check=True)
        self._mounted.append(path)

    def edit(self, change: Callable[[dict[str, object]], None]) -> None:
        """Change wf.config.json as a person does."""
        path = self.root / "wf.config.json"
        value = json.loads(path.read_text(encoding="utf-8"))
        change(value)
        path.write_text(json.dumps(value), encoding="utf-8")

    def close(self) -> None:
        import subprocess

        try:
            super().close()
        finally:
            for path in reversed(self._mounted):
                subprocess.run(["umount", "-l", str(path)], check=True)


@dataclass(frozen=True)
class Condition:
    """One row: something that is wrong, who has to say so, and what repairs it."""

    name: str
    #: Breaks the project of a `Bed`.
    make: Callable[[Bed], None]
    #: A pattern that each of the commands in ``told`` has to match, or one for each command.
    words: str | Mapping[str, str]
    #: The command that repairs it, as a pattern. It is taken out of what ``source`` prints, and run. None where no
    #: command can repair it.
    repair: str | None = None
    source: str = EXPLAIN
    told: tuple[str, ...] = ALL
    #: What a person does besides, such as the edit that the text names.
    by_hand: Callable[[Bed], None] | None = None
    #: What marks the place of ``repair`` in a line, for sources that print several commands.
    marks: tuple[str, ...] = field(default=())
    needs_mounts: bool = False

    def words_of(self, command: str) -> str:
        return self.words if isinstance(self.words, str) else self.words[command]


def holds_mounts() -> bool:
    """Whether this process may mount."""
    return os.geteuid() == 0 and os.access("/proc/self/mountinfo", os.R_OK)


def command_in(text: str, pattern: str) -> str:
    """The command that fits ``pattern`` where a tool prints commands: after an arrow, ``next:`` or ``remedy:``, or
    between backticks."""
    found = [
        *re.findall(r"(?:->|next:|remedy:|error: .*hint:|hint:)\s+(.*)$", text, re.MULTILINE),
        *re.findall(r"`([^`]+)`", text),
    ]
    for words in found:
        match = re.match(pattern, words.strip())
        if match is not None:
            return match[0]
    raise AssertionError(f"no command like {pattern!r} is named in:\n{text}")


def check(bed: Bed, row: Condition) -> None:
    """Make the condition, see it told, repair it as told, and see that nobody tells of it any more."""
    row.make(bed)
    for command in row.told:
        said = bed.told(command)
        assert re.search(row.words_of(command), said), (
            f"wf {command} does not tell {row.words_of(command)!r}:\n{said}"
        )
    if row.repair is not None:
        bed.follow(command_in(bed.told(row.source), row.repair))
    if row.by_hand is not None:
        row.by_hand(bed)

    for command in row.told:

        def quiet(command: str = command) -> bool:
            return re.search(row.words_of(command), bed.told(command)) is None

        try:
            wait_until(quiet, HANG, f"{command} without {row.words_of(command)!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{bed.told(command)}\n{bed.story()}") from None


def signal_worker(worker: Running, number: int) -> None:
    """Send a signal to a worker. SIGKILL is waited for."""
    worker.signal(number)
    if number == signal.SIGKILL:
        wait_until(lambda: not proc.alive(worker.pid, None), HANG, "the worker's end")
