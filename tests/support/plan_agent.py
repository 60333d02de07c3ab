#!/usr/bin/env python3
"""An agent for plan jobs that does the work like `scripted_agent` and misbehaves as told: ``plan_agent.py NOTES``.

Its folder of notes is where it reports to a test, and where it is told: ``behaviour.json`` is read at each start.

==============  ===================================================================================
``fail``        commands (``code``, ...) that end with exit code 1 before any work
``idle``        commands that end with exit code 0 without any work
``forget``      commands that do everything but ``wf finish-code`` (or ``wf done``)
``reject``      plans whose reviews reject the last item, always
``wait``        commands that wait before the work for the note ``go.<job>.a<attempt>``
``wait_after``  commands that wait after the work for the note ``end.<job>.a<attempt>``
``options``     of the scripted agent
==============  ===================================================================================

Notes it makes: ``start.<job>.a<attempt>`` (exclusively: the second start of one attempt makes ``double.*``),
``prompt.<job>.a<attempt>``, ``worked.<job>.a<attempt>``, ``end.*`` is the test's; ``overlap.*`` when another plan
was being worked on at the same time.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wf_cli.contract.identity import target_of
from wf_cli.runtimes.scripted.agent import ScriptedAgent

_WF = (sys.executable, "-P", "-m", "wf_cli")
#: What the commands of a plan's step import.
_PRELOADED = (
    *("wf_cli.cli.flow.context", "wf_cli.cli.flow.plan", "wf_cli.cli.flow.todo", "wf_cli.cli.flow.distributed_hooks"),
    *("wf_cli.cli.frame.contract_call", "wf_cli.cli.frame.contract_help", "wf_cli.app", "wf_cli.fencing"),
    *("wf_cli.config.mode", "wf_cli.locks", "wf_cli.spool.scan", "wf_cli.workflow.todo_commands"),
)


def forked_wf(words: Sequence[str], root: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a `wf` command in a fork of this process, which has this environment and so the attempt's mark."""
    from support.program import exit_code_of
    from wf_cli.cli import main as program

    for name in _PRELOADED:
        importlib.import_module(name)
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, open(os.devnull, "rb") as nothing:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for number, file in enumerate((nothing, out, err)):
                    os.dup2(file.fileno(), number)
                os.chdir(root)
                sys.argv = ["wf", *words]
                code = exit_code_of(program.main)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(words, os.waitstatus_to_exitcode(status), out.read(), err.read())


class PlanAgent(ScriptedAgent):
    """The scripted agent with a bad character."""

    def __init__(self, behaviour: dict[str, Any]):
        super().__init__(os.environ, behaviour.get("options", {}))
        self._behaviour = behaviour

    def _execute(self, argv: Sequence[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """A `wf` command is a fork of this process: starting a Python for each is most of what an agent takes."""
        forks = tuple(argv[:4]) == _WF and not given
        return forked_wf(argv[4:], self._root) if forks else super()._execute(argv, given)

    def _wf(self, *arguments: str, given: str = "") -> str:
        target = target_of(self._job)
        assert target is not None
        forgets = target.command in self._behaviour.get("forget", ())
        if forgets and arguments[0] in ("finish-code", "done"):
            return ""
        return super()._wf(*arguments, given=given)

    def _review(self, plan: Any, target: Any) -> None:
        if target.plan_id in self._behaviour.get("reject", ()):
            plan.iteration = 0
            self._options = {**self._options, "reject_once": [target.plan_id]}
        super()._review(plan, target)


def note(notes: Path, name: str, text: str) -> None:
    part = notes / f".{name}.{os.getpid()}.part"
    part.write_text(text, encoding="utf-8")
    part.replace(notes / name)


def await_note(notes: Path, name: str) -> None:
    while not (notes / name).exists():
        time.sleep(0.02)


@contextlib.contextmanager
def alone(notes: Path, plan_id: str, me: str) -> Iterator[None]:
    """Make a note of every other plan that is being worked on now. The kernel lets go of a killed agent's lock."""
    mine = notes / f"busy.{plan_id}.{me}"
    with open(mine, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        others = [path for path in notes.glob("busy.*") if not path.name.startswith(f"busy.{plan_id}.")]
        locked = [path.name for path in others if is_locked(path)]
        if locked:
            note(notes, f"overlap.{me}", "\n".join(locked))
        yield
        mine.unlink()


def is_locked(path: Path) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def main(notes: Path) -> int:
    behaviour = json.loads((notes / "behaviour.json").read_text(encoding="utf-8"))
    target = target_of(os.environ["WF_JOB_ID"])
    assert target is not None
    me = f"{os.environ['WF_JOB_ID']}.a{os.environ['WF_ATTEMPT']}"
    try:
        os.close(os.open(notes / f"start.{me}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        note(notes, f"double.{me}", "")
    note(notes, f"prompt.{me}", sys.stdin.read())
    note(notes, f"environment.{me}", json.dumps({k: v for k, v in os.environ.items() if k.startswith("WF_")}))
    with alone(notes, target.plan_id, me):
        if target.command in behaviour.get("wait", ()):
            await_note(notes, f"go.{me}")
        if target.command in behaviour.get("fail", ()):
            # Without a word it would be taken for one that its provider refused.
            print("Let me see.", flush=True)
            print("I cannot do this", file=sys.stderr)
            return 1
        if target.command in behaviour.get("idle", ()):
            print("All done, boss.")
            return 0
        code = PlanAgent(behaviour).run()
        note(notes, f"worked.{me}", str(code))
        if target.command in behaviour.get("wait_after", ()):
            await_note(notes, f"end.{me}")
    return code


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    sys.exit(main(Path(sys.argv[1])))
