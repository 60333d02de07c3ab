"""All commands as one typer application. `run` carries out those that are typer commands."""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import typer
from typer.core import TyperGroup

from wf_cli.cli.frame import conversion, output, registry

_PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


#: Runs the words of a contract command in an environment and returns the exit code.
RunContract = Callable[[Sequence[str], Mapping[str, str]], int]


class LazyGroup(TyperGroup):
    """A group that imports the module of a command only when that command is asked for."""

    run_contract: RunContract
    #: The word after the command's name, while a command is carried out.
    _following: str | None = None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that ``args`` begin with, without subcommands that they do not name."""
        self._following = args[1] if len(args) > 1 else None
        try:
            return super().resolve_command(ctx, args)
        finally:
            self._following = None

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command's name, from the registry."""
        return [entry.name for entries in registry.listed().values() for entry in entries]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command called ``cmd_name``; None when there is none."""
        entry = registry.find(cmd_name)
        if entry is None:
            return None
        module = entry.typer_module if entry.contract else entry.module
        if module is None:
            return _contract_stub(entry, self.run_contract)
        command = _built(getattr(importlib.import_module(module), entry.attribute), self._following)
        conversion.relax(command)
        command.name = cmd_name
        return command


def _built(app: typer.Typer, word: str | None) -> Any:
    """The command of ``app``. Of a group only the subcommand called ``word`` is built, if there is one.

    Building a command reads the annotations of all its options, which takes a millisecond or two.
    """
    named = [one for one in app.registered_commands if one.name == word]
    if word is None or len(app.registered_commands) < 2 or app.registered_groups or len(named) != 1:
        return typer.main.get_command(app)
    alone = copy.copy(app)
    alone.registered_commands = named
    return typer.main.get_group(alone)


def _contract_stub(entry: registry.Entry, run_contract: RunContract) -> Any:
    """A typer command that takes any arguments and hands them to ``run_contract``."""

    def stub(ctx: typer.Context) -> None:
        import os

        raise typer.Exit(run_contract([entry.name, *ctx.args], os.environ))

    app = typer.Typer(add_completion=False)
    from wf_cli.cli.frame import contract_help  # only contract commands need it

    text = "\n".join(contract_help.of_command(entry))
    app.command(entry.name, help=text, short_help=entry.summary, context_settings=_PASS_THROUGH)(stub)
    command = typer.main.get_command(app)
    command.name = entry.name
    return command


def _look_only(_words: Sequence[str], _environ: Mapping[str, str]) -> int:
    return 2


def application(run_contract: RunContract = _look_only) -> Any:
    """The group of all commands. ``run_contract`` carries out the words of a contract command.

    Without ``run_contract`` no contract command runs. That is enough for completion and for tests, which only read
    the options of commands.
    """

    class Commands(LazyGroup):
        pass

    Commands.run_contract = staticmethod(run_contract)
    app = typer.Typer(cls=Commands, add_completion=False, name="wf")
    app.callback()(lambda: None)
    group = typer.main.get_command(app)
    conversion.relax(group)
    return group


def run(words: Sequence[str], run_contract: RunContract) -> int:
    """Run a typer command and return its exit code.

    A usage error is printed here (as JSON with ``--json``) and gives 2. Other errors are raised.
    """
    command = application(run_contract)
    try:
        code = command.main(list(words), prog_name="wf", standalone_mode=False)
    except typer.Abort as error:  # typer turns Ctrl-C into this
        raise KeyboardInterrupt from error
    except _click_exception() as error:
        return _usage_error(error, as_json="--json" in words)
    return code if isinstance(code, int) else 0


def _click_exception() -> type[Exception]:
    """The base class of typer's usage errors. Typer exports no name for it."""
    bases = [base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"]
    return cast("type[Exception]", bases[0])


def _usage_error(error: Any, *, as_json: bool) -> int:
    error.message = error.message.replace("Value error, ", "")  # pydantic's word for any value that it refuses
    if as_json:
        document = {"ok": False, "schema_version": 1, "error": "USAGE", "message": error.format_message()}
        output.print_json(document)
    else:
        error.show(file=sys.stderr)
    return int(error.exit_code)
