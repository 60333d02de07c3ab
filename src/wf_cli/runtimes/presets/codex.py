"""Codex: ``codex exec --json -``. Seen with 0.171.0 (tests/agents).

- The prompt goes to stdin. ``resume`` of an unknown thread fails at once, and the worker starts afresh then.
- ``codex exec`` asks for no permission, so it cannot keep what wf.config denies, and does not start with it. Its own
  rules (``.codex/rules``) and its sandbox are the user's means; by ACP (``codex-acp``) it asks.
- The sandbox is off unless ``sandbox`` says otherwise: ``workspace-write`` keeps ``.git`` closed, where commits are
  written, and a spool outside of the checkout.
- Its tokens are those of the whole thread, so those of a resumed attempt are unknown. It tells no dollars.
- After "429, try again in seven minutes" it waits in silence. `runtimes.jsonl.reader` ends it then.
"""

from __future__ import annotations

from collections.abc import Mapping

from wf_cli.errors import ConfigError
from wf_cli.runtimes import options, program
from wf_cli.runtimes.base import Launch, Reader, Request, RuntimeSettings, Usage
from wf_cli.runtimes.jsonl import rules

#: The values of Codex' own ``sandbox_mode``.
SANDBOXES = ("danger-full-access", "workspace-write", "read-only")
_OPTIONS: Mapping[str, tuple[type, ...]] = {
    "args": (list,),
    "sandbox": (str,),
    "effort": (str,),
    "result_grace": (int, float),
}


class CodexAdapter:
    """``adapter: codex``. Options: ``args`` (further arguments of ``codex exec``), ``sandbox`` (one of `SANDBOXES`),
    ``effort`` (Codex' model_reasoning_effort), ``result_grace`` (seconds from the result to the end by force)."""

    def __init__(self, settings: RuntimeSettings):
        self._settings = settings
        self._options = options.checked(settings, _OPTIONS)
        sandbox = self._options.get("sandbox", SANDBOXES[0])
        if sandbox not in SANDBOXES:
            path = f"runtimes.{settings.name}.options.sandbox"
            raise ConfigError(f"{path}: Codex has no sandbox {sandbox!r}", hint=f"one of {SANDBOXES}", path=path)
        if settings.permissions.restricts:
            path = f"runtimes.{settings.name}"
            raise ConfigError(
                f"{path}: codex exec asks for no permission, so it cannot deny what permissions deny",
                hint=f"wf config set {path}.permissions '{{default: allow, deny: []}}' and use Codex' own rules and "
                f"options.sandbox; or drive it over ACP: adapter: acp, command: [codex-acp]",
                path=f"{path}.permissions",
            )
        self._sandbox = sandbox

    def locate(self, request: Request) -> tuple[str, ...]:
        """The program with its leading arguments; RuntimeMissing when it is not here."""
        return program.require(
            self._settings.command or ("codex",),
            root=request.root,
            environment=request.environment,
            config_path=f"runtimes.{self._settings.name}",
            install="install it with `npm i -g @openai/codex`",
        )

    def launch(self, request: Request) -> Launch:
        from wf_cli.runtimes.jsonl.reader import RESULT_GRACE

        argv = [*self.locate(request), "exec", "--json", "--skip-git-repo-check"]
        argv += ["-c", f'sandbox_mode="{self._sandbox}"', "-c", 'approval_policy="never"']
        if request.model:
            argv += ["-m", request.model]
        if "effort" in self._options:
            argv += ["-c", f'model_reasoning_effort="{self._options["effort"]}"']
        argv += [str(item) for item in self._options.get("args", ())]
        if request.resume:
            argv += ["resume", request.resume]
        resumed = request.resume_prompt if request.resume is not None else None
        return Launch(
            [*argv, "-"],
            {**request.environment, "PWD": str(request.root)},
            (request.prompt if resumed is None else resumed).encode(),
            result_grace_s=float(self._options.get("result_grace", RESULT_GRACE)),
            exit_proves="success",
        )

    def reader(self, request: Request) -> Reader:
        from wf_cli.runtimes.jsonl.reader import JsonlReader

        found = rules.of({"format": "codex"})
        assert found is not None
        if request.resume is None:
            return JsonlReader(found)
        return JsonlReader(found, usage=lambda told: Usage())
