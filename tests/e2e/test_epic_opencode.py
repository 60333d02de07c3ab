"""The main job with the real OpenCode: an epic on two workers, its coder and fixer driven by a scripted model.

Cursor is the stand-in of ``support/cursor_agent.py``; everything else is what a user runs. Needs the binary
that ``make opencode`` installs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.scripted_model_server import ScriptedModelServer
from support.wait import wait_until

pytestmark = [pytest.mark.opencode, pytest.mark.timeout(420)]

REPO = Path(__file__).parents[2]
OPENCODE = Path(os.environ.get("WF_TEST_OPENCODE") or REPO / ".cache/opencode/node_modules/.bin/opencode")
CURSOR = Path(__file__).parents[1] / "support" / "cursor_agent.py"
WF = Path(sys.executable).with_name("wf")

# The reviewer of the stand-in looks for work/<plan>/<item>.txt.
WORK = (
    "set -e; dir=work/$(basename plans/{{plan}}-*); mkdir -p $dir; "
    "for id in $(grep -oE '^- \\[ \\] \\[T[0-9]+\\]' plans/{{plan}}-*/todo.md | grep -oE 'T[0-9]+'); do "
    "date +%s%N >> $dir/$id.txt; "
    'wf todo implemented {{plan}} "$id" --test="test -s $dir/$id.txt" --output="exit 0"; done; '
    "git add work; git commit -qm 'work on plan {{plan}}'; echo worked"
)
SCRIPT: dict[str, Any] = {
    "models": ["scripted"],
    "no_tools": {"text": "A title"},
    "default": {"text": "Nothing to do."},
    "agents": [
        {
            "name": "coder or fixer",
            "prompt": r"You are the (?:coder|fixer) of plan (?P<plan>\d+)",
            "turns": [
                {
                    "text": "Working.",
                    "tool_calls": [{"name": "bash", "arguments": {"command": WORK, "description": "Work"}}],
                },
                {
                    "expect": "worked",
                    "tool_calls": [
                        {
                            "name": "bash",
                            "arguments": {"command": "wf finish-code {{plan}}", "description": "Hand over"},
                        }
                    ],
                },
                {"expect": "awaiting_review", "text": "Plan {{plan}} is handed over."},
            ],
        }
    ],
}


@pytest.fixture
def model() -> Iterator[ScriptedModelServer]:
    if not OPENCODE.exists():
        pytest.skip(f"the real OpenCode is not installed at {OPENCODE}: `make opencode` installs it")
    with ScriptedModelServer(SCRIPT) as server:
        yield server


def opencode_config(url: str) -> dict[str, Any]:
    model = {"name": "Scripted", "tool_call": True, "limit": {"context": 128000, "output": 8192}}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Scripted",
        "options": {"baseURL": url, "apiKey": "x"},
        "models": {"scripted": {**model, "cost": {"input": 1, "output": 2}}},
    }
    return {
        "model": "scripted/scripted",
        "small_model": "scripted/scripted",
        "share": "disabled",
        "snapshot": False,
        "lsp": False,
        "formatter": False,
        "enabled_providers": ["scripted"],
        "provider": {"scripted": provider},
    }


class Checkout:
    """A fresh repository, with `wf` on PATH and homes of its own for every program."""

    def __init__(self, root: Path, home: Path, url: str):
        self.root = root
        home.mkdir()
        root.mkdir()
        self.environ = {
            "PATH": f"{WF.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "WF_FAKE_CURSOR_OPTIONS": json.dumps({"reject_once": ["02"]}),
            "OPENCODE_CONFIG_CONTENT": json.dumps(opencode_config(url)),
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            "OPENCODE_EXPERIMENTAL_DISABLE_FILEWATCHER": "1",
            **{f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")},
            **{
                f"GIT_{who}_{what}": value
                for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", "t"), ("EMAIL", "t@example.invalid"))
            },
        }
        self.workers: list[subprocess.Popen[bytes]] = []

    def run(self, *argv: str | Path, timeout: float = 60, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in argv],
            cwd=self.root,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def wf(self, *words: str, **more: Any) -> str:
        done = self.run(WF, *words, **more)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def start_worker(self, runtime: str) -> subprocess.Popen[bytes]:
        with open(self.root.parent / f"{runtime}.log", "ab") as log:
            worker = subprocess.Popen(
                [WF, "worker", "--runtime", runtime, "--watch"],
                cwd=self.root,
                env={**self.environ, "WF_DISTRIBUTED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            worker.wait(timeout=60)


@pytest.fixture
def checkout(tmp_path: Path, model: ScriptedModelServer) -> Iterator[Checkout]:
    there = Checkout(tmp_path / "repo", tmp_path / "home", model.url)
    config = f"""\
version: 1
retry: {{backoff: {{base: 1s, cap: 2s}}}}
runtimes:
  opencode: {{adapter: opencode, command: ["{OPENCODE}"]}}
  cursor: {{adapter: cursor, command: ["{sys.executable}", "{CURSOR}"]}}
"""
    (there.root / "wf.config.yaml").write_text(config)
    there.run("git", "init", "-q")
    there.wf("init")
    there.wf("set-model", "gpt-5.2")
    there.wf("epic", "create", "Two things")
    epic = next((there.root / "epics").iterdir()) / "epic.md"
    epic.write_text("# Epic: Two things\n\n## Goal\n\nBoth.\n\n## Scope\n\n- Plan 1: First\n- Plan 2: Second\n")
    there.run("git", "add", "-A")
    there.run("git", "commit", "-qm", "start")
    yield there
    there.close()


def jobs_of(checkout: Checkout) -> dict[str, dict[str, Any]]:
    document = json.loads(checkout.wf("spool", "ls", "--json", WF_DISTRIBUTED="1"))
    return {job["job_id"]: job for job in document["jobs"]}


def test_an_epic_of_two_plans_completes_on_both_pools(checkout: Checkout) -> None:
    for runtime in ("cursor", "opencode"):
        checkout.start_worker(runtime)
    done = checkout.run(WF, "epic", "run", "01", "--follow", timeout=360, WF_DISTRIBUTED="1")
    logs = "".join((checkout.root.parent / f"{r}.log").read_text() for r in ("cursor", "opencode"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    jobs = jobs_of(checkout)
    assert {job["status"] for job in jobs.values()} == {"succeeded"}
    under = {"orchestrator": "cursor", "plan-reviewer": "cursor", "plan-coder": "opencode", "plan-fixer": "opencode"}
    assert all(job["runtime"] == under[job["role"]] for job in jobs.values())
    assert "e01-p02-i0-fix-plan-fixer" in jobs, "the rejected plan went through the fix loop"
    history = checkout.run("git", "log", "--oneline").stdout
    assert "work on plan 01" in history
    assert "work on plan 02" in history
    rounds = [len(path.read_text().split()) for path in (checkout.root / "work").glob("02-*/*.txt")]
    assert sorted(rounds)[-1] == 2, "the rejected item was worked on twice"
    assert json.loads(checkout.wf("spool", "verify", "--json"))["findings"] == []
    assert json.loads(checkout.wf("epic", "status", "01", "--json"))["epic_phase"] == "completed"


def test_i1_the_job_of_a_killed_worker_completes_on_attempt_2(checkout: Checkout) -> None:
    checkout.start_worker("cursor")
    first = checkout.start_worker("opencode")
    follower = subprocess.Popen(
        [WF, "epic", "run", "01", "--follow", "--json"],
        cwd=checkout.root,
        env={**checkout.environ, "WF_DISTRIBUTED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        running = checkout.root / ".wf" / "spool" / "running"
        wait_until(lambda: running.is_dir() and any("-code-" in n for n in os.listdir(running)), 120)
        first.kill()
        first.wait()
        checkout.start_worker("opencode")
        out, _ = follower.communicate(timeout=300)
    finally:
        if follower.poll() is None:
            follower.kill()
            follower.communicate()
    assert follower.returncode == 0, out
    assert json.loads(out)["end"] == "completed"
    assert jobs_of(checkout)["e01-p01-i0-code-plan-coder"]["attempt"] == 2
