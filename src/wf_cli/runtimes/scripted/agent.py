"""The agent of the ``scripted`` runtime: ``python -m wf_cli.runtimes.scripted.agent``.

The agent does the work of a prompt (see `wf_cli.planjobs.prompts`) in the same way each time. An epic is split into a
few plans. A plan gets a text and a todo list. An open item gets a file in ``work/<plan>/``, a commit and its
evidence. A review accepts items that have a file. It reads ``WF_JOB_ID``, ``WF_ATTEMPT``, ``WF_ROOT`` and its options
(see `adapter`) from the environment, and changes plans only through ``wf`` itself, as any agent does.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wf_cli import git
from wf_cli.contract.identity import Target, target_of
from wf_cli.runtimes.scripted import splitting

#: ``wf``'s exit code for a superseded attempt, which must stop its work.
SUPERSEDED = 4


class _GivenUp(Exception):
    """A step failed; the code is the agent's exit code."""

    def __init__(self, message: str, code: int = 1):
        super().__init__(message)
        self.code = code


def print_line(kind: str, **facts: Any) -> None:
    """One line for the reader."""
    print(json.dumps({"type": kind, **facts}), flush=True)


class ScriptedAgent:
    """One attempt. ``say`` gets each line's type and facts (the tests' Cursor prints them in its own form)."""

    def __init__(
        self, environment: Mapping[str, str], options: Mapping[str, Any], say: Callable[..., None] = print_line
    ):
        self._say = say
        self._root = Path(environment["WF_ROOT"])
        self._job = environment["WF_JOB_ID"]
        self._attempt = int(environment.get("WF_ATTEMPT", "1"))
        self._options = options

    def run(self) -> int:
        """Do the job; the exit code."""
        self._say("session", id=f"scripted-{self._job}-a{self._attempt}"[:100])
        target = target_of(self._job)
        try:
            if target is None:
                self._own_job()
            else:
                self._fail_as_told(target.command)
                self._plan_step(target)
        except _GivenUp as error:
            self._say("error", code="crashed", message=str(error))
            return error.code
        if "usage" in self._options:
            self._say("usage", **self._options["usage"])
        self._say("result", text=f"{self._job} done")
        return 0

    def _own_job(self) -> None:
        payload = sys.stdin.read()
        self._say("text", text=f"payload of {len(payload)} characters: {payload[:80]}")

    def _split(self, target: Target) -> None:
        """Declare the plans that `splitting` makes of the epic's document."""
        epic = json.loads(self._wf("epic", "context", str(target.epic_id), "--json"))
        wanted = splitting.plans(epic["content"]["epic"], int(self._options.get("plans", 3)))
        self._wf("epic", "plans", "set", str(target.epic_id), "--from", "-", given=json.dumps(wanted))
        self._step(f"declared {len(wanted)} plans of epic {target.epic_id}")

    def _plan_step(self, target: Target) -> None:
        if target.plan_id is None:
            self._split(target)
            return
        context = json.loads(self._wf("context", target.plan, "--json", "--include", "plan,todo,review,state"))
        plan = _Plan(self._root / context["resolved_plan_dir"], context)
        match target.command:
            case "plan":
                self._write_plan(plan)
            case "code" | "fix":
                self._implement(plan, target)
            case "review":
                self._review(plan, target)
            case other:
                raise _GivenUp(f"nothing is scripted for {other}")

    def _write_plan(self, plan: _Plan) -> None:
        title = plan.title or plan.path.name.partition("-")[2].replace("-", " ") or plan.path.name
        if not plan.text("plan"):
            plan.write("plan.md", f"# {title}\n\nMake one text file for each item of the todo list.\n")
            self._step(f"wrote {plan.path.name}/plan.md")
        if not plan.items:
            count = self._options.get("items", 2)
            lines = [f"- [ ] [T{n}] Write part {n} of {title}" for n in range(1, count + 1)]
            plan.write("todo.md", "\n".join(lines) + "\n")
            self._step(f"wrote {plan.path.name}/todo.md with {count} items")

    def _implement(self, plan: _Plan, target: Target) -> None:
        for item in plan.items:
            if item["status"] != "pending":
                continue
            path = self._write_work(plan, item, target)
            check = f"test -s {shlex.quote(str(path))}"
            done = subprocess.run(["sh", "-c", check], cwd=self._root, check=False)
            if done.returncode != 0:
                raise _GivenUp(f"{check} failed")
            output = f"{path.name} has {(self._root / path).stat().st_size} bytes"
            self._wf("todo", "implemented", target.plan, item["id"], f"--test={check}", f"--output={output}")
            self._step(f"implemented {item['id']}")
            self._break_as_told(target.command)
        self._wf("finish-code", target.plan)

    def _write_work(self, plan: _Plan, item: Mapping[str, Any], target: Target) -> Path:
        path = Path("work", plan.path.name, f"{item['id']}.txt")
        file = self._root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as out:
            out.write(f"{target.command} {self._job} a{self._attempt}: {item['text']}\n")
        if (self._root / ".git").exists():
            who = ["-c", "user.name=wf scripted agent", "-c", "user.email=scripted@localhost"]
            self._git("add", "--", str(path))
            message = f"plan {target.plan}: {item['id']} ({target.command})"
            self._git(*who, "commit", "-q", "-m", message, "--", str(path))
        return path

    def _review(self, plan: _Plan, target: Target) -> None:
        rejects = target.plan in map(str, self._options.get("reject_once", ())) and plan.iteration == 0
        rejected = 0
        for item in plan.items:
            last = item is plan.items[-1]
            file = Path("work", plan.path.name, f"{item['id']}.txt")
            if (rejects and last) or not (self._root / file).is_file():
                reason = f"--reason=part {item['id']} needs a second look"
                self._wf("todo", "reject", target.plan, item["id"], reason)
                rejected += 1
                self._step(f"rejected {item['id']}")
            elif item["status"] != "accepted":
                plan.add_review_section(item["id"], file)
                self._wf("todo", "accept", target.plan, item["id"])
                self._step(f"accepted {item['id']}")
            self._break_as_told(target.command)
        if not rejected:
            self._wf("done", target.plan)

    def _wf(self, *arguments: str, given: str = "") -> str:
        """Output of a ``wf`` command of this very installation, with ``given`` as its input."""
        return self._run(sys.executable, "-P", "-m", "wf_cli", *arguments, given=given)

    def _run(self, *argv: str, given: str = "") -> str:
        shown = shlex.join(argv).replace(shlex.join([sys.executable, "-P", "-m", "wf_cli"]), "wf", 1)
        done = self._execute(argv, given.encode())
        self._say("tool", text=f"{shown} -> {done.returncode}")
        if done.returncode != 0:
            told = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
            code = SUPERSEDED if done.returncode == SUPERSEDED else 1
            raise _GivenUp(f"{shown}: exit {done.returncode}: {told[:500]}", code)
        return done.stdout.decode("utf-8", "replace")

    def _git(self, *arguments: str) -> None:
        """The hooks of the repository run, as for any agent's commit."""
        try:
            answer = git.ask(self._root, *arguments, hooks=True)
        except git.GitError as error:
            raise _GivenUp(error.message) from error
        shown = git.shown(arguments)
        self._say("tool", text=f"{shown} -> {answer.exit_code}")
        if answer.exit_code != 0:
            raise _GivenUp(f"{shown}: exit {answer.exit_code}: {answer.complaint}")

    def _execute(self, argv: Sequence[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end (the tests' agents have a quicker way to run ``wf``)."""
        return subprocess.run(argv, cwd=self._root, input=given, capture_output=True, check=False)

    def _step(self, text: str) -> None:
        self._say("text", text=text)
        time.sleep(float(self._options.get("delay", 0)))

    def _fail_as_told(self, command: str) -> None:
        fault = self._options.get("error", {}).get(command)
        if fault is not None and self._attempt <= int(fault.get("attempts", 1)):
            self._say("error", **{key: value for key, value in fault.items() if key != "attempts"})
            raise SystemExit(1)
        if command in ("plan", "split"):
            self._break_as_told(command)

    def _break_as_told(self, command: str) -> None:
        if self._attempt <= int(self._options.get("crash", {}).get(command, 0)):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._attempt <= int(self._options.get("hang", {}).get(command, 0)):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                signal.pause()


class _Plan:
    """A plan's directory and what ``wf context`` said about it."""

    def __init__(self, path: Path, context: Mapping[str, Any]):
        self.path = path
        self._content: Mapping[str, Any] = context["content"]
        self.title = str(context.get("title") or "")
        self.items: list[dict[str, Any]] = list(self._content.get("todo_lifecycle") or ())
        self.iteration = (self._content.get("state") or {}).get("iteration", 0)

    def text(self, name: str) -> str:
        return str(self._content.get(name) or "").strip()

    def write(self, name: str, text: str) -> None:
        part = self.path / f".{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(self.path / name)

    def add_review_section(self, item_id: str, file: Path) -> None:
        """Append the section that ``wf todo accept`` asks for, unless it is there."""
        path = self.path / "review.md"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if f"## {item_id}" in text.splitlines():
            return
        fields = "\n".join(f"- {name}: pass" for name in ("intent_match", "behavior_match", "test_adequacy"))
        section = f"## {item_id}\n\n{fields}\n- risk: low\n- code_refs: {file}:1\n"
        self.write("review.md", (text.rstrip("\n") or "# Review") + "\n\n" + section)


def main() -> None:
    from wf_cli.runtimes.scripted.adapter import OPTIONS_VARIABLE

    sys.exit(ScriptedAgent(os.environ, json.loads(os.environ.get(OPTIONS_VARIABLE) or "{}")).run())


if __name__ == "__main__":
    main()
