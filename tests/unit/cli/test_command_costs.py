"""What a person's command costs while the distributed mode is on: how often it looks, and at what.

Counted, not timed: listings of directories, loads of the configuration, token names parsed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.projects import Cli, make_epic, make_plan, make_session
from support.spools import make_spool, spool_queue
from support.stand_ins import stand_in
from wf_cli import app
from wf_cli.config import load
from wf_cli.contract import token
from wf_cli.contract.identity import target_of
from wf_cli.contract.token import Pool, Token
from wf_cli.queue.values import JobRequest

IMPLEMENTED = ("todo", "implemented", "01", "T1", "--test", "make check", "--output", "ok")
OPEN = "- [ ] [T1] first\n- [x] [T2] second\n"
MANY = 400
#: Is the spool in a synced folder, and is each of its folders a real one?
ABOVE = [".wf/spool", ".wf", ".", ".wf/spool"]


@dataclass
class Costs:
    """What one command did."""

    #: Folders of the project, relative to it: one entry for each time that one was listed.
    listed: list[str] = field(default_factory=list)
    #: The same of the spool's own folder and those above it, which are looked at for signs of a sync service.
    above: list[str] = field(default_factory=list)
    apps: int = 0
    loads: int = 0
    parsed: int = 0


@contextmanager
def counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Costs]:
    """Counts for the block, with empty caches as in a new process."""
    costs = Costs()

    def listing(real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(path: Any = ".", *rest: Any) -> Any:
            folder = Path(os.path.abspath(path))
            if folder.is_relative_to(root):
                name = str(folder.relative_to(root))
                (costs.above if name in ABOVE else costs.listed).append(name)
            return real(path, *rest)

        return wrapped

    def one_more(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            setattr(costs, name, getattr(costs, name) + 1)
            return real(*arguments, **options)

        return wrapped

    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", stand_in("listdir", listing(os.listdir)))
        patched.setattr(os, "scandir", stand_in("scandir", listing(os.scandir)))
        patched.setattr(app.App, "__init__", one_more("apps", app.App.__init__))
        patched.setattr(load, "load", one_more("loads", load.load))
        target_of.cache_clear()
        token.parse.cache_clear()
        yield costs
        costs.parsed = token.parse.cache_info().misses


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A project with a configuration, an epic that runs, and a spool."""
    make_session(tmp_path)
    (tmp_path / "wf.config.yaml").write_text("mode: distributed\n")
    make_epic(tmp_path, "\n- Plan 1: a\n", plan_ids=["01-a", "02-b"], orchestration={"status": "running"})
    make_plan(tmp_path, "02-b", phase="planning", todo="", plan="")
    make_spool(tmp_path / ".wf" / "spool")
    return Cli(tmp_path, monkeypatch, capsys)


def finished_jobs(root: Path, *own: str) -> None:
    """As many jobs that are done, and as many that are dead, as make a difference; and ``own``, which are done."""
    for n in range(MANY):
        for folder in ("done", "dead"):
            finished_job(root, f"p{n + 100}-i0-code-plan-coder" if n % 2 else f"own-{folder}-{n}", folder)
    for job_id in own:
        finished_job(root, job_id, "done")


def finished_job(root: Path, job_id: str, folder: str) -> None:
    status = "succeeded" if folder == "done" else "failed"
    name = Token(5, 1_764_000_000_000, job_id, Pool("plan-coder", "opencode"), 1, 1, 3, status=status).name
    spool_root = root / ".wf" / "spool"
    (spool_root / folder / name).write_text("{}")
    (spool_root / "jobs" / f"{job_id}.json").write_text("{}")


def run(wf: Cli, monkeypatch: pytest.MonkeyPatch, *words: str) -> Costs:
    with counted(wf.root, monkeypatch) as costs:
        code, out, err = wf(*words)
    assert code == 0, out + err
    return costs


def test_a_person_s_todo_implemented_looks_six_times_and_loads_the_configuration_once(
    wf: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plan(wf.root, "01-a", phase="coding", todo=OPEN)
    costs = run(wf, monkeypatch, *IMPLEMENTED)
    live = [f".wf/spool/{folder}" for folder in ("queued", "claimed", "running", "held", "queued")]
    assert costs.listed == ["plans", *live], "queued/ twice, for a job that goes back meanwhile"
    assert costs.above == ABOVE, "once for each time that the spool is opened"
    assert (costs.apps, costs.loads) == (1, 1)


#: Words after `wf`, the phase before, and how often folders are listed at the most. More than six are for a
#: reconcile, which lists the live jobs once more, then the dead ones, the plans and the epics.
COMMANDS: list[tuple[tuple[str, ...], str, int]] = [
    (IMPLEMENTED, "coding", 6),
    (("todo", "accept", "01", "T1"), "reviewing", 6),
    (("todo", "reject", "01", "T1"), "reviewing", 14),
    (("code", "01"), "planning", 6),
    (("finish-code", "01"), "coding", 14),
    (("review", "01"), "awaiting_review", 6),
    (("fix", "01"), "reviewing", 6),
    (("done", "01"), "reviewing", 14),
    (("epic", "run", "01"), "planning", 14),
]


@pytest.mark.parametrize(("words", "phase", "most"), COMMANDS, ids=[" ".join(words[:2]) for words, _, _ in COMMANDS])
def test_no_command_of_a_person_lists_or_parses_what_is_done(
    wf: Cli, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], phase: str, most: int
) -> None:
    make_plan(wf.root, "01-a", phase=phase, **({"todo": OPEN} if words[1] == "implemented" else {}))
    if words[0] == "epic":
        assert wf("init")[0] == 0
    finished_jobs(wf.root, *(["e01-p01-i0-code-plan-coder"] if phase != "planning" else []))
    costs = run(wf, monkeypatch, *words)
    finished = {f".wf/spool/{folder}" for folder in ("done", "archive", "jobs", "outcomes")}
    assert finished.isdisjoint(costs.listed)
    assert costs.listed.count(".wf/spool/dead") == (most > 6)
    assert len(costs.listed) <= most
    assert len(costs.above) <= 2 * len(ABOVE)
    assert costs.parsed < MANY
    assert (costs.apps, costs.loads) == (1, 1)


def test_without_a_wf_config_a_plan_command_loads_neither_configuration_nor_queue(tmp_path: Path) -> None:
    make_session(tmp_path)
    make_plan(tmp_path, "01-a", phase="coding", todo=OPEN)
    make_spool(tmp_path / ".wf" / "spool")
    heavy = {
        "wf_cli.config.load",
        "wf_cli.config.model",
        "wf_cli.queue",
        "wf_cli.eventlog",
        "typer",
        "yaml",
        "jsonschema",
    }
    code = (
        f"import sys; from wf_cli.cli.main import run; code = run({list(IMPLEMENTED)}, {{'WF_DISTRIBUTED': '1'}});"
        f" print(code, sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "0 []", done.stderr


def test_a_list_of_jobs_loads_no_reader_of_records_and_no_adapter(tmp_path: Path) -> None:
    """Not even for jobs that wait for a pool without a worker, whose program is looked for."""
    runtimes = "runtimes:\n  shell: {adapter: command, argv: [no-such-program]}\n"
    routing = "routing:\n  builder: {runtime: shell}\n"
    (tmp_path / "wf.config.yaml").write_text(f"version: 1\nmode: distributed\n{runtimes}{routing}")
    spool_queue(make_spool(tmp_path / ".wf" / "spool")).enqueue(JobRequest("builder", "shell", key="a"))
    heavy = {
        "wf_cli.contract.job",
        "wf_cli.contract.retry",
        "wf_cli.eventlog",
        "wf_cli.planjobs",
        "wf_cli.queue",
        "wf_cli.runtimes.base",
        "wf_cli.spool.records",
        "random",
        "tempfile",
        "jsonschema",
        "rich",
    }
    code = (
        "import sys; from wf_cli.cli.main import run; code = run(['spool', 'ls'], {});"
        f" print(code, sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "no-such-program is not on PATH" in done.stderr
    assert done.stderr.splitlines()[-1] == "0 []", done.stderr
