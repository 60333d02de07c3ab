"""The pages of the reference that are made from the program: options of commands, keys of wf.config.

``make reference`` writes them; with ``--check`` nothing is written, and the exit code is 1 if a page is stale.
"""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wf_cli.cli.frame import contract_help, registry, typer_app

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"
_MADE = "<!-- Made by `make reference`. What stands here is changed where the program says it. -->\n"
#: Words for the types of JSON.
_KINDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
}
#: Options that nearly every command has; they are explained at the top of the page.
_COMMON = ("--json", "--spool", "--config", "--help")


def options_page() -> str:
    """Every command with its arguments and options."""
    app = typer_app.application()
    lines = [
        _MADE,
        "# Options",
        "",
        "Every command with what it takes, as `wf <command> --help` says it. [Commands](commands.md) has them in",
        "groups, with exit codes. A command whose options are a table here also takes `--spool DIR`, `--config FILE`",
        "and `--json`.",
    ]
    for group, entries in registry.listed().items():
        lines += ["", f"## {group}"]
        for entry in entries:
            if entry.contract:
                command = contract_help.load(entry)
                lines += ["", f"### wf {entry.name}", "", f"{_sentence(entry.summary)}", "", "```"]
                lines += [*command.usage, "```"]
                if command.about:
                    lines += ["", "```", *command.about.strip().splitlines(), "```"]
            if not entry.contract or entry.typer_module:
                if entry.contract:
                    beyond = "What wf-cli 0.3.x did not have:" if entry.beyond else "With the distributed mode on:"
                    lines += ["", beyond]
                for name, leaf in _leaves(entry.name, app.get_command(None, entry.name)):
                    if not entry.contract:
                        lines += ["", f"### wf {name}"]
                    lines += _of_command(name, leaf)
    return "\n".join(lines) + "\n"


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """The commands below ``command``, by their whole names."""
    inner = getattr(command, "commands", None)
    if not inner:
        yield name, command
        return
    for word, subcommand in inner.items():
        if not subcommand.hidden:
            yield from _leaves(f"{name} {word}", subcommand)


def _of_command(name: str, command: Any) -> list[str]:
    first, *more = (command.help or "").strip().split("\n\n")
    shown = [param for param in command.params if not param.hidden]
    arguments = [param for param in shown if param.param_type_name == "argument"]
    options = [param for param in shown if param.param_type_name == "option" and param.opts[0] not in _COMMON]
    words = " ".join(_name_of_argument(param) for param in arguments)
    lines = ["", " ".join(first.split()), "", "```", f"wf {name} {words}".rstrip(), "```"]
    if arguments or options:
        lines += ["", "| | |", "| --- | --- |"]
        lines += [_row(_name_of_argument(param), param) for param in arguments if param.help]
        lines += [_row(_name_of_option(param), param) for param in options]
    if more:
        lines += ["", "```", *"\n\n".join(more).replace("\b\n", "").replace("\n\nwf ", "\nwf ").splitlines(), "```"]
    return lines


def _name_of_argument(param: Any) -> str:
    name = param.metavar or str(param.name).upper()
    return f"{name}..." if param.nargs == -1 and "..." not in name else name


def _name_of_option(param: Any) -> str:
    names = "/".join([*param.opts, *param.secondary_opts])
    if param.is_flag:
        return names
    return f"{names} {param.metavar or str(param.name).upper()}"


def _row(name: str, param: Any) -> str:
    text = " ".join((param.help or "").split())
    limits = [f"at least {param.min}"] if param.min is not None else []
    limits += [f"at most {param.max}"] if param.max is not None else []
    if param.default not in (None, False, "", [], ()) and not callable(param.default):
        limits.append(f"default {param.default}")
    if limits:
        text = f"{text} ({', '.join(limits)})".strip()
    return f"| {_cell(f'`{name}`')} | {_cell(text)} |"


def _cell(text: str) -> str:
    """Text for a cell. A bar is an entity, because viewers differ in how they read one that is escaped in `code`."""
    if "|" in text:
        text = re.sub(r"`([^`]*)`", lambda code: f"<code>{html.escape(code[1], quote=False)}</code>", text)
    return text.replace("|", "&#124;")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def keys_page() -> str:
    """Every key of wf.config, from its schema."""
    schema = json.loads((ROOT / "schemas" / "wf.config.schema.json").read_text(encoding="utf-8"))
    lines = [
        _MADE,
        "# Keys of wf.config",
        "",
        "Every key, as the schema of the file has it. [Configuration](configuration.md) explains them, and",
        "`wf config init --file` writes a file with the defaults.",
        "",
        "| key | value | meaning |",
        "| --- | --- | --- |",
    ]
    for path, part in _keys("", schema, schema, ()):
        meaning = " ".join(str(part.get("description", "")).split())
        lines.append(f"| `{path}` | {_cell(_value(part, schema))} | {_cell(meaning)} |")
    return "\n".join(lines) + "\n"


def _resolved(part: Any, schema: Any) -> tuple[dict[str, Any], str | None]:
    """A part of the schema without its reference, and the name of what it referred to."""
    reference = part.get("$ref")
    if reference is None:
        return dict(part), None
    name = str(reference).rpartition("/")[2]
    return {**schema["$defs"][name], **{key: value for key, value in part.items() if key != "$ref"}}, name


def _keys(path: str, part: Any, schema: Any, above: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    part, name = _resolved(part, schema)
    if path:
        yield path, part
    if name is not None and name in above:
        return
    inside = (*above, name) if name is not None else above
    for key, value in part.get("properties", {}).items():
        yield from _keys(f"{path}.{key}".lstrip(".") if not key.startswith("$") else key, value, schema, inside)
    for value in [part.get("additionalProperties"), *part.get("patternProperties", {}).values()]:
        if isinstance(value, dict):
            yield from _keys(f"{path}.<name>", value, schema, inside)
    if isinstance(part.get("items"), dict):
        items, _ = _resolved(part["items"], schema)
        if items.get("properties"):
            for key, value in items["properties"].items():
                yield from _keys(f"{path}[].{key}", value, schema, inside)


def _value(part: dict[str, Any], schema: Any) -> str:
    part, _ = _resolved(part, schema)
    if "const" in part:
        return f"`{json.dumps(part['const'])}`"
    if "enum" in part:
        return ", ".join(f"`{value if isinstance(value, str) else json.dumps(value)}`" for value in part["enum"])
    for key in ("oneOf", "anyOf"):
        if key in part:
            return " or ".join(_value(other, schema) for other in part[key])
    kind = part.get("type", "anything")
    text = " or ".join(_KINDS.get(one, one) for one in ([kind] if isinstance(kind, str) else kind))
    low, high = part.get("minimum"), part.get("maximum")
    if low is not None or high is not None:
        text += f" from {low}" if low is not None else ""
        text += f" to {high}" if high is not None else ""
    return text


PAGES = {"options.md": options_page, "keys.md": keys_page}


def main(words: list[str]) -> int:
    """Write the pages, or check them."""
    stale = []
    for name, made in PAGES.items():
        path, text = FOLDER / name, re.sub(r"[ \t]+\n", "\n", made())
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in words:
                path.write_text(text, encoding="utf-8")
    if stale and "--check" in words:
        print(f"stale in docs/reference: {', '.join(stale)}; run: make reference", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
