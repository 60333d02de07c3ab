"""What denials bind, by runtime: the table of `wf_cli.doctor.denials`, and what `wf config check` makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.projects import Cli
from wf_cli.doctor import denials
from wf_cli.doctor.check import names_a_command
from wf_cli.runtimes import registry
from wf_cli.runtimes.base import RuntimeSettings
from wf_cli.runtimes.permissions import Permissions

PUSH = Permissions(deny=("execute:git push*",))
READ = Permissions(deny=("read:*.env",))


def of(adapter: str, *command: str, policy: Permissions = PUSH, **options: Any) -> denials.Binding:
    settings = RuntimeSettings("mine", adapter, command=command, options=options, permissions=policy)
    found = denials.of(settings, {"HOME": "/nowhere"})
    assert found is not None
    assert found.holds or names_a_command(found.remedy)
    return found


def test_there_is_a_row_for_each_adapter() -> None:
    assert denials._TABLE.keys() == registry.ADAPTERS.keys()
    for adapter in registry.ADAPTERS:
        assert of(adapter, "program").text


def test_where_nothing_is_denied_there_is_nothing_to_say() -> None:
    assert denials.of(RuntimeSettings("mine", "command", argv=("sh",)), {}) is None


@pytest.mark.parametrize(
    ("found", "holds", "says"),
    [
        (of("gemini"), True, "never before it reads"),
        (of("gemini", policy=READ), False, "read:*.env is denied"),
        (of("gemini", policy=Permissions(deny=("*:*secret*",))), False, "*:*secret* is denied"),
        (of("gemini", mode="yolo"), False, "asks for nothing"),
        (of("gemini", args=["--yolo"]), False, "asks for nothing"),
        (of("acp", "/opt/bin/gemini", "--acp"), True, "never before it reads"),
        (of("acp", "qwen", "--acp", "--approval-mode", "yolo"), False, "asks for nothing"),
        (of("acp", "opencode", "acp"), False, "adapter: opencode"),
        (of("acp", "codex-acp"), False, "approval_policy"),
        (of("acp", "pi-acp"), False, "asks for nothing"),
        (of("acp", "some-agent"), False, "which wf does not know"),
        (of("cursor"), False, "no approvalMode is set"),
        (of("command"), False, "asked for nothing"),
    ],
)
def test_what_is_known_of_a_program(found: denials.Binding, holds: bool, says: str) -> None:
    assert (found.holds, says in found.text) == (holds, True), found


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.delenv("WF_DISTRIBUTED", raising=False)
    return Cli(tmp_path, monkeypatch, capsys)


def checked(wf: Cli, **config: Any) -> dict[str, Any]:
    (wf.root / "wf.config.json").write_text(json.dumps({"version": 1, **config}))
    found: dict[str, Any] = wf.json("config", "check")
    return found


RUNTIMES = {
    "claude": {"adapter": "claude"},
    "codex": {"adapter": "codex"},
    "own": {"adapter": "command", "argv": ["sh"]},
}
ROUTING = {"plan-coder": {"runtime": "claude"}, "plan-fixer": {"runtime": "codex"}, "doer": {"runtime": "own"}}


def test_config_check_says_it_for_every_runtime_that_is_routed_to(wf: Cli) -> None:
    document = checked(wf, runtimes=RUNTIMES, routing=ROUTING, permissions={"deny": ["execute:git push*"]})
    told = document["denials"]
    assert {name: one["holds"] for name, one in told.items()} == {"claude": True, "codex": False, "own": False}
    assert "does not start" in told["codex"]["text"]
    assert [text.partition(":")[0] for text in document["warnings"]] == ["permissions of codex", "permissions of own"]
    code, out, err = wf("config", "check")
    assert code == 0
    assert "permissions of claude: they become rules of Claude Code" in out
    assert "permissions of own: nothing" in err


def test_config_check_names_a_rule_that_an_agent_cannot_keep(wf: Cli) -> None:
    runtimes = {"claude": {"adapter": "claude", "permissions": {"deny": ["think:*"]}}}
    document = checked(wf, runtimes=runtimes, routing={"doer": {"runtime": "claude"}})
    assert "no rule for permissions.deny: think:*" in document["denials"]["claude"]["text"]


def test_config_check_says_nothing_where_nothing_is_denied(wf: Cli) -> None:
    document = checked(wf, runtimes=RUNTIMES, routing=ROUTING)
    assert (document["denials"], document["warnings"]) == ({}, [])
