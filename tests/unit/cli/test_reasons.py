"""`--reason` and `--spool` on every command that changes jobs, and the reason in the event of the change."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.projects import Cli, make_epic, make_session
from support.spools import run_one
from support.views import make_late
from wf_cli.app import App
from wf_cli.cli.flow.epic_arguments import USAGES
from wf_cli.cli.frame import registry, typer_app
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool
from wf_cli.eventlog.read import read
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest

POOL = Pool("linter", "shell")
WHY = "because the moon is full"

#: Commands that change nothing.
LOOKS = {
    *"spool ls,spool show,spool path,dead ls,dead show,dead-letter ls,dead-letter show,late ls,late show".split(","),
    *"explain,logs,events,stats,trace,doctor,completion,config show,config check,config schema".split(","),
    "epic plans show",
}
#: Commands whose change is of no job, or has its reason elsewhere.
WITHOUT = {
    "config set": "changes wf.config",
    "config unset": "changes wf.config",
    "config init": "changes wf.config",
    "config migrate": "changes wf.config",
    "approve": "the text that is approved is the reason",
    "reject": "has a reason of its own, which the planner is told",
    "integrate": "the plan's branch, or what keeps it out, is the reason",
    "plan renumber": "changes a plan's number",
    "epic renumber": "changes an epic's number",
    "epic plans set": "declares plans",
    "spool verify": "each finding is the reason of its repair",
    "dispatch": "the phase of a plan is the reason of its job",
    "demo": "a project of its own",
    "mcp": "the verbs of wf job",
    "job next": "takes a job",
    "job heartbeat": "changes no job",
    "job finish": "has --result",
    "job fail": "has --message",
    "notify test": "changes no job",
}


class Jobs(Cli):
    """`wf`, and the spool that it works on."""

    @property
    def app(self) -> App:
        return App(self.root, os.environ)

    @property
    def queue(self) -> SpoolQueue:
        return self.app.queue(self.app.create_spool())

    def enqueue(self, key: str = "a") -> None:
        self.json("enqueue", "--role", "linter", "--runtime", "shell", "--key", key)

    def end(self, ending: Ending) -> None:
        self.queue.end(run_one(self.queue, "w-box-1", POOL), ending, by="w-box-1")

    def die(self) -> None:
        """A dead letter called ``a``."""
        self.enqueue()
        self.end(Ending(End.FAILED, failure=Failure("invalid_spec", "no")))

    def reasons(self, kind: str) -> list[str]:
        """The reasons of all events of a kind, so far."""
        events = read(self.app.create_spool().folder("log"))
        return [str(event.facts.get("reason")) for event in events if event.event == kind]


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Jobs:
    for name in [name for name in os.environ if name.startswith("WF_")]:
        monkeypatch.delenv(name)
    (tmp_path / "wf.config.yaml").write_text("mode: distributed\n")
    return Jobs(tmp_path, monkeypatch, capsys)


def leaves(name: str, command: Any) -> Iterator[tuple[str, set[str]]]:
    """The commands below ``command`` by their whole names, with the options of each."""
    subcommands = getattr(command, "commands", {})
    if not subcommands:
        yield name, {option for parameter in command.params for option in parameter.opts}
    for inner, subcommand in subcommands.items():
        yield from leaves(f"{name} {inner}", subcommand)


ALL = {
    name: options
    for entry in registry.COMMANDS.values()
    if entry.typer_module is not None or not entry.contract
    for name, options in leaves(entry.name, typer_app.application().get_command(None, entry.name))
}


def held(wf: Jobs) -> None:
    wf.enqueue()
    wf.json("hold", "a")


def late(wf: Jobs) -> None:
    wf.enqueue()
    make_late(wf.queue, run_one(wf.queue, "w-box-1", POOL), answer=42)


def finished_epic(wf: Jobs) -> None:
    make_epic(wf.root)
    target = Target("01", 0, "code", "linter", "01")
    wf.queue.enqueue(JobRequest(role="linter", runtime="shell", target=target))
    wf.end(Ending(End.SUCCEEDED))


def in_hand(wf: Jobs) -> None:
    wf.enqueue()


def nothing(wf: Jobs) -> None:
    wf.app.create_spool()


Preparation = Callable[[Jobs], None]
#: Command -> what has to be there, its arguments, and the event that has the reason.
CHANGES: dict[str, tuple[Preparation, tuple[str, ...], str]] = {
    "enqueue": (nothing, ("--role", "linter", "--runtime", "shell", "--key", "k"), "job.enqueued"),
    "hold": (Jobs.enqueue, ("a",), "job.held"),
    "release": (held, ("a",), "job.released"),
    "cancel": (Jobs.enqueue, ("a",), "job.cancelled"),
    "retry": (Jobs.die, ("a",), "job.retried"),
    "dead redrive": (Jobs.die, ("a",), "job.retried"),
    "dead purge": (Jobs.die, ("a",), "job.archived"),
    "dead-letter redrive": (Jobs.die, ("a",), "job.retried"),
    "dead-letter purge": (Jobs.die, ("a",), "job.archived"),
    "late apply": (late, ("a",), "job.succeeded"),
    "late discard": (late, ("a",), "attempt.late"),
    "spool gc": (Jobs.die, ("--older", "0s"), "spool.cleaned"),
    "spool purge": (finished_epic, ("--epic", "1"), "spool.cleaned"),
    "pause": (nothing, (), "pool.paused"),
    "resume": (nothing, (), "pool.resumed"),
    "worker": (nothing, ("drain", "all"), "worker.draining"),
}
#: Tested with agents: tests/e2e/test_editor_worker.py.
ELSEWHERE = {"job release"}


def test_every_command_is_known_to_change_jobs_or_not_to() -> None:
    assert set(ALL) == LOOKS | set(WITHOUT) | set(CHANGES) | ELSEWHERE


@pytest.mark.parametrize("name", sorted({*CHANGES, *ELSEWHERE}))
def test_what_changes_jobs_takes_a_reason_and_a_spool(name: str) -> None:
    assert {"--reason", "--spool", "--json"} <= ALL[name]


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_the_reason_stands_in_the_event(wf: Jobs, name: str) -> None:
    prepare, words, kind = CHANGES[name]
    prepare(wf)
    spool = str(wf.app.spool_root)
    wf.json(*name.split(), *words, "--reason", WHY, "--spool", spool)
    assert WHY in wf.reasons(kind)[-1]


@pytest.mark.parametrize("action", ["run", "resume", "stop"])
def test_an_epic_is_steered_with_a_reason_and_a_spool_in_distributed_mode(wf: Jobs, action: str) -> None:
    assert "--reason TEXT" in USAGES[action]
    make_session(wf.root)
    assert wf("init")[0] == 0
    make_epic(wf.root, scope="- Plan 1: one\n")
    other = ("--spool", "elsewhere/spool")
    before = {"run": [], "resume": ["run", "stop"], "stop": ["run"]}[action]
    for step in before:
        wf.json("epic", step, "1", *other)
    wf.json("epic", action, "1", "--reason", WHY, *other)
    events = read(wf.root / "elsewhere" / "spool" / "log")
    kind = {"run": "epic.started", "resume": "epic.resumed", "stop": "epic.stopped"}[action]
    assert [event.facts.get("reason") for event in events if event.event == kind] == [WHY]
    assert not (wf.root / ".wf" / "spool").exists()


@pytest.mark.parametrize("option", ["--reason", "--spool"])
def test_with_the_mode_off_the_contract_knows_no_such_option(wf: Jobs, option: str) -> None:
    (wf.root / "wf.config.yaml").unlink()
    make_session(wf.root)
    make_epic(wf.root, scope="- Plan 1: one\n")
    code, _, err = wf("epic", "stop", "1", option, "x")
    assert (code, f"unknown option: {option}" in err) == (1, True)


def test_a_list_of_late_results_says_that_it_is_empty(wf: Jobs) -> None:
    nothing(wf)
    assert wf("late", "ls") == (0, "", "no late results\n")
    assert wf.json("late", "ls")["late"] == []
