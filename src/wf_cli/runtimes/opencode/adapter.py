"""OpenCode: ``opencode acp`` (1.18 and later, 2.x), or ``opencode run --format json``, versions 1.x and 2.x.

Seen with 1.18.33 (tests/e2e/test_acp_real.py and test_opencode_real.py drive it). 2.x could not be installed here
and follows its documentation (opencode.ai/v2/docs/cli/acp) and source (packages/cli/src/commands): its ``acp``
has no flags of its own, takes the directory from the session, and runs a private server without a port for
others, so what `opencode_server` asks 1.x for stays unknown. What shaped this:

- The prompt goes to stdin, because as an argument it would be altered, and shown in `ps`.
- OpenCode works in ``$PWD`` rather than in its working directory, so both are set, and ``--dir`` too.
- Requests to a person are approved (``--auto``), and denials of the user's rules stay. An injected rule
  ``"*": "allow"`` would win over the denials of the project's own opencode.json, because it would be merged after
  them and the last match counts.
- A denied tool does not end the run (``continue_loop_on_deny``); the model is told and goes on.
- ``--print-logs`` at level ERROR puts on stderr what the events do not say, such as an unknown model.
- With ``--title`` no model request is spent on a title.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from wf_cli.frozen import frozen
from wf_cli.runtimes import options, program, protocol
from wf_cli.runtimes.acp import adapter as acp
from wf_cli.runtimes.acp.events import AcpReader
from wf_cli.runtimes.base import CannotStart, Launch, Reader, Request, RuntimeSettings
from wf_cli.runtimes.opencode import SERVER_PASSWORD
from wf_cli.runtimes.opencode.events import OpencodeReader
from wf_cli.runtimes.permissions import opencode_rules

#: Seconds between the last "stop" and the end by force. They are many, because "stop" may not be final: after a
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


@frozen
class _Flags:
    """The differences between major versions."""

    directory: bool
    variant_flag: bool
    #: Further flags of ``run`` and of ``acp``.
    run: tuple[str, ...]
    acp: tuple[str, ...]
    #: Whether ``acp`` has an HTTP server that can be asked.
    server: bool


_FLAGS = {
    1: _Flags(directory=True, variant_flag=True, run=(), acp=("--print-logs", "--log-level", "ERROR"), server=True),
    # Without --standalone ``run`` would talk to a background service that outlives the command.
    2: _Flags(directory=False, variant_flag=False, run=("--standalone",), acp=(), server=False),
}


class OpencodeAdapter:
    """``adapter: opencode``. Options: ``agent``, ``variant``, ``permission`` (rules merged over the user's),
    ``args`` (further arguments), ``result_grace`` (seconds)."""

    def __init__(self, settings: RuntimeSettings):
        self._settings = settings
        self._options = options.checked(settings, _OPTIONS)
        protocol.checked(settings)

    def launch(self, request: Request) -> Launch:
        command = self.locate(request)
        flags = _FLAGS[min(max(_FLAGS), major(self._version(command, request)))]
        if self.choice(command, request).spoken == "acp":
            return self._acp(command, flags, request)
        # `run` fails at once for a session that does not exist, and the worker starts afresh then.
        resumed = request.resume_prompt if request.resume is not None else None
        return Launch(
            [*command, *self._arguments(request, flags)],
            self._environment(request),
            (request.prompt if resumed is None else resumed).encode(),
            result_grace_s=float(self._options.get("result_grace", RESULT_GRACE)),
        )

    def reader(self, request: Request) -> Reader:
        return AcpReader() if self.choice(self.locate(request), request).spoken == "acp" else OpencodeReader()

    def locate(self, request: Request) -> tuple[str, ...]:
        """The program with its leading arguments; RuntimeMissing when it is not here."""
        return program.require(
            self._settings.command or ("opencode",),
            root=request.root,
            environment=request.environment,
            config_path=f"runtimes.{self._settings.name}",
            install="install it with `npm i -g opencode-ai`",
        )

    def choice(self, command: tuple[str, ...], request: Request) -> protocol.Choice:
        """The protocol of ``command``. CannotStart when it cannot keep the permissions."""
        return protocol.of_opencode(self._settings, self._version(command, request))

    def _version(self, command: tuple[str, ...], request: Request) -> str:
        return program.version(command, environment=request.environment)

    def _acp(self, command: tuple[str, ...], flags: _Flags, request: Request) -> Launch:
        choose = {"mode": self._options.get("agent"), "thought_level": self._options.get("variant")}
        directory = ("--cwd", str(request.root)) if flags.directory else ()
        more: dict[str, Any] = {"permission": opencode_rules(self._settings.permissions)}
        secret = {}
        if flags.server:
            secret = {SERVER_PASSWORD: secrets.token_urlsafe(16)}
            more["agent"] = {"title": {"disable": True}}  # This saves a model request for a title.
        return acp.launch(
            [*command, "acp", *flags.acp, *directory, *(str(item) for item in self._options.get("args", ()))],
            request,
            environment={**secret, **self._environment(request, more)},
            permissions=self._settings.permissions,
            choose={category: value for category, value in choose.items() if value is not None},
            opencode=flags.server,
            result_grace_s=float(self._options.get("result_grace", acp.RESULT_GRACE)),
        )

    def _arguments(self, request: Request, flags: _Flags) -> list[str]:
        out = ["run", "--format", "json", "--auto", "--print-logs", "--log-level", "ERROR", *flags.run]
        out += ["--title", f"{request.job_id} a{request.attempt}"]
        if flags.directory:
            out += ["--dir", str(request.root)]
        variant = self._options.get("variant")
        if request.model:
            suffix = f"#{variant}" if variant and not flags.variant_flag else ""
            out += ["-m", request.model + suffix]
        if variant and flags.variant_flag:
            out += ["--variant", variant]
        if "agent" in self._options:  # For a session too, because the default agent would go on with it.
            out += ["--agent", self._options["agent"]]
        if request.resume:
            out += ["-s", request.resume]
        return out + [str(item) for item in self._options.get("args", ())]

    def _environment(self, request: Request, more: Mapping[str, Any] | None = None) -> dict[str, str]:
        ours = {
            "permission": {"question": "deny", "doom_loop": "deny"},
            "experimental": {"continue_loop_on_deny": True},
            # The server that `wf init` registers is for agents that take jobs themselves; this one has its job.
            "mcp": {"wf": {"enabled": False}},
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
    if not isinstance(value, dict):  # The message leaves the text out, because it may hold keys.
        raise CannotStart(f"{_CONTENT} is set and holds no JSON object", hint=f"unset {_CONTENT}, or correct it")
    return value
