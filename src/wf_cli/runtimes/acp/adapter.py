"""Any agent that speaks the Agent Client Protocol: ``adapter: acp, command: [gemini, --acp]``.

The agent runs under a small client (`acp.client`), which speaks the protocol and prints lines. Facts about the
protocol stand there and in `acp.events`. Facts about one agent stand in its adapter: `opencode` and `cursor` use the
same client with their own settings.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from wf_cli.errors import ConfigError
from wf_cli.runtimes import options, program
from wf_cli.runtimes.acp.events import AcpReader
from wf_cli.runtimes.base import Launch, Request, RuntimeSettings
from wf_cli.runtimes.permissions import Permissions

#: Seconds from the result to the end by force. The client needs up to three of them to close the agent.
RESULT_GRACE = 8.0

_OPTIONS: Mapping[str, tuple[type, ...]] = {
    "mode": (str,),
    "thought_level": (str,),
    "auth_method": (str,),
    "result_grace": (int, float),
}


class AcpAdapter:
    """``adapter: acp``. Options: ``mode`` and ``thought_level`` (values of the session's options of these
    categories), ``auth_method`` (used before a session is opened), ``result_grace`` (seconds)."""

    def __init__(self, settings: RuntimeSettings):
        self._settings = settings
        self._options = options.checked(settings, _OPTIONS)
        if not settings.command:
            raise ConfigError(
                f"runtimes.{settings.name}.command is missing",
                hint="the acp adapter needs a program that speaks ACP: command: [gemini, --acp]",
                path=f"runtimes.{settings.name}.command",
            )

    def locate(self, request: Request) -> tuple[str, ...]:
        """The program with its arguments; RuntimeMissing when it is not here."""
        return program.require(
            self._settings.command,
            root=request.root,
            environment=request.environment,
            config_path=f"runtimes.{self._settings.name}",
            install=f"install {self._settings.command[0]}",
        )

    def launch(self, request: Request) -> Launch:
        return launch(
            self.locate(request),
            request,
            permissions=self._settings.permissions,
            choose={key: self._options[key] for key in ("mode", "thought_level") if key in self._options},
            auth_method=self._options.get("auth_method"),
            result_grace_s=float(self._options.get("result_grace", RESULT_GRACE)),
        )

    def reader(self, request: Request) -> AcpReader:
        return AcpReader()


def launch(
    command: Sequence[str],
    request: Request,
    *,
    permissions: Permissions,
    choose: Mapping[str, str],
    model_is_set: bool = False,
    environment: Mapping[str, str] | None = None,
    auth_method: str | None = None,
    auth_on_demand: bool = False,
    opencode: bool = False,
    result_grace_s: float = RESULT_GRACE,
) -> Launch:
    """The client with ``command`` as its agent. The prompt goes to the client's stdin, with the rest of the job.

    ``model_is_set`` says that the command names the model already; the session may know the model by another name.
    """
    model = {"model": request.model} if request.model else {}
    job = {
        "command": list(command),
        "cwd": str(request.root),
        "prompt": request.prompt,
        "resume": request.resume,
        "resume_prompt": request.resume_prompt,
        # The model comes first, because it decides which other choices there are.
        "choose": choose if model_is_set else {**model, **choose},
        "prefer": model if model_is_set else {},
        "permissions": permissions.to_json(),
        "grace_s": request.limits.grace_s,
        "auth_method": auth_method,
        "auth_on_demand": auth_on_demand,
        "opencode": opencode,
    }
    return Launch(
        # -P keeps the working directory off the import path, because it is the user's checkout.
        [sys.executable, "-P", "-m", "wf_cli.runtimes.acp"],
        {**(request.environment if environment is None else environment), "PWD": str(request.root)},
        json.dumps(job).encode(),
        result_grace_s=result_grace_s,
        ask_first=True,
        exit_proves="success",
    )
