"""The agent programs that the routing needs: are they there, and which version?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from wf_cli.config.model import Config, Runtime
from wf_cli.diagnosis.check import Check, Level, ok
from wf_cli.runtimes import program
from wf_cli.runtimes.base import RuntimeMissing

#: How each program is got, where wf knows.
_INSTALL = {
    "opencode": "npm i -g opencode-ai",
    "cursor": "install Cursor's command line agent (cursor-agent)",
}
#: Cursor's program has had two names.
_OTHER_NAMES = {"cursor-agent": "agent"}
#: Characters of a version line that are shown; a program that knows no --version may say anything.
_VERSION_WIDTH = 60


def routed(config: Config, root: Path, environ: Mapping[str, str]) -> Iterator[Check]:
    """Every runtime that some role is routed to. A missing one is an error only when workers are wanted."""
    for name in sorted(set(config.runtime_of_role.values())):
        roles = ", ".join(sorted(role for role, runtime in config.runtime_of_role.items() if runtime == name))
        runtime = config.runtimes.get(name)
        if runtime is not None:  # one that is not configured is a problem of the configuration
            yield _one(
                runtime, f"does {roles}", root, environ, missing=Level.ERROR if config.distributed else Level.WARN
            )


def _one(runtime: Runtime, does: str, root: Path, environ: Mapping[str, str], *, missing: Level) -> Check:
    name = f"runtime:{runtime.name}"
    argv = runtime.argv if runtime.adapter == "command" else runtime.command
    if runtime.adapter == "scripted" or not argv:
        return ok(name, f"built in; {does}")
    found = program.find(argv[0], root=root, environment=environ)
    if found is None and argv[0] in _OTHER_NAMES:
        found = program.find(_OTHER_NAMES[argv[0]], root=root, environment=environ)
    if found is None:
        install = _INSTALL.get(runtime.adapter, "install it")
        remedy = f"{install}, or set runtimes.{runtime.name} in wf.config"
        return Check(name, missing, f"{argv[0]} is not on PATH; it {does}", remedy)
    if runtime.adapter == "command":  # somebody's own program: running it may do anything
        return ok(name, f"{found}; {does}")
    try:
        said = program.version((found, *argv[1:]), environment=environ)
    except RuntimeMissing as failure:
        return Check(name, missing, f"{failure.message}; it {does}", failure.hint or "install it again")
    shown = "".join(char for char in said[:_VERSION_WIDTH] if char.isprintable()) or "says no version"
    return ok(name, f"{found}, version {shown}; {does}")
