"""Gemini CLI: ``gemini --acp``. Seen with 0.61.0 (tests/agents).

- The model is chosen on the command line, which takes every name; an unknown one is refused by the provider.
- ``--skip-trust`` is for folders that no person has trusted yet: without a terminal nobody can.
- In its default mode it asks before it edits, runs commands and fetches, and never before it reads. Denials of
  wf.config are answers to these requests (`runtimes.permissions`).
"""

from __future__ import annotations

from collections.abc import Mapping

from wf_cli.runtimes import options, program
from wf_cli.runtimes.acp import adapter as acp
from wf_cli.runtimes.acp.events import AcpReader
from wf_cli.runtimes.base import Launch, Reader, Request, RuntimeSettings

_OPTIONS: Mapping[str, tuple[type, ...]] = {
    "args": (list,),
    "mode": (str,),
    "auth_method": (str,),
    "result_grace": (int, float),
}
#: One of these replaces a login.
KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA")


class GeminiAdapter:
    """``adapter: gemini``. Options: ``args`` (further arguments), ``mode`` (default, autoEdit, yolo or plan),
    ``auth_method`` (used before a session is opened), ``result_grace`` (seconds)."""

    def __init__(self, settings: RuntimeSettings):
        self._settings = settings
        self._options = options.checked(settings, _OPTIONS)

    def locate(self, request: Request) -> tuple[str, ...]:
        """The program with its leading arguments; RuntimeMissing when it is not here."""
        return program.require(
            self._settings.command or ("gemini",),
            root=request.root,
            environment=request.environment,
            config_path=f"runtimes.{self._settings.name}",
            install="install it with `npm i -g @google/gemini-cli`",
        )

    def launch(self, request: Request) -> Launch:
        argv = [*self.locate(request), "--acp", "--skip-trust"]
        if request.model:
            argv += ["--model", request.model]
        return acp.launch(
            [*argv, *(str(item) for item in self._options.get("args", ()))],
            request,
            permissions=self._settings.permissions,
            choose={"mode": self._options["mode"]} if "mode" in self._options else {},
            model_is_set=True,
            auth_method=self._options.get("auth_method"),
            result_grace_s=float(self._options.get("result_grace", acp.RESULT_GRACE)),
        )

    def reader(self, request: Request) -> Reader:
        return AcpReader()
