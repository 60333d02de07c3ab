"""The agent programs that the routing needs: are they there, how are they driven, may they, and do they answer?

For each: ``runtime`` (found, version), ``protocol`` (which, and why), ``permissions`` (what denials bind, `denials`),
``login``, ``call`` (`dry_call`, for those that speak ACP). What keeps a runtime from working is an error where
workers are wanted, and else a warning.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from wf_cli import git, ids
from wf_cli.clock import Clock
from wf_cli.config.load import LoadedConfig
from wf_cli.config.model import PROGRAMS, Config, Runtime
from wf_cli.doctor import denials, dry_call, logins
from wf_cli.doctor.check import Check, Level, guarded, ok, warn, with_command
from wf_cli.doctor.dry_call import Answer
from wf_cli.doctor.logins import Login
from wf_cli.runtimes import executable, program, registry, variables
from wf_cli.runtimes.acp.adapter import AcpAdapter
from wf_cli.runtimes.base import Adapter, CannotStart, Request, RuntimeMissing
from wf_cli.runtimes.cursor.adapter import CursorAdapter
from wf_cli.runtimes.opencode.adapter import OpencodeAdapter
from wf_cli.runtimes.presets.claude import ClaudeAdapter
from wf_cli.runtimes.presets.codex import CodexAdapter
from wf_cli.runtimes.presets.gemini import GeminiAdapter
from wf_cli.runtimes.protocol import Choice
from wf_cli.views.conditions import programs
from wf_cli.workflow import epics, plans
from wf_cli.workflow.project import Project

#: Characters of a version line that are shown; a program that knows no --version may say anything.
_VERSION_WIDTH = 60
_LOG_IN = {
    "cursor": "cursor-agent login, or set CURSOR_API_KEY",
    "opencode": "opencode auth login, or set the key of your provider",
    "claude": "claude auth login, or set ANTHROPIC_API_KEY",
    "codex": "codex login, or set CODEX_API_KEY",
    "gemini": "gemini (start it once and log in), or set GEMINI_API_KEY",
}
_Known = OpencodeAdapter | CursorAdapter | ClaudeAdapter | CodexAdapter | GeminiAdapter


def routed(
    loaded: LoadedConfig, root: Path, environ: Mapping[str, str], clock: Clock, *, call: bool
) -> Iterator[Check]:
    """Every runtime that some role is routed to. ``call``: start those that speak ACP, see `dry_call`.

    A runtime that only the defaults route to is passed over in a project that has chosen others and has no plan and
    no epic, because no job can need it.
    """
    config = loaded.config
    unneeded = not_needed(loaded, root)
    for name in sorted(set(config.runtime_of_role.values())):
        runtime = config.runtimes.get(name)
        if name in unneeded:
            yield ok(
                f"runtime:{name}", "not looked at: wf.config routes nothing to it, and there is no plan and no epic"
            )
        elif runtime is not None:  # one that is not configured is a problem of the configuration
            look = _Look(config, runtime, root, environ, clock)
            yield from guarded(f"runtime:{name}", partial(look.checks, call=call))


def not_needed(loaded: LoadedConfig, root: Path) -> frozenset[str]:
    """The runtimes that nothing but the default routing of plan steps names, where there are no plans to work on."""
    by_file = {key for key, origin in loaded.origins.items() if origin != "default"}
    named = {key.split(".")[1] for key in by_file if key.startswith("runtimes.")}
    roles = {key.split(".")[1] for key in by_file if key.startswith("routing.")}
    named |= {runtime for role, runtime in loaded.config.runtime_of_role.items() if role in roles}
    project = Project(root)
    if not named or plans.all_plans(project) or epics.all_epics(project):
        return frozenset()
    return frozenset(loaded.config.runtime_of_role.values()) - named


class _Look:
    """One runtime."""

    def __init__(self, config: Config, runtime: Runtime, root: Path, environ: Mapping[str, str], clock: Clock):
        self._config = config
        self._runtime = runtime
        self._clock = clock
        self._roles = [role for role, name in config.runtime_of_role.items() if name == runtime.name]
        self._does = f"does {', '.join(sorted(self._roles))}"
        self._variables = variables.of(runtime, environ)
        self._settings = registry.settings_of(config, runtime)
        self._request = Request(
            job_id="doctor",
            attempt=1,
            role="doctor",
            prompt="",
            root=root,
            environment={**git.without_redirects(environ), **self._variables.values},
            secret_names=self._variables.secret,
            mark=f"doctor.{ids.nonce()}",
        )
        self._bad = Level.ERROR if config.distributed else Level.WARN

    def checks(self, *, call: bool) -> Iterator[Check]:
        runtime = self._runtime
        for text in self._variables.missing:
            yield self._wrong(
                "env",
                f"{text}, so no worker of it starts here",
                "export NAME=value where workers start, or wf config unset the key",
            )
        if runtime.adapter == "scripted":
            yield ok(f"runtime:{runtime.name}", f"built in; {self._does}")
            yield from self._denials()
        elif runtime.adapter == "command":
            yield self._program(runtime.argv)
            yield from self._denials()
        else:
            yield from self._agent(registry.make(self._settings), call=call)

    def _program(self, argv: tuple[str, ...]) -> Check:
        """Somebody's own program: running it may do anything, so that it is only looked for."""
        root, environment = self._request.root, self._request.environment
        missing = programs.absence(self._runtime, root, environment)
        if missing is not None:
            remedy = with_command(missing[1], f"wf config set runtimes.{self._runtime.name}.argv '[PROGRAM]'")
            return self._wrong("runtime", f"{missing[0]}; it {self._does}", remedy)
        found = executable.find(argv[0], root=root, environment=environment)
        return ok(f"runtime:{self._runtime.name}", f"{found}; {self._does}")

    def _agent(self, adapter: Adapter, *, call: bool) -> Iterator[Check]:
        assert isinstance(adapter, _Known | AcpAdapter)
        name, version = self._runtime.name, ""
        try:
            command = adapter.locate(self._request)
            if not isinstance(adapter, AcpAdapter):  # what a program of any kind does with --version nobody knows
                version = program.version(command, environment=self._request.environment)
        except RuntimeMissing as failure:
            remedy = with_command(failure.hint, f"wf config set runtimes.{name}.command '[PROGRAM]'")
            yield self._wrong("runtime", f"{failure.message}; it {self._does}", remedy)
            return
        shown = "".join(char for char in version[:_VERSION_WIDTH] if char.isprintable())
        told = "" if isinstance(adapter, AcpAdapter) else f", version {shown}" if shown else ", says no version"
        yield ok(f"runtime:{name}", f"{command[0]}{told}; {self._does}")
        try:
            if isinstance(adapter, OpencodeAdapter | CursorAdapter):
                choice = adapter.choice(command, self._request)
            else:
                prints = isinstance(adapter, ClaudeAdapter | CodexAdapter)
                choice = Choice("print" if prints else "acp", "what its adapter is for")
        except CannotStart as failure:
            yield self._wrong("protocol", failure.message, with_command(failure.hint, "wf config show --origin"))
            return
        yield ok(f"protocol:{name}", f"{choice.spoken}: {choice.why}")
        yield from self._denials()
        login = self._login(adapter, command, version)
        answers = []
        if call and choice.spoken == "acp":
            if isinstance(adapter, CursorAdapter) and login is not None and login.known is False:
                login = Login(False, f"{login.text}, so it was not called")
            else:
                answers = [*self._calls(adapter)]
        if login is not None:
            yield self._login_check(login, answers)
        for model, answer in answers:
            yield self._call_check(model, answer, login)
        if call and choice.spoken == "print":
            text = "only --version was asked: a program that prints cannot be tried without a prompt"
            yield ok(f"call:{name}", text)

    # -- the parts

    def _login(self, adapter: _Known | AcpAdapter, command: tuple[str, ...], version: str) -> Login | None:
        if isinstance(adapter, ClaudeAdapter):
            return logins.of_claude(command, self._request, self._clock)
        if isinstance(adapter, CodexAdapter):
            return logins.of_codex(command, self._request, self._clock)
        if isinstance(adapter, GeminiAdapter):
            return logins.of_gemini(self._request)
        if isinstance(adapter, CursorAdapter):
            arguments = [str(word) for word in self._runtime.options.get("args", ())]
            return logins.of_cursor(command, arguments, self._request, self._clock)
        if isinstance(adapter, OpencodeAdapter):
            return logins.of_opencode(command, version, self._request, self._clock)
        return None

    def _login_check(self, login: Login, answers: list[tuple[str | None, Answer]]) -> Check:
        name, remedy = f"login:{self._runtime.name}", _LOG_IN[self._runtime.adapter]
        if login.known:
            return ok(name, login.text)
        served = max((answer.models for _, answer in answers if answer.failure is None), default=0)
        if served and all(answer.failure is None for _, answer in answers):
            return ok(name, f"{login.text}; its session offers {served} model(s) all the same")
        return warn(name, login.text, remedy) if login.known is None else Check(name, self._bad, login.text, remedy)

    def _calls(self, adapter: Adapter) -> Iterator[tuple[str | None, Answer]]:
        """One call for each model of the roles, until something is wrong that is not the model."""
        models = dict.fromkeys(self._config.effective(role).model for role in sorted(self._roles))
        for model in models:
            request = replace(self._request, model=model)
            answer = dry_call.call(adapter, request, self._clock, self._config.redact)
            yield model, answer
            if answer.failure is not None and answer.failure.code != "model_not_found":
                return

    def _call_check(self, model: str | None, answer: Answer, login: Login | None) -> Check:
        roles = [role for role in sorted(self._roles) if self._config.effective(role).model == model]
        there = f" ({answer.model})" if answer.model not in (None, model) else ""
        whose = f"{model or 'the default model'}{there} of {', '.join(roles)}"
        if answer.failure is None:
            who = f" by {answer.agent}" if answer.agent else ""
            detail = f"a session was opened{who} in {answer.seconds:.1f} s, with {whose}"
            return ok(f"call:{self._runtime.name}", detail)
        match answer.failure.code:
            case "auth":
                remedy = _LOG_IN.get(self._runtime.adapter) or f"{self._by_hand()}; log in there"
                if login is not None and login.known:
                    remedy = f"{remedy}; what is there ({login.text}) is not accepted"
            case "model_not_found":
                remedy = f"wf config set routing.{roles[0]}.model MODEL, with one that is offered"
            case "invalid_spec":
                remedy = f"wf config show --origin: see runtimes.{self._runtime.name}.options"
            case _:
                remedy = f"{self._by_hand()}; see what it says, then wf doctor"
        return self._wrong("call", f"{answer.failure.message} (with {whose})", remedy)

    def _denials(self) -> Iterator[Check]:
        """What denials bind, where there are any."""
        binding = denials.of(self._settings, self._request.environment)
        if binding is None:
            return
        name = f"permissions:{self._runtime.name}"
        yield ok(name, binding.text) if binding.holds else warn(name, binding.text, binding.remedy)

    def _by_hand(self) -> str:
        """The command that starts the agent's program as a person would."""
        command = self._settings.command or PROGRAMS.get(self._runtime.adapter, (self._runtime.name,))
        return f"cd {shlex.quote(str(self._request.root))} && {shlex.join(command)}"

    def _wrong(self, what: str, detail: str, remedy: str) -> Check:
        return Check(f"{what}:{self._runtime.name}", self._bad, detail, remedy)
