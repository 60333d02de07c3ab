"""Any program as a runtime."""

import sys
from pathlib import Path

import pytest

from support.runs import Bench, python, request_for
from wf_cli.errors import ConfigError
from wf_cli.runtimes.base import RuntimeSettings
from wf_cli.runtimes.command import CommandAdapter, fill


def test_placeholders_are_filled_inside_of_arguments_and_only_once(tmp_path: Path) -> None:
    request = request_for(tmp_path, "m", job_id="{role}", attempt=2, role="coder", plan_id="03", epic_id=None)
    filled = [
        fill(part, request)
        for part in ("--x={job_id}/{attempt}", "{plan_id}{epic_id}", "{other} {}", "$(id); {role}")
    ]
    assert filled == ["--x={role}/2", "03", "{other} {}", "$(id); coder"]


def test_a_program_gets_its_arguments_stdin_directory_and_environment(bench: Bench) -> None:
    code = "import os, sys; print(sys.argv[1:], sys.stdin.read(), os.getcwd(), os.environ['WF_ROLE'])"
    outcome = bench.run((*python(code), "a b", "{job_id}"), prompt="hi", environment={"WF_ROLE": "coder"})
    assert outcome.result.verdict.summary == f"['a b', 'j'] hi {bench.root} coder"


def test_a_program_of_the_checkout_is_found_there(bench: Bench) -> None:
    (bench.root / "agent.sh").write_text("#!/bin/sh\necho from the checkout\n")
    (bench.root / "agent.sh").chmod(0o755)
    assert bench.run(("./agent.sh",)).result.verdict.summary == "from the checkout"


def test_exit_code_75_asks_for_a_pause(bench: Bench) -> None:
    outcome = bench.run(("sh", "-c", "echo 'come back later' >&2; exit 75"))
    failure = outcome.result.verdict.failure
    assert failure is not None
    assert failure.code == "rate_limited"
    assert "come back later" in failure.message


def test_another_exit_code_is_a_failed_attempt_with_the_end_of_stderr(bench: Bench) -> None:
    failure = bench.run(("sh", "-c", "echo one >&2; echo two >&2; exit 3")).result.verdict.failure
    assert failure is not None
    assert failure.code == "crashed"
    assert failure.message == "exit code 3: two"
    assert failure.details == {"exit_code": 3, "stderr": "one\ntwo"}


def test_a_death_by_signal_is_named(bench: Bench) -> None:
    failure = bench.run(("sh", "-c", "kill -SEGV $$")).result.verdict.failure
    assert failure is not None
    assert failure.message == "killed by SIGSEGV"


def test_a_command_runtime_without_argv_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"runtimes\.shell\.argv"):
        CommandAdapter(RuntimeSettings("shell", "command", command=(sys.executable,)))
