"""The command line that scripts rely on (cli_contract.yaml): every name, flag, JSON key and exit code is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.box import Box
from wf_cli.cli.frame import contract_help, registry, typer_app
from wf_cli.contract.lifecycle import Status

CONTRACT: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "cli_contract.yaml").read_text(encoding="utf-8"))


def command(name: str) -> Any:
    """The typer command called ``name``."""
    first, *rest = name.split()
    found = typer_app.application().get_command(None, first)
    for word in rest:
        found = found.commands[word]
    return found


def flags_of(name: str) -> Iterator[str]:
    """The flags that a command has to have; the groups of them are filled in."""
    for flag in CONTRACT["flags"][name]:
        yield from CONTRACT.get(flag, [flag])


@pytest.mark.parametrize("name", CONTRACT["flags"])
def test_every_command_has_its_flags_and_help(box: Box, name: str) -> None:
    has = {option for parameter in command(name).params for option in parameter.opts}
    assert set(flags_of(name)) <= has
    if name not in ("mcp", "demo", "config schema"):
        assert set(CONTRACT["everywhere"]) - {"--spool"} <= has
    help_text = box.ok(*name.split(), "--help", env={"WF_DISTRIBUTED": "1", "COLUMNS": "200"}).out
    hidden = {"--poll-ms", "--lease-ms"}
    if not name.startswith("config"):
        assert [flag for flag in flags_of(name) if flag not in help_text and flag not in hidden] == []


@pytest.mark.parametrize("name", CONTRACT["usage"])
def test_every_workflow_command_tells_its_flags(name: str) -> None:
    entry = registry.find(name.split()[0])
    assert entry is not None
    (usage,) = [line for line in contract_help.load(entry).usage if line.startswith(f"wf {name}")]
    assert [flag for flag in CONTRACT["usage"][name] if flag not in usage] == []


@pytest.fixture
def places(box: Box) -> dict[str, str]:
    """A spool with a job that succeeded and a dead one; what the table's placeholders stand for."""
    box.shell('case "$1" in dead) exit 1;; esac', retry={"max_attempts": 1})
    box.enqueue("done", "dead")
    box.wf("worker", "--runtime", "shell")
    assert (box.status("done"), box.status("dead")) == (Status.SUCCEEDED, Status.FAILED)
    lines = box.tmp / "lines.jsonl"
    lines.write_text('{"key": "l1"}\n{"key": "l2"}\n', encoding="utf-8")
    return {"done": "done", "dead": "dead", "lines": str(lines)}


def test_every_document_has_its_keys(box: Box, places: dict[str, str]) -> None:
    for row in CONTRACT["json"]:
        words = [str(word).format(**places) for word in row["run"]]
        document = box.ok(*words, "--json").document
        missing = {"ok", "schema_version", *row["keys"]} - set(document)
        assert not missing, words
        assert (document["ok"], document["schema_version"]) == (True, 1)


def test_jobs_leases_and_attempts_have_their_keys(box: Box, places: dict[str, str]) -> None:
    listed = box.ok("spool", "ls", "--json").document
    assert all(set(CONTRACT["job_keys"]) <= set(job) for job in listed["jobs"])
    assert {str(status) for status in Status} <= set(listed["counts"])
    shown = box.ok("spool", "show", places["dead"], "--json").document
    assert all(set(CONTRACT["attempt_keys"]) <= set(attempt) for attempt in shown["attempts"])
    box.enqueue("held-by-me")
    token = box.ok("job", "next", "--runtime", "shell", "--json").document["token"]
    lease = box.ok("spool", "show", "held-by-me", "--json").document["lease"]
    box.ok("job", "release", token)
    assert set(CONTRACT["lease_keys"]) <= set(lease)


@pytest.mark.parametrize("code", CONTRACT["exit_codes"])
def test_every_exit_code_is_one_of_a_real_command(box: Box, places: dict[str, str], code: int) -> None:
    words = CONTRACT["exit_codes"][code]
    if code == 1:
        plan = box.root / "plans" / "01-a"
        plan.mkdir(parents=True)
        (plan / "plan.md").write_text("# Plan\n\nDo it.\n")
        (plan / "todo.md").write_text("- [ ] [T1] one\n")
        (plan / "state.json").write_text(
            json.dumps({"phase": "planning", "iteration": 0, "created_at": "2021-01-02"})
        )
        box.configure(
            runtimes={"shell": {"adapter": "command", "argv": ["true"]}}, routing={"plan-coder": {"runtime": "shell"}}
        )
        box.ok("set-model", "gpt-5.2")
        box.ok("code", "01")
        places["token"] = box.ok("job", "next", "--runtime", "shell", "--json").document["token"]
    elif code == 5:
        (box.spool_root / "queued" / "5.garbage.json").write_text("{")
    elif code == 75:
        box.enqueue("waits")
        box.ok("pause")
    done = box.installed(*(str(word).format(**places) for word in words), "--json")
    if "token" in places:
        box.ok("job", "release", places["token"])
    assert done.code == code, done.text
    assert done.document["ok"] is (code == 0)
