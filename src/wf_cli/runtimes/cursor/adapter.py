"""Cursor's CLI: ``cursor-agent acp``, or ``cursor-agent -p --output-format stream-json``.

Neither could be run here. The adapter follows cursor.com/docs/cli/acp and reports of others, above all the wire
recordings of docs.rs/crate/rho-coding-agent (src/acp_runtime/fixtures, build 2026.10.01);
docs/explanation/agent-runtimes.md sums them up. For ACP:

- All flags belong to the program and stand before ``acp``, because behind it they would be ignored.
- Its models have other names by ACP (``gpt-5.3-codex[reasoning=medium,fast=false]``) than on the command line
  (``gpt-5.3-codex``), whose name is honoured before ``acp``; one with brackets is refused there. An unknown one
  ends the process, with the reason on stderr.
- ``--trust`` is for workspaces that no person has trusted yet. Before the build of `_TRUST` it was an error outside
  of print mode, and a fresh folder did not hold up ACP (forum.cursor.com/t/153825).
- ``approvalMode`` in its cli-config.json decides what it asks permission for. With ``unrestricted`` it asks for
  no permission, with ``allowlist`` for shell commands and fetches, and never for reading and editing. ``--force``
  allows all of that, and is left out where the policy denies anything.
- A session is opened without a login first. A login is asked for only when the agent refused, because with a key
  ``cursor_login`` fails at once, and logged out it may wait for ever for a browser that no person sees.
- It tells no tokens and no costs over ACP.

For print:

- ``--force`` and ``--trust`` both, because on some builds one does not imply the other.
- stream-json, since the other formats print nothing until the end and would look like a stall.
- Exit codes prove nothing in either direction. The ``result`` line is the verdict, and a run without one failed.
- The process may stay alive after its result. It then gets the grace, and its tree is ended.

The program was renamed ``agent``, a name that other programs have too, so its version has to prove that it is
Cursor's.
"""

from __future__ import annotations

from collections.abc import Mapping

from wf_cli.runtimes import executable, options, program, protocol
from wf_cli.runtimes.acp import adapter as acp
from wf_cli.runtimes.acp.events import AcpReader
from wf_cli.runtimes.base import Launch, Reader, Request, RuntimeMissing, RuntimeSettings
from wf_cli.runtimes.cursor.events import CursorReader

#: The first build that was seen to take ``--trust`` before ``acp``.
_TRUST: protocol.Build = (2026, 6, 19)

_OPTIONS: Mapping[str, tuple[type, ...]] = {
    "args": (list,),
    "prompt": (str,),
    "mode": (str,),
    "result_grace": (int, float),
}
#: One of these replaces a login. Without them `cursor_login` uses the login that ``cursor-agent login`` stored.
KEYS = ("CURSOR_API_KEY", "CURSOR_AUTH_TOKEN")


class CursorAdapter:
    """``adapter: cursor``. Options: ``args`` (further arguments of the program), ``prompt: argument`` (print, for
    builds that do not read it from stdin; it then shows in `ps`), ``mode`` (ACP: agent, plan or ask),
    ``result_grace`` (seconds)."""

    def __init__(self, settings: RuntimeSettings):
        self._settings = settings
        self._options = options.checked(settings, _OPTIONS)
        protocol.checked(settings)

    def launch(self, request: Request) -> Launch:
        command = self.locate(request)
        if self.choice(command, request).spoken == "acp":
            return self._acp(command, request)
        argv = [*command, "-p", "--output-format", "stream-json", "--force", "--trust", "--approve-mcps"]
        argv += ["--workspace", str(request.root)]
        if request.model:
            argv += ["--model", request.model]
        if request.resume:
            argv += ["--resume", request.resume]
        argv += self._arguments()
        # A resumed chat gets the whole prompt too, because Cursor may replace a chat that is gone by a new one
        # without telling (github.com/nexu-io/open-design pull 4790).
        prompt = request.prompt
        as_argument = self._options.get("prompt") == "argument"
        grace = self._options.get("result_grace")
        return Launch(
            [*argv, prompt] if as_argument else argv,
            self._environment(request),
            b"" if as_argument else prompt.encode(),
            result_grace_s=None if grace is None else float(grace),
        )

    def reader(self, request: Request) -> Reader:
        return AcpReader() if self.choice(self.locate(request), request).spoken == "acp" else CursorReader()

    def locate(self, request: Request) -> tuple[str, ...]:
        """The program with its leading arguments; RuntimeMissing when it is not here, or is not Cursor's."""

        def find(name: str) -> str | None:
            return executable.find(name, root=request.root, environment=request.environment)

        command = self._settings.command or ("cursor-agent",)
        fallback = find("agent") if command == ("cursor-agent",) else None
        if fallback is not None and find(command[0]) is None:
            said = program.version([fallback], environment=request.environment)
            if protocol.cursor_build(said) is not None:
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

    def choice(self, command: tuple[str, ...], request: Request) -> protocol.Choice:
        """The protocol of ``command``. CannotStart when it cannot keep the permissions."""
        # A program that is told to print is not asked for its version, because the choice does not depend on it.
        asked = self._settings.protocol == "auto"
        version = program.version(command, environment=request.environment) if asked else ""
        return protocol.of_cursor(self._settings, version)

    def _acp(self, command: tuple[str, ...], request: Request) -> Launch:
        build = protocol.cursor_build(program.version(command, environment=request.environment))
        argv = [*command, "--approve-mcps"]
        if build is None or build >= _TRUST:
            argv.append("--trust")
        if not self._settings.permissions.restricts:
            argv.append("--force")
        by_flag = request.model is not None and "[" not in request.model
        if request.model and by_flag:
            argv += ["--model", request.model]
        keyed = any(request.environment.get(name) for name in KEYS)
        return acp.launch(
            [*argv, *self._arguments(), "acp"],
            request,
            environment=self._environment(request),
            permissions=self._settings.permissions,
            choose={"mode": self._options["mode"]} if "mode" in self._options else {},
            model_is_set=by_flag,
            auth_method=None if keyed else "cursor_login",
            auth_on_demand=True,
            result_grace_s=float(self._options.get("result_grace", acp.RESULT_GRACE)),
        )

    def _arguments(self) -> list[str]:
        return [str(item) for item in self._options.get("args", ())]

    def _environment(self, request: Request) -> dict[str, str]:
        return {"NO_OPEN_BROWSER": "1", **request.environment, "PWD": str(request.root)}
