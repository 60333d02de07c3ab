"""What may be done without a person, and which protocol asks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.runs import request_for
from wf_cli.config import layers, model
from wf_cli.config.load import load
from wf_cli.errors import ConfigError
from wf_cli.runtimes.base import RuntimeSettings
from wf_cli.runtimes.opencode.adapter import OpencodeAdapter
from wf_cli.runtimes.permissions import Permissions, opencode_rules
from wf_cli.runtimes.process.redact import secret_values

DENIES = Permissions(deny=("execute:git push*",))


class TestPolicy:
    @pytest.mark.parametrize(
        ("kind", "title", "allowed", "rule"),
        [
            ("read", "src/a.py", True, "read:*"),
            ("read", "secrets/key", False, "*:secrets/*"),
            ("execute", "git status", True, "execute:git *"),
            ("execute", "git push origin", False, "execute:git push*"),
            ("execute", "make", False, "default"),
            ("Execute", "git status", False, "default"),  # no kind of the protocol
            (None, None, False, "default"),
        ],
    )
    def test_a_denial_wins_over_a_permission_over_the_default(
        self, kind: str | None, title: str | None, allowed: bool, rule: str
    ) -> None:
        policy = Permissions("deny", ("read:*", "execute:git *"), ("*:secrets/*", "execute:git push*"))
        assert policy.decide(kind, title) == (allowed, rule)
        assert Permissions.from_json(json.loads(json.dumps(policy.to_json()))) == policy

    def test_where_nothing_is_denied_the_rule_that_allows_is_told(self) -> None:
        policy = Permissions(allow=("execute:echo *",))
        assert policy.decide("execute", "echo it > out.txt") == (True, "execute:echo *")
        assert policy.decide("execute", "make") == (True, "default")

    def test_nothing_said_allows_everything(self) -> None:
        assert Permissions().decide("execute", "rm -rf /\nreally").allowed
        assert not Permissions().restricts
        assert not Permissions(allow=("read:*",)).restricts


class TestOpencodeRules:
    def test_denials_never_share_a_key_with_the_projects_rules(self) -> None:
        rules = opencode_rules(Permissions(deny=("execute:rm *", "execute:git push*", "search:*", "*curl*", "*:x*")))
        assert rules["?ash"] == {"rm *": "deny", "git push*": "deny"}
        assert rules["?rep"] == rules["?lob"] == rules["?ist"] == {"*": "deny"}
        assert rules["*?"] == {"*curl*": "deny", "x*": "deny"}
        assert "?*" not in rules

    def test_a_denying_default_asks_first_and_lets_denials_come_later(self) -> None:
        assert list(opencode_rules(Permissions("deny", deny=("fetch:*",)))) == ["?*", "?ebfetch", "?ebsearch"]
        assert opencode_rules(Permissions(allow=("read:*",))) == {}


def test_opencode_by_acp_gets_its_job_on_stdin_and_rules_that_come_last(tmp_path: Path) -> None:
    program = tmp_path / "opencode"
    program.write_text("#!/bin/sh\necho 1.18.33\n")
    program.chmod(0o755)
    settings = RuntimeSettings(
        "oc", "opencode", (str(program),), options={"agent": "a"}, protocol="auto", permissions=DENIES
    )
    own = {"permission": {"bash": "ask"}, "provider": {"x": {}}}
    request = request_for(
        tmp_path,
        "m",
        prompt="do it",
        model="p/m",
        resume="ses_1",
        environment={"OPENCODE_CONFIG_CONTENT": json.dumps(own)},
    )
    launch = OpencodeAdapter(settings).launch(request)
    job = json.loads(launch.stdin)
    assert job["command"][1:] == ["acp", "--print-logs", "--log-level", "ERROR", "--cwd", str(tmp_path)]
    assert (job["prompt"], job["resume"], job["opencode"]) == ("do it", "ses_1", True)
    assert job["choose"] == {"model": "p/m", "mode": "a"}
    assert not any("do it" in part for part in launch.argv)
    content = json.loads(launch.environment["OPENCODE_CONFIG_CONTENT"])
    assert list(content["permission"].items())[-1] == ("?ash", {"git push*": "deny"})
    assert content["permission"]["bash"] == "ask"
    assert content["provider"] == {"x": {}}
    assert launch.environment["PWD"] == str(tmp_path)
    # The server that OpenCode opens is not for everybody, and the password is none of the transcript's business.
    assert launch.environment["OPENCODE_SERVER_PASSWORD"] in secret_values(launch.environment)


class TestConfiguration:
    def test_a_runtime_lays_its_permissions_over_the_general_ones(self, tmp_path: Path) -> None:
        (tmp_path / "wf.config.yaml").write_text(
            """
            permissions: {default: deny, allow: ["read:*"], deny: ["execute:git push*"]}
            runtimes:
              opencode: {protocol: print, permissions: {default: allow, deny: []}}
              gemini: {adapter: acp, command: [gemini, --acp]}
            """.replace("\n            ", "\n")
        )
        config = load(tmp_path, {}).config
        assert config.permissions == model.Permissions("deny", ("read:*",), ("execute:git push*",))
        assert config.runtimes["opencode"].permissions == model.Permissions("allow", ("read:*",), ())
        assert config.runtimes["opencode"].protocol == "print"
        assert (config.runtimes["gemini"].protocol, config.runtimes["gemini"].permissions) == (None, None)
        assert layers.build(layers.as_tree(config)) == config

    @pytest.mark.parametrize(
        ("text", "key", "said"),
        [
            ("permissions: {defualt: deny}", "permissions.defualt", "did you mean default"),
            ("permissions: {default: ask}", "permissions.default", "allow or deny"),
            ("permissions: {deny: [7]}", "permissions.deny.0", "a pattern such as"),
            ("runtimes: {opencode: {protocol: tcp}}", "runtimes.opencode.protocol", "acp"),
            ("runtimes: {x: {adapter: acp}}", "runtimes.x.command", "there is no agent"),
            ("runtimes: {x: {adapter: command, argv: [a], protocol: acp}}", "runtimes.x.protocol", "no choice"),
            ("runtimes: {x: {adapter: acp, argv: [a]}}", "runtimes.x.argv", "command: [...] for acp"),
        ],
    )
    def test_what_cannot_be_is_said_with_its_place(self, tmp_path: Path, text: str, key: str, said: str) -> None:
        (tmp_path / "wf.config.yaml").write_text(text)
        with pytest.raises(ConfigError) as caught:
            load(tmp_path, {})
        assert f"{key}: " in caught.value.message
        assert said in caught.value.message


def test_the_protocol_stays_out_of_the_worker() -> None:
    code = "import sys, wf_cli.runtimes.registry; print({'acp', 'asyncio', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
