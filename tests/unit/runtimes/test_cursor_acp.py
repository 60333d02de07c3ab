"""Cursor over ACP: what stands before ``acp``, which model, and when a login is tried.

The agent is the stand-in of tests/support/acp_agent.py. Every run of `Bench` also checks that no process with the
attempt's mark is left.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support import forked_launchers
from support.acp_agent import KNOWN, SESSION
from support.runs import SUPPORT, Bench, Outcome, request_for
from wf_cli.contract.failure import ErrorClass
from wf_cli.runtimes.base import Launch, Limits, Request, RuntimeSettings
from wf_cli.runtimes.cursor.adapter import CursorAdapter
from wf_cli.runtimes.permissions import Permissions

STAND_IN = (sys.executable, str(SUPPORT / "acp_agent.py"))
LONG = Limits(startup_s=60, stall_s=60, max_runtime_s=90, grace_s=1.5)


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    forked_launchers.install(monkeypatch)


def program(folder: Path, version: str) -> str:
    path = folder / version
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return str(path)


def launch(
    root: Path,
    version: str = "2026.09.18-0fa4e11",
    *,
    permissions: Permissions | None = None,
    options: dict[str, Any] | None = None,
    **facts: Any,
) -> Launch:
    settings = RuntimeSettings(
        "cursor",
        "cursor",
        command=(program(root, version),),
        protocol="acp",
        options=options or {},
        permissions=permissions or Permissions(),
    )
    return CursorAdapter(settings).launch(request_for(root, "m", **facts))


def job(found: Launch) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(found.stdin)
    return value


class TestCommand:
    def test_everything_stands_before_acp(self, tmp_path: Path) -> None:
        found = launch(tmp_path, model="gpt-5.3-codex", options={"args": ["-e", "https://x"], "mode": "agent"})
        flags = ["--approve-mcps", "--trust", "--force", "--model", "gpt-5.3-codex", "-e", "https://x", "acp"]
        assert job(found)["command"][1:] == flags
        assert (job(found)["choose"], job(found)["prefer"]) == ({"mode": "agent"}, {"model": "gpt-5.3-codex"})
        assert found.environment["PWD"] == str(tmp_path)
        assert found.environment["NO_OPEN_BROWSER"] == "1"

    def test_nothing_is_forced_where_something_is_denied(self, tmp_path: Path) -> None:
        denying = Permissions(deny=("execute:git push*",))
        assert job(launch(tmp_path, permissions=denying))["command"][1:] == ["--approve-mcps", "--trust", "acp"]

    def test_builds_that_refused_to_trust_outside_of_print_are_not_asked_to(self, tmp_path: Path) -> None:
        assert job(launch(tmp_path, "2026.05.28-a70ca7c"))["command"][1:] == ["--approve-mcps", "--force", "acp"]
        assert "--trust" in job(launch(tmp_path, "wrapper"))["command"]

    def test_a_model_by_its_name_of_acp_is_for_the_session_alone(self, tmp_path: Path) -> None:
        name = "gpt-5.3-codex[reasoning=medium,fast=false]"
        found = job(launch(tmp_path, model=name))
        assert "--model" not in found["command"]
        assert (found["choose"], found["prefer"]) == ({"model": name}, {})

    @pytest.mark.parametrize("key", ["CURSOR_API_KEY", "CURSOR_AUTH_TOKEN"])
    def test_with_a_key_nobody_logs_in(self, tmp_path: Path, key: str) -> None:
        assert job(launch(tmp_path, environment={key: "k"}))["auth_method"] is None
        assert job(launch(tmp_path))["auth_method"] == "cursor_login"


# -- with an agent


class Hurried(CursorAdapter):
    """Waits two seconds for a login."""

    def launch(self, request: Request) -> Launch:
        found = super().launch(request)
        return replace(found, stdin=json.dumps({**job(found), "auth_limit_s": 2}).encode())


def run(bench: Bench, told: dict[str, Any] | None = None, **facts: Any) -> Outcome:
    settings = RuntimeSettings("cursor", "cursor", command=STAND_IN, protocol="auto")
    variables = {
        "WF_FAKE_ACP": json.dumps(told or {}),
        "WF_FAKE_ACP_NOTES": str(bench.root / "notes"),
        "PYTHONPATH": str(SUPPORT.parent),
        **facts.pop("environment", {}),
    }
    return bench.run(Hurried(settings), environment=variables, limits=LONG, **facts)


def asked(bench: Bench) -> list[str]:
    """What the agent was asked, in order."""
    lines = (bench.root / "notes").read_text().splitlines()
    return [note["what"] for note in map(json.loads, lines)]


def test_a_turn_over_acp(bench: Bench) -> None:
    outcome = run(bench, prompt="do it", model="gpt-5.3-codex")
    verdict = outcome.result.verdict
    assert (verdict.failure, verdict.session_id, verdict.summary) == (None, SESSION, "All done.")
    assert asked(bench) == ["start", "new", "prompt"]  # a model it knows by another name is no error


def test_a_model_that_the_session_offers_by_this_very_name_is_set_too(bench: Bench) -> None:
    assert run(bench, model="large").code is None
    assert asked(bench) == ["start", "new", "option", "prompt"]


def test_a_session_goes_on_with_what_is_new(bench: Bench) -> None:
    assert run(bench, prompt="all", resume=KNOWN, resume_prompt="T2").result.verdict.session_id == KNOWN
    assert '"text": "T2"' in (bench.root / "notes").read_text()


class TestLogin:
    def test_it_is_not_tried_where_none_is_needed(self, bench: Bench) -> None:
        assert run(bench).code is None
        assert "authenticate" not in asked(bench)

    def test_it_is_tried_when_the_session_is_refused(self, bench: Bench) -> None:
        assert run(bench, {"login": "ok"}).code is None
        assert asked(bench) == ["start", "new", "authenticate", "new", "prompt"]

    def test_a_session_to_resume_waits_for_it_too(self, bench: Bench) -> None:
        outcome = run(bench, {"login": "ok"}, resume=KNOWN)
        assert (outcome.code, outcome.result.verdict.session_id) == (None, KNOWN)

    @pytest.mark.parametrize(("how", "said"), [("hangs", "had not ended after 2 s"), ("fails", "Invalid params")])
    def test_one_that_nobody_completes_parks_the_pool(self, bench: Bench, how: str, said: str) -> None:
        begin = time.monotonic()
        failure = run(bench, {"login": how}).result.verdict.failure
        assert failure is not None
        assert (failure.code, failure.error_class) == ("auth", ErrorClass.PARKED)
        assert said in failure.message
        assert time.monotonic() - begin < 40

    def test_a_key_that_is_not_accepted_opens_no_login(self, bench: Bench) -> None:
        outcome = run(bench, {"login": "hangs"}, environment={"CURSOR_API_KEY": "sesame-open-4711"})
        assert outcome.code == "auth"
        assert "authenticate" not in asked(bench)


def test_a_model_that_ends_the_program_is_found_in_its_last_words(bench: Bench) -> None:
    path = bench.root / "cursor-agent"
    path.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo 2026.09.18-abc && exit\n'
        'echo "Cannot use this model: nope. Available models: auto" >&2\nexit 1\n'
    )
    path.chmod(0o755)
    settings = RuntimeSettings("cursor", "cursor", command=(str(path),), protocol="auto")
    assert bench.run(CursorAdapter(settings), limits=LONG, model="nope").code == "model_not_found"
