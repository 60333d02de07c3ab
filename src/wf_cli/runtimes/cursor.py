"""Cursor's CLI: ``cursor-agent -p --output-format stream-json`` (RUNTIMES.md 2; from documentation, not run).

What shaped this:

- ``--force`` and ``--trust`` both, because on some builds one does not imply the other.
- stream-json, since the other formats print nothing until the end and would look like a stall.
- Exit codes prove nothing in either direction: the ``result`` line is the verdict, and none is a failure.
- The process may stay alive after its result: it then gets the grace, and its tree is ended.
- With ``protocol: acp`` it is ``cursor-agent acp`` (cursor.com/docs/cli/acp), see `protocol` for why that is not
  the default. ``args`` stand before ``acp`` then: they are options of the program itself.
- The program was renamed ``agent``, a name that others use too: it has to prove that it is Cursor's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from wf_cli.runtimes import acp, options, program, protocol
from wf_cli.runtimes.acp_events import AcpReader
from wf_cli.runtimes.base import Launch, Reader, Request, RuntimeMissing, RuntimeSettings
from wf_cli.runtimes.cursor_events import CursorReader

#: What ``--version`` says: a date and a hash, ``2026.09.18-3a1b2c4``.
_VERSION = re.compile(r"\b20\d\d\.\d\d\.\d\d\b")

_OPTIONS: Mapping[str, tuple[type, ...]] = {
    "args": (list,),
    "prompt": (str,),
    "mode": (str,),
    "result_grace": (int, float),
}
#: With one of these nobody has to log in; without, `cursor_login` uses what ``cursor-agent login`` stored.
_KEYS = ("CURSOR_API_KEY", "CURSOR_AUTH_TOKEN")


class CursorAdapter:
    """``adapter: cursor``. Options: ``args`` (further arguments), ``prompt: argument`` (for builds that do not
    read it from stdin; it then shows in `ps`), ``mode`` (ACP: agent, plan or ask), ``result_grace`` (seconds)."""

    def __init__(self, settings: RuntimeSettings):
        self._settings = settings
        self._options = options.checked(settings, _OPTIONS)
        protocol.checked(settings)

    def launch(self, request: Request) -> Launch:
        if protocol.of_cursor(self._settings) == "acp":
            return self._acp(request)
        argv = [
            *self._command(request),
            "-p",
            "--output-format",
            "stream-json",
            "--force",
            "--trust",
            "--approve-mcps",
        ]
        argv += ["--workspace", str(request.root)]
        if request.model:
            argv += ["--model", request.model]
        if request.resume:
            argv += ["--resume", request.resume]
        argv += [str(item) for item in self._options.get("args", ())]
        as_argument = self._options.get("prompt") == "argument"
        grace = self._options.get("result_grace")
        return Launch(
            [*argv, request.prompt] if as_argument else argv,
            {**request.environment, "PWD": str(request.root)},
            b"" if as_argument else request.prompt.encode(),
            result_grace_s=None if grace is None else float(grace),
        )

    def reader(self, request: Request) -> Reader:
        return AcpReader() if protocol.of_cursor(self._settings) == "acp" else CursorReader()

    def _acp(self, request: Request) -> Launch:
        arguments = [str(item) for item in self._options.get("args", ())]
        keyed = any(request.environment.get(name) for name in _KEYS)
        return acp.launch(
            [*self._command(request), *arguments, "acp"],
            request,
            permissions=self._settings.permissions,
            choose={"mode": self._options["mode"]} if "mode" in self._options else {},
            auth_method=None if keyed else "cursor_login",
            result_grace_s=float(self._options.get("result_grace", acp.RESULT_GRACE)),
        )

    def _command(self, request: Request) -> tuple[str, ...]:
        def find(name: str) -> str | None:
            return program.find(name, root=request.root, environment=request.environment)

        command = self._settings.command or ("cursor-agent",)
        fallback = None if self._settings.command else find("agent")
        if fallback is not None and find(command[0]) is None:
            said = program.version([fallback], environment=request.environment)
            if _VERSION.search(said):
                return (fallback,)
            raise RuntimeMissing(
                f"cursor-agent is not installed, and {fallback} is not Cursor's (its version: {said[:60]!r})",
                hint=f"install it from https://cursor.com/cli, or set runtimes.{self._settings.name}.command",
                program=fallback,
            )
        return program.require(
            command,
            root=request.root,
            environment=request.environment,
            config_path=f"runtimes.{self._settings.name}",
            install="install it from https://cursor.com/cli",
        )
