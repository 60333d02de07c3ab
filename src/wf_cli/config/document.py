"""A configuration file as it stands: its values, and the line of each. The one home of pyyaml.

The YAML read here is the part on which YAML 1.1, 1.2 and people agree. ``on``, ``yes`` and ``010`` are text, and keys
are text. Tags of other types are refused. Aliases are refused, because a page of them can stand for gigabytes. A key
that is given twice is an error in YAML and in JSON.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wf_cli import fsio
from wf_cli.errors import ConfigError
from wf_cli.frozen import frozen

if TYPE_CHECKING:
    import yaml

#: Bytes. People write configurations, so a larger file is a mistake.
SIZE_LIMIT = 1024 * 1024


@frozen
class Document:
    """The content of one file. ``lines`` gives the line of a key path, from 1; it is empty for JSON."""

    path: Path
    text: str
    value: dict[str, Any]
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)
    #: The YAML node of the whole file, for edits; None for JSON and for an empty file.
    node: yaml.Node | None = None

    def line(self, path: tuple[str, ...]) -> int | None:
        """The line of ``path``, or of the nearest thing around it that has one."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


def read(path: Path) -> Document:
    """The file ``path``; ConfigError when it cannot be read or is neither YAML nor JSON."""
    return parse(path, text_of(path))


def text_of(path: Path) -> str:
    """The text of the file ``path``; ConfigError when it cannot be read."""
    try:
        # A person's file may be a link (dotfiles), so it is followed. A pipe at its end must not block the command.
        data = fsio.read_regular(Path(os.path.realpath(path)), SIZE_LIMIT)
        return fsio.decode_text(data)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no {path}", hint="wf config init writes one", path=str(path)) from error
    except (OSError, ValueError) as error:  # ValueError: not regular, too large, not UTF-8
        raise ConfigError(f"cannot read {path}: {error}", path=str(path)) from error


def parse(path: Path, text: str) -> Document:
    """``text`` as the content of ``path``, whose ending decides what it is."""
    try:
        document = _parse_json(path, text) if path.suffix == ".json" else _parse_yaml(path, text)
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply", path=str(path)) from error
    if not isinstance(document.value, dict):
        raise ConfigError(
            f"{path} holds no mapping of keys to values", hint="write it like `mode: command`", path=str(path)
        )
    return document


def value_of(name: str, text: str) -> Any:
    """The value of a YAML (or JSON) text that is no configuration; ConfigError names ``name`` and the line."""
    try:
        return _parse_yaml(Path(name), text).value
    except RecursionError as error:
        raise ConfigError(f"{name} is nested too deeply", path=name) from error


def scalar(text: str) -> Any:
    """The value of ``text`` written after a key: ``3`` is a number, ``[a, b]`` a list. ConfigError if broken."""
    return _parse_yaml(Path("VALUE"), f"value: {text}").value["value"]


def _fail(path: Path, line: int | None, message: str, hint: str | None = None) -> ConfigError:
    where = f"{path}:{line}" if line is not None else str(path)
    return ConfigError(f"{where}: {message}", hint=hint, path=str(path), line=line)


def _parse_json(path: Path, text: str) -> Document:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in pairs:
            if key in out:
                raise _fail(path, None, f"the key {key!r} is given twice", "keep one of them")
            out[key] = value
        return out

    def no_constant(name: str) -> Any:
        raise _fail(path, None, f"{name} is not a JSON number")

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        raise _fail(path, error.lineno, f"not valid JSON: {error.msg}") from error
    except ValueError as error:  # A number has thousands of digits.
        raise _fail(path, None, f"not valid JSON: {error}") from error
    return Document(path, text, value)


def _parse_yaml(path: Path, text: str) -> Document:
    import yaml  # The import takes some 15 ms, so only a project that has such a file pays for it.

    try:
        loader = _loader_class()(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = error.problem or error.context or "?"
        raise _fail(path, mark.line + 1 if mark else None, f"not valid YAML: {message}") from error
    except yaml.YAMLError as error:  # The text has a character that YAML does not allow.
        raise _fail(path, None, f"not valid YAML: {error}") from error
    lines: dict[tuple[str, ...], int] = {}
    value = {} if node is None else _value(path, node, (), lines)
    return Document(path, text, {} if value is None else value, lines, node)


@cache
def _loader_class() -> type[yaml.SafeLoader]:
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (pyyaml's own shape)

        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.MarkedYAMLError(problem="aliases (*name) are not used here", problem_mark=mark)
            return super().compose_node(parent, index)

    prefix = "tag:yaml.org,2002:"
    for tag, pattern, first in (
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
        ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ):
        Loader.add_implicit_resolver(prefix + tag, re.compile(rf"(?:{pattern})\Z"), first)
    return Loader


def _value(path: Path, node: yaml.Node, at: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> Any:
    """The value of ``node``, whose key path is ``at``; fills ``lines``."""
    import yaml

    line = node.start_mark.line + 1
    lines.setdefault(at, line)
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if isinstance(node, yaml.MappingNode) and kind == "map":
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise _fail(path, key_line, f"a key below {'.'.join(at) or 'the top'} is not plain text")
            key = key_node.value
            inner = (*at, key)
            if key in out:
                message = f"{'.'.join(inner)}: the key is given twice (first in line {lines[inner]})"
                raise _fail(path, key_line, message, "keep one of them")
            lines[inner] = key_line
            out[key] = _value(path, value_node, inner, lines)
        return out
    if isinstance(node, yaml.SequenceNode) and kind == "seq":
        return [_value(path, item, (*at, str(i)), lines) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        try:
            match kind:
                case "str":
                    return node.value
                case "null":
                    return None
                case "bool":
                    return node.value.lower() == "true"
                case "int":
                    return int(node.value)
                case "float":
                    return float(node.value)
        except ValueError as error:  # An explicit tag stands on something else, or a number is too long.
            raise _fail(path, line, f"{'.'.join(at)}: {error}") from error
    raise _fail(path, line, f"{'.'.join(at) or 'the top'}: the tag {node.tag} is not used here", "write plain values")


def flow(value: Any) -> str:
    """``value`` on one line of YAML, as it may stand after a key."""
    # JSON is YAML too, but plain words read better without quotes.
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(str(key))}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9./_][A-Za-z0-9./_@+=-]*", value):
        try:
            if scalar(value) == value:
                return value
        except ConfigError:
            pass
    return json.dumps(value, ensure_ascii=False)


def block(tree: dict[str, Any], indent: str = "") -> str:
    """``tree`` as lines of YAML. Mappings of mappings become blocks, everything smaller stands on one line."""
    out = []
    for key, value in tree.items():
        if isinstance(value, dict) and any(isinstance(item, dict) for item in value.values()):
            out.append(f"{indent}{flow(key)}:\n{block(value, indent + '  ')}")
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            out.append(f"{indent}{flow(key)}:\n" + "".join(f"{indent}  - {flow(item)}\n" for item in value))
        else:
            out.append(f"{indent}{flow(key)}: {flow(value)}\n")
    return "".join(out)
