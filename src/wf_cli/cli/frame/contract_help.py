"""The text of `wf --help` and of `wf X --help` for contract commands, made without typer."""

from __future__ import annotations

import importlib

from wf_cli import __version__
from wf_cli.cli.frame import output, registry
from wf_cli.cli.frame.contract_call import ContractCommand


def load(entry: registry.Entry) -> ContractCommand:
    """Import the module of a contract command and return its definition."""
    commands: dict[str, ContractCommand] = importlib.import_module(entry.module).COMMANDS
    return commands[entry.name]


def overview() -> list[str]:
    """The lines of `wf --help`: every command with its summary, in groups. No command's module is imported."""
    lines = [
        f"wf {__version__}: plans, gates and worker pools for teams of coding agents",
        "",
        "usage: wf [-v|-q] <command> [arguments]",
    ]
    groups = registry.listed()
    width = max(len(entry.name) for entries in groups.values() for entry in entries)
    for group, entries in groups.items():
        lines += ["", group]
        lines += [f"  {entry.name.ljust(width)}  {entry.summary}" for entry in entries]
    lines += [
        "",
        "Before the command:",
        "  -v, --verbose  more on stderr: the project, configuration and spool in use; the traceback of a bug",
        "  -q, --quiet    less on stderr: errors only, no warnings and no progress",
    ]
    return [
        *lines,
        "",
        "More about one: wf help <command>, or wf <command> --help",
        "Which version this is: wf --version [--json]",
    ]


def of_command(entry: registry.Entry) -> list[str]:
    """The lines of `wf X --help` for a contract command."""
    command = load(entry)
    lines = [f"wf {entry.name}: {entry.summary}", "", "usage:"]
    lines += [f"  {usage}" for usage in command.usage]
    if command.about:
        lines += ["", *command.about.strip().splitlines()]
    if command.operator:
        options = [("--as-operator", "act although a job of this plan is running")]
        lines += ["", *output.columns(options)]
    return lines
