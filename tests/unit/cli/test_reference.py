"""docs/reference/commands.md has every command with every option; docs/tutorial.md meets every command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wf_cli.cli.frame import contract_help, registry, typer_app

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
TUTORIAL = (DOCS / "tutorial.md").read_text(encoding="utf-8")
#: Explained once, at the top of the page.
COMMON = set(
    "--json --spool --config --status --role --runtime --plan --epic --owner --error --all --dry-run".split()
)


def leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """The commands below ``command``, by their whole names."""
    if not getattr(command, "commands", None):
        yield name, command
    for inner, subcommand in getattr(command, "commands", {}).items():
        yield from leaves(f"{name} {inner}", subcommand)


def described(name: str) -> str:
    """The lines about the command ``name``."""
    lines = re.findall(rf"(?m)^wf {re.escape(name)}\b.*(?:\n {{4,}}.*)*", PAGE)
    assert lines, f"docs/reference/commands.md does not say anything about wf {name}"
    return "\n".join(lines)


@pytest.mark.parametrize("name", registry.COMMANDS)
def test_every_command_has_its_place(name: str) -> None:
    assert re.search(rf"(?m)(^wf {re.escape(name)}\b|`wf {re.escape(name)}`)", PAGE)


@pytest.mark.parametrize("name", [entry.name for entry in registry.COMMANDS.values() if not entry.hidden])
def test_the_tutorial_meets_every_command(name: str) -> None:
    assert re.search(rf"\bwf {re.escape(name)}\b", TUTORIAL)


@pytest.mark.parametrize("entry", [e for e in registry.COMMANDS.values() if e.contract], ids=lambda e: e.name)
def test_every_usage_line_is_there(entry: registry.Entry) -> None:
    missing = [usage for usage in contract_help.load(entry).usage if usage not in PAGE]
    assert not missing


@pytest.mark.parametrize(
    "entry", [e for e in registry.COMMANDS.values() if (e.typer_module or not e.contract) and not e.hidden],
    ids=lambda e: e.name,
)  # fmt: skip
def test_every_option_is_there(entry: registry.Entry) -> None:
    whole = typer_app.application().get_command(None, entry.name)
    for name, command in leaves(entry.name, whole):
        text = described(name)
        options = {o.opts[0] for o in command.params if o.param_type_name == "option" and not o.hidden}
        assert {o for o in options - COMMON if o not in text} == set(), name
