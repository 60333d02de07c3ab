"""The candidates for the word at the cursor, as the answer to a completion script (`wf_cli.cli.completion.scripts`).

The script runs ``_WF_COMPLETE=<shell> wf <words>``. The last word is the one at the cursor; it is empty when a new
word begins. Completion creates no file and prints only candidates; after any error it prints none. The candidates for
contract commands come from their usage lines, those for typer commands from their parameters, and the values of both
from the tables in `wf_cli.cli.completion.values`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any

from wf_cli.cli.completion.values import KINDS, OPTIONS, Candidate, Scene, Source, commands, nothing
from wf_cli.cli.frame import output, registry

#: Printed instead of candidates when the shell is to complete file names.
FILES = ":files"


def answer(words: Sequence[str], root: Path, environ: Mapping[str, str]) -> int:
    """Print the candidates for the last of ``words``, for the shell named in ``_WF_COMPLETE``. Returns 0 always."""
    shell = environ["_WF_COMPLETE"]
    given = _rejoined(words) if shell == "bash" else [*words]
    try:
        found = candidates(given or [""], root, environ)
    except Exception:  # noqa: BLE001 - a broken project must not print an error into the command line
        found = []
    if found is None:
        output.say(FILES)
        return 0
    # bash replaces only the part after the equals sign.
    prefix = f"{given[-1].partition('=')[0]}=" if shell == "bash" and given and "=" in given[-1] else ""
    output.say(*(_shown(candidate, shell, prefix) for candidate in found))
    return 0


def candidates(words: Sequence[str], root: Path, environ: Mapping[str, str]) -> list[Candidate] | None:
    """The candidates for the last of ``words``; None when a file name is wanted."""
    *before, cursor = words
    scene = Scene(root, environ, tuple(before))
    if not before:
        return _fitting(commands(scene), cursor)
    entry = registry.find(before[0])
    if entry is None:
        return []
    option, equals, begun = cursor.partition("=")
    values = _values_of_typer if _is_typers(entry, scene) else _values_of_contract
    is_attached = bool(equals) and option.startswith("--")
    source = values(entry, scene, option if is_attached else None, cursor)
    found = source(replace(scene, begun=begun if is_attached else cursor))
    if found is None:
        return None
    if is_attached:
        return [Candidate(f"{option}={c.value}", c.about) for c in _fitting(found, begun)]
    return _fitting(found, cursor)


def _is_typers(entry: registry.Entry, scene: Scene) -> bool:
    if not entry.contract or entry.typer_module is None or entry.beyond is not None:
        return not entry.contract
    from wf_cli.cli.frame import working_project

    return working_project.is_distributed(scene.root, scene.environ)


def _fitting(found: Iterable[Candidate], begun: str) -> list[Candidate]:
    return [candidate for candidate in found if candidate.value.startswith(begun)]


def _rejoined(words: Sequence[str]) -> list[str]:
    """``words`` with ``--epic=01`` as one word again, which bash passes as three: ``--epic = 01``."""
    out: list[str] = []
    for word in words:
        if out and (word == "=" or out[-1].endswith("=")) and out[-1].startswith("--"):
            out[-1] += word
        else:
            out.append(word)
    return out


def _shown(candidate: Candidate, shell: str, prefix: str) -> str:
    about = " ".join(candidate.about.split())
    if shell == "zsh":
        value = candidate.value.replace(":", r"\:")
        return f"{value}:{about}" if about else value
    if shell == "fish":
        return f"{candidate.value}\t{about}"
    return candidate.value.removeprefix(prefix)


# -- candidates for contract commands


def _values_of_contract(entry: registry.Entry, scene: Scene, attached: str | None, cursor: str) -> Source:
    """The candidates for a contract command. ``attached`` is the option whose value follows an equals sign."""
    from wf_cli.cli.completion import usage_lines
    from wf_cli.cli.frame import contract_help

    command = contract_help.load(entry)
    usages = [usage_lines.read(line) for line in command.usage]
    takes = {name for usage in usages for name, value in usage.options.items() if value is not None}
    words = _positional(scene.words[1:], takes)
    usages = [usage for usage in usages if usage.fits(words)]
    options = {name: value for usage in usages for name, value in usage.options.items()}
    if command.operator:
        options["--as-operator"] = None
    option = attached or (scene.words[-1] if scene.words[-1] in takes else None)
    if option is not None:
        begun = cursor.partition("=")[2] if attached else cursor
        return _value_of_option(option, options.get(option) or "", begun)
    places = [usage.places[len(words)] for usage in usages if len(usage.places) > len(words)]
    fixed = [Candidate(word) for place in places if not usage_lines.kind_of(place) for word in place.split("|")]
    kinds = [kind for place in places if (kind := usage_lines.kind_of(place))]

    def found(scene: Scene) -> Iterable[Candidate]:
        if not cursor.startswith("-"):
            yield from dict.fromkeys(fixed)
            for kind in dict.fromkeys(kinds):
                yield from KINDS.get(kind, nothing)(scene) or ()
        if cursor.startswith("-") or not places:
            yield from (Candidate(name) for name in options if scene.option(name) is None)

    return found


def _positional(words: Sequence[str], takes: set[str]) -> list[str]:
    """``words`` without options and without the values of those in ``takes``."""
    out, rest = [], iter(words)
    for word in rest:
        if not word.startswith("--"):
            out.append(word)
        elif word in takes:
            next(rest, None)
    return out


def _value_of_option(option: str, value: str, begun: str) -> Source:
    """The values of an option. ``value`` is from its usage line: ``<plan>``, ``fast|full``, or the list ``a,b``."""
    known = OPTIONS.get(option) or KINDS.get(value.strip("<>"))
    if known is not None:
        return known
    words = value.split("|") if "|" in value else []
    if "," in value:
        head, comma, _ = begun.rpartition(",")
        words = [f"{head}{comma}{word}" for word in value.split(",") if word not in head.split(",")]
    return lambda _: map(Candidate, words)


# -- candidates for typer commands


def _values_of_typer(entry: registry.Entry, scene: Scene, attached: str | None, cursor: str) -> Source:
    from wf_cli.cli.frame import typer_app

    command: Any = typer_app.application().get_command(None, entry.name)
    words = list(scene.words[1:])
    while getattr(command, "commands", None):
        name = next((word for word in words if word in command.commands), None)
        if name is None:
            return _subcommands(command)
        words = words[words.index(name) + 1 :]
        command = command.commands[name]
    parameters = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    options = {name: p for p in parameters if p.param_type_name == "option" for name in p.opts}
    takes = {name for name, parameter in options.items() if not parameter.is_flag}
    option = attached or (words[-1] if words and words[-1] in takes else None)
    if option is not None:
        return _value_of_parameter(options[option], option) if option in options else nothing
    if cursor.startswith("-"):
        repeatable = {name for name, parameter in options.items() if parameter.multiple}
        left = [name for name in options if name in repeatable or name not in words]
        return lambda _: [Candidate(name, _first_line(options[name].help)) for name in left]
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    at = len(_positional(words, takes))
    argument = next((p for i, p in enumerate(arguments) if i == at or (p.nargs == -1 and i <= at)), None)
    return _value_of_parameter(argument, "") if argument is not None else nothing


def _subcommands(group: Any) -> Source:
    shown = [(name, command) for name, command in group.commands.items() if not command.hidden]
    return lambda _: [Candidate(name, _first_line(command.help)) for name, command in shown]


def _value_of_parameter(parameter: Any, option: str) -> Source:
    choices = _choices(parameter)
    if choices:
        return lambda _: map(Candidate, choices)
    kind = (parameter.metavar or "").strip("[].").removesuffix("|-")
    return OPTIONS.get(option) or KINDS.get(kind) or nothing


def _choices(parameter: Any) -> list[str]:
    """The values of an enumeration. Versions of typer keep them in different attributes."""
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return [str(getattr(one, "value", one)) for one in getattr(getattr(parameter, "type", None), "choices", ())]


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n")[0].split(". ")[0].rstrip(".")
