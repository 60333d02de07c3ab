"""The real agent programs, and how each is pointed at the scripted model: its runtime, its variables, its files.

They are installed by ``make agents`` below ``.cache/agents``, or are found below ``WF_TEST_AGENTS``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support import real_opencode

INSTALLED = Path(os.environ.get("WF_TEST_AGENTS") or Path(__file__).parents[2] / ".cache" / "agents")
_QUIET = {"DISABLE_TELEMETRY": "1", "DISABLE_ERROR_REPORTING": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}


@dataclass(frozen=True, slots=True)
class Agent:
    """One program at one model server."""

    name: str
    runtime: Mapping[str, Any]
    environment: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    #: The variables and files that are a login, by name.
    login: tuple[str, ...] = ()
    model: str | None = None

    def logged_out(self) -> Agent:
        """The same program on a machine where nobody logged in."""
        kept = {name: value for name, value in self.environment.items() if name not in self.login}
        return Agent(self.name, self.runtime, kept, self.files, (), self.model)


def program(name: str) -> Path:
    return INSTALLED / name / "node_modules" / ".bin" / name


def claude(address: str) -> Agent:
    environment = {
        **_QUIET,
        "ANTHROPIC_BASE_URL": address,
        "ANTHROPIC_API_KEY": "sk-ant-scripted-0000000000000000",
        "CLAUDE_CODE_MAX_RETRIES": "1",
    }
    login = ("ANTHROPIC_API_KEY",)
    return Agent("claude", {"command": [str(program("claude"))]}, environment, login=login, model="claude-sonnet-4-5")


def codex(address: str) -> Agent:
    config = f"""\
model_provider = "scripted"
check_for_update_on_startup = false
allow_login_shell = false
[model_providers.scripted]
name = "Scripted"
base_url = "{address}/v1"
env_key = "SCRIPTED_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 1
"""
    environment = {**_QUIET, "SCRIPTED_KEY": "sk-scripted-0000000000000000", "RUST_LOG": "error"}
    files = {".codex/config.toml": config}
    return Agent("codex", {"command": [str(program("codex"))]}, environment, files, ("SCRIPTED_KEY",), "scripted")


def gemini(address: str) -> Agent:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False, "maxAttempts": 2},
        "privacy": {"usageStatisticsEnabled": False},
    }
    environment = {
        **_QUIET,
        "GOOGLE_GEMINI_BASE_URL": address,
        "GEMINI_API_KEY": "scripted-0000000000000000",
        "GEMINI_CLI_NO_RELAUNCH": "1",
    }
    files = {".gemini/settings.json": json.dumps(settings)}
    runtime = {"command": [str(program("gemini"))]}
    return Agent("gemini", runtime, environment, files, ("GEMINI_API_KEY",), "gemini-2.5-pro")


def opencode(address: str) -> Agent:
    key = "SCRIPTED_KEY"
    environment = {
        **real_opencode.environment(f"{address}/v1", f"{{env:{key}}}"),
        key: "sk-scripted-0000000000000000",
    }
    runtime = {"command": [str(program("opencode"))]}
    return Agent("opencode", runtime, environment, {}, (key,), real_opencode.MODEL)


AGENTS = {"claude": claude, "codex": codex, "gemini": gemini, "opencode": opencode}
