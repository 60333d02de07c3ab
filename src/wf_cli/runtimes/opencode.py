"""OpenCode: ``opencode acp`` (1.18 and later), or ``opencode run --format json``, versions 1.x and 2.x.

Seen with 1.18.33 (tests/e2e/test_opencode_real.py drives it); 2.x from its source and documentation only.
What shaped this:

- The prompt goes to stdin: as an argument it would be altered, and shown in `ps`.
- OpenCode works in ``$PWD`` rather than in its working directory, so both are set, and ``--dir`` too.
- What would be asked of a person is approved (``--auto``), what the user's rules deny stays denied. Injecting
  a rule ``"*": "allow"`` instead would win over the denials of the project's own opencode.json, since ours is
  merged after it and the last match counts.
- A denied tool does not end the run (``continue_loop_on_deny``); the model is told and goes on.
- ``--print-logs`` at level ERROR puts on stderr what the events do not say, such as an unknown model.
- With ``--title`` no model request is spent on a title.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wf_cli.runtimes import acp, options, program, protocol
from wf_cli.runtimes.acp_events import AcpReader
from wf_cli.runtimes.base import CannotStart, Launch, Reader, Request, RuntimeSettings
from wf_cli.runtimes.opencode_events import OpencodeReader
from wf_cli.runtimes.permissions import opencode_rules

#: Seconds between the last "stop" and the end by force. Long, because that word is not quite final: after a
#: compaction of the context another step follows, and its first event comes with the model's first byte.
RESULT_GRACE = 60.0

_OPTIONS: Mapping[str, tuple[type, ...]] = {
    "agent": (str,),
    "variant": (str,),
    "permission": (dict,),
    "args": (list,),
    "result_grace": (int, float),
}
_CONTENT = "OPENCODE_CONFIG_CONTENT"
#: The password of the HTTP server that ``opencode acp`` opens on the loopback interface (see `opencode_server`).
SERVER_PASSWORD = "OPENCODE_SERVER_PASSWORD"


@dataclass(frozen=True, slots=True)
class _Flags:
    """What differs between major versions."""

    directory: bool
    variant_flag: bool
    extra: tuple[str, ...]


_FLAGS = {
    1: _Flags(directory=True, variant_flag=True, extra=()),
    # 2.x would talk to a background service that outlives the command.
    2: _Flags(directory=False, variant_flag=False, extra=("--standalone",)),
}


class OpencodeAdapter:
    """``adapter: opencode``. Options: ``agent``, ``variant``, ``permission`` (rules merged over the user's),
    ``args`` (further arguments), ``result_grace`` (seconds)."""

    def __init__(self, settings: RuntimeSettings):
        self._settings = settings
        self._options = options.checked(settings, _OPTIONS)
        protocol.checked(settings)

    def launch(self, request: Request) -> Launch:
        command, version = self._found(request)
        if protocol.of_opencode(self._settings, version) == "acp":
            return self._acp(command, major(version), request)
        flags = _FLAGS[min(max(_FLAGS), major(version))]
        return Launch(
            [*command, *self._arguments(request, flags)],
            self._environment(request),
            request.prompt.encode(),
            result_grace_s=float(self._options.get("result_grace", RESULT_GRACE)),
        )

    def reader(self, request: Request) -> Reader:
        _, version = self._found(request)
        return AcpReader() if protocol.of_opencode(self._settings, version) == "acp" else OpencodeReader()

    def _found(self, request: Request) -> tuple[tuple[str, ...], str]:
        """The program and its version; asked once per program file."""
        command = program.require(
            self._settings.command or ("opencode",),
            root=request.root,
            environment=request.environment,
            config_path=f"runtimes.{self._settings.name}",
            install="install it with `npm i -g opencode-ai`",
        )
        return command, program.version(command, environment=request.environment)

    def _acp(self, command: tuple[str, ...], major: int, request: Request) -> Launch:
        choose = {"mode": self._options.get("agent"), "thought_level": self._options.get("variant")}
        more = {
            "agent": {"title": {"disable": True}},  # no model request is spent on a title
            "permission": opencode_rules(self._settings.permissions),
        }
        return acp.launch(
            [
                *(*command, "acp", "--print-logs", "--log-level", "ERROR", "--cwd", str(request.root)),
                *(str(item) for item in self._options.get("args", ())),
            ],
            request,
            environment={SERVER_PASSWORD: secrets.token_urlsafe(16), **self._environment(request, more)},
            permissions=self._settings.permissions,
            choose={category: value for category, value in choose.items() if value is not None},
            opencode=major == 1,
            result_grace_s=float(self._options.get("result_grace", acp.RESULT_GRACE)),
        )

    def _arguments(self, request: Request, flags: _Flags) -> list[str]:
        out = ["run", "--format", "json", "--auto", "--print-logs", "--log-level", "ERROR", *flags.extra]
        out += ["--title", f"{request.job_id} a{request.attempt}"]
        if flags.directory:
            out += ["--dir", str(request.root)]
        variant = self._options.get("variant")
        if request.model:
            suffix = f"#{variant}" if variant and not flags.variant_flag else ""
            out += ["-m", request.model + suffix]
        if variant and flags.variant_flag:
            out += ["--variant", variant]
        if "agent" in self._options:  # also with a session: without it the default agent would go on with it
            out += ["--agent", self._options["agent"]]
        if request.resume:
            out += ["-s", request.resume]
        return out + [str(item) for item in self._options.get("args", ())]

    def _environment(self, request: Request, more: Mapping[str, Any] | None = None) -> dict[str, str]:
        ours = {
            "permission": {"question": "deny", "doom_loop": "deny"},
            "experimental": {"continue_loop_on_deny": True},
        }
        content = merged(merged(ours, _user_content(request.environment)), more or {})
        if "permission" in self._options:
            content = merged(content, {"permission": self._options["permission"]})
        return {
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            **request.environment,
            "PWD": str(request.root),
            _CONTENT: json.dumps(content),
        }


def major(version: str) -> int:
    """The major version in what ``--version`` says; 1 when it says nothing of the kind."""
    match = re.search(r"(\d+)\.\d+", version)
    return max(1, int(match[1])) if match else 1


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``over`` laid on it, objects key by key. Keys of ``base`` stay first: in OpenCode's
    permission rules the last match wins."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        out[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return out


def _user_content(environment: Mapping[str, str]) -> dict[str, Any]:
    text = environment.get(_CONTENT, "").strip()
    if not text:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):  # its text may hold keys: not in the message
        raise CannotStart(f"{_CONTENT} is set and holds no JSON object", hint="correct it, or unset it")
    return value
