"""The entry point of ``wf``. It finds the command and runs it.

Contract commands run here without typer, because importing typer takes long; docs/explanation/compatibility.md gives
the order of their checks. `typer_app` runs all other commands. Both kinds are listed in `registry`.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from wf_cli.cli.frame import arguments, failures, output, registry, streams, working_project

_AS_OPERATOR = "--as-operator"
#: How many new objects set off a look for circles among them. Python's 700 has it look a hundred times while modules
#: are imported, which make no garbage: a tenth of the time of a short command.
_NEW_OBJECTS = 20_000


def main() -> None:
    """Run the command of this process and exit with its code."""
    gc.set_threshold(_NEW_OBJECTS)
    streams.prepare()
    words = sys.argv[1:]
    try:
        code = run(words, os.environ)
    except streams.OutputLost:
        code = 0
    except KeyboardInterrupt as interrupt:
        code = failures.exit_code(interrupt, contract=True)
    sys.exit(streams.finish(code))


def run(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run ``words`` and return the exit code."""
    words = _asks_for_help(_with_level(list(words)))
    entry = registry.find(words[0]) if words else None
    contract = True
    try:
        if words[:1] == ["--version"] and "_WF_COMPLETE" not in environ:
            from wf_cli.cli.frame import version

            contract = False
            return version.run(words[1:])
        found = working_project.locate(environ, contract=entry is None or entry.contract)
        root = found.path
        if "_WF_COMPLETE" in environ:
            from wf_cli.cli.completion import answer

            return answer.answer(words, root, environ)
        if found.note is not None and "--json" not in words:
            output.note(found.note)
        if output.level() > output.Level.USUAL:
            _tell_places(root, environ, words)
        if entry is not None and _is_typer(entry, words, root, environ):
            contract = False
            from wf_cli.cli.frame import typer_app

            return typer_app.run(words, run)
        return _contract(root, environ, list(words), entry)
    except (streams.OutputLost, KeyboardInterrupt):
        raise
    except Exception as error:  # noqa: BLE001 - the last resort: one message instead of a traceback
        as_json = _json_errors(entry, words, contract=contract)
        return failures.report(error, contract=contract, as_json=as_json, known=entry is not None)


def _with_level(words: list[str]) -> list[str]:
    """``words`` without the options before the command, which say how much goes to stderr.

    They count before a command only, because ``-v`` behind a contract command is an ordinary word.
    """
    level = output.Level.USUAL
    while len(words) > 1 and words[0] in output.LEVELS:
        level = output.LEVELS[words.pop(0)]
    output.set_level(level)
    return words


def _asks_for_help(words: list[str]) -> list[str]:
    """``wf help spool ls`` as ``wf spool ls --help``."""
    named = [word for word in words[1:] if not word.startswith("-")]
    return [*named, "--help"] if words[:1] == ["help"] and named else words


def _tell_places(root: Path, environ: Mapping[str, str], words: Sequence[str]) -> None:
    """Say, for ``wf -v``, which project, configuration and spool the command works with."""
    from wf_cli.config import places

    output.note(f"wf: project {root}")
    if not any(word.partition("=")[0] in ("--config", "--spool") for word in words):
        output.note(f"wf: configuration {places.find(root) or 'none, the defaults hold'}")
        spool = places.spool_without_configuration(root, environ, None)
        if spool is None:
            from wf_cli.app import App

            spool = App(root, environ).spool_root
        output.note(f"wf: spool {spool}")


def _is_typer(entry: registry.Entry, words: Sequence[str], root: Path, environ: Mapping[str, str]) -> bool:
    if not entry.contract or entry.typer_module is None:
        return not entry.contract
    if entry.beyond is not None:
        return entry.beyond(words[1:]) and not arguments.wants_help(words)
    return working_project.is_distributed(root, environ)


def _json_errors(entry: registry.Entry | None, words: Sequence[str], *, contract: bool) -> bool:
    if "--json" not in words[1:]:  # As the first word it is a command that does not exist, told in text as ever.
        return False
    if entry is None or not contract:
        return True
    from wf_cli.cli.frame import contract_help

    return contract_help.load(entry).json


def _contract(root: Path, environ: Mapping[str, str], words: list[str], entry: registry.Entry | None) -> int:
    """Run a contract command. docs/explanation/compatibility.md gives the order of help, session file and guard."""
    from wf_cli.cli.frame import contract_help
    from wf_cli.cli.frame.contract_call import Call

    # An empty first word counts as no command.
    name, rest = (words[0], words[1:]) if words and words[0] else ("help", [])
    helps = arguments.wants_help(words)
    without_session = name in ("init", "sync") or (name == "skill" and rest[:1] == ["sync"])
    if helps or not without_session:
        from wf_cli.agents import model_guard
        from wf_cli.clock import SystemClock

        model_guard.ensure(root, SystemClock())
    if name == "help" or name in arguments.HELP_TOKENS:
        output.say(*contract_help.overview())
        return 0
    if helps and entry is not None:
        output.say(*contract_help.of_command(entry))
        return 0
    call = Call(root, environ, tuple(rest))
    if entry is None:
        if not helps:
            call.guard(name)
        raise _unknown(name)
    command = contract_help.load(entry)
    if command.operator and _AS_OPERATOR in rest:
        kept = tuple(word for word in rest if word != _AS_OPERATOR)
        call = Call(root, environ, kept, as_operator=True)
    if command.guarded:
        call.guard(name)
    return command.run(call)


def _unknown(name: str) -> arguments.ArgumentError:
    from wf_cli.contract import nearest

    close = nearest.names(name, registry.COMMANDS, most=1)
    return arguments.ArgumentError(
        f"unknown command: {name}",
        hint=f"did you mean: wf {close[0]}" if close else "the commands: wf --help",
        code="UNKNOWN_COMMAND",
    )
