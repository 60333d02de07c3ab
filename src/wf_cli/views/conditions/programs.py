"""Agent programs that jobs wait for and that cannot be started on this host, for want of a file or of a variable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from wf_cli.config.model import PROGRAMS, Runtime
from wf_cli.views.conditions.condition import Condition, Scope
from wf_cli.views.conditions.sight import Sight


def missing(sight: Sight) -> Iterator[Condition]:
    """The runtimes whose program is not here, unless a worker, which may be on another host, serves the pool."""
    for name in sorted({pool.runtime for pool in sight.waiting if not sight.has_worker(pool)}):
        runtime = sight.means.config.runtimes.get(name)
        found = absence(runtime, sight.root, sight.means.agent_environment()) if runtime is not None else None
        if found is not None:
            text = f"runtime {name} cannot start here: {found[0]}"
            yield Condition("program", False, text, found[1], Scope(runtime=name), grave=True)


def variables(sight: Sight) -> Iterator[Condition]:
    """The runtimes for which a variable (``env:NAME``) is not set here, so that none of their workers starts here.

    Of a worker that serves the pool nothing is said: it started, so it has the variable.
    """
    for name in sorted({pool.runtime for pool in sight.waiting if not sight.has_worker(pool)}):
        runtime = sight.means.config.runtimes.get(name)
        if runtime is None or not runtime.env:
            continue
        from wf_cli.runtimes import variables as filled_in

        found = filled_in.of(runtime, sight.means.agent_environment())
        if found.missing:
            text = f"runtime {name} cannot start here: {'; '.join(found.missing)}"
            command = " ".join(["export", *(f"{source}=VALUE" for source in found.unset)])
            yield Condition("variable", False, text, command, Scope(runtime=name), grave=True)


def absence(runtime: Runtime, root: Path, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Why the program of ``runtime`` cannot be started, and the command that repairs it; None when it can.

    Only its file is looked for, so the program may be unable to run all the same.
    """
    from wf_cli.runtimes import executable

    key = "argv" if runtime.adapter == "command" else "command"
    words = runtime.argv if runtime.adapter == "command" else runtime.command or PROGRAMS.get(runtime.adapter, ())
    if runtime.adapter == "scripted" or not words:
        return None
    found = executable.absence(words[0], root=root, environment=environ)
    if found is None or (words == ("cursor-agent",) and _has_the_other_name(root, environ)):
        return None
    text, repair = found
    return text, repair or f"wf config set runtimes.{runtime.name}.{key} '[PROGRAM]'"


def _has_the_other_name(root: Path, environ: Mapping[str, str]) -> bool:
    from wf_cli.runtimes import executable

    return executable.find("agent", root=root, environment=environ) is not None
