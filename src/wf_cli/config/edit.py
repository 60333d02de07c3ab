"""``wf config set``: change one value of the configuration file and leave the rest of it as it was.

A YAML file is edited as text, at the place of the value: comments, order and layout stay. The result is
read again and must say exactly what was meant; where it does not (a shape this module does not know), the
file is written anew and loses its comments. Nothing is written that would not load.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wf_cli import fsio, locks
from wf_cli.config import check, document, load
from wf_cli.config.document import Document
from wf_cli.errors import ConfigError

if TYPE_CHECKING:
    import yaml


def declared(root: Path, key_path: str, config_file: Path | None = None) -> bool:
    """Whether the configuration file itself names ``key_path`` (``wf config set distributed`` asks for mode)."""
    path = config_file or load.find(root)
    return path is not None and tuple(key_path.split(".")) in _paths(document.read(path).value)


def _paths(value: Any, prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found = {prefix}
    if isinstance(value, dict):
        for key, item in value.items():
            found |= _paths(item, (*prefix, key))
    return found


def set_value(root: Path, key_path: str, value: str, config_file: Path | None = None) -> Path:
    """Set ``key_path`` to the YAML text ``value``; the file that was written (a new one if there was none).

    Atomic, and excluded from other calls. Raises ConfigError, with nothing written, when the
    configuration would not be valid.
    """
    keys = tuple(key_path.split("."))
    if not all(keys):
        raise ConfigError(f"{key_path!r} is not a key path", hint="write it like retry.max_attempts", key=key_path)
    with locks.hold_in_project(root, "config"):
        path = config_file or load.find(root) or root / load.NAMES[0]
        old = document.read(path) if path.exists() else document.parse(path, "version: 1\n")
        new = _edited(old, keys, _meant(keys, value))
        load.assemble(root, {}, new)
        fsio.write_atomic(path, new.text)
    return path


def _meant(keys: tuple[str, ...], text: str) -> Any:
    """The value of ``text``: a model called 4.1 is text, an attempt count is a number."""
    try:
        value = document.scalar(text)
    except ConfigError:
        value = text  # `a: b`, `*x`: no YAML value, so it can only be text
    wrong_kind = not isinstance(value, str) and value is not None
    return text if wrong_kind and check.takes_text(keys) else value


def _edited(old: Document, keys: tuple[str, ...], value: Any) -> Document:
    wanted = _with(old.value, keys, value)
    if old.path.suffix == ".json":
        return replace(old, text=fsio.json_text(wanted) + "\n", value=wanted)
    if old.node is None:  # nothing but comments
        gap = "" if old.text.endswith("\n") or not old.text else "\n"
        return document.parse(old.path, old.text + gap + document.block(wanted))
    text = _spliced(old, keys, value)
    if text is not None:
        try:
            new = document.parse(old.path, text)
        except ConfigError:
            pass  # a layout that the splice does not understand
        else:
            if new.value == wanted:
                return new
    return document.parse(old.path, document.block(wanted))


def _with(tree: dict[str, Any], keys: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of ``tree`` with ``value`` at ``keys``."""
    out = copy.deepcopy(tree)
    node = out
    for i, key in enumerate(keys[:-1]):
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            where = ".".join(keys[: i + 1])
            raise ConfigError(f"{where} is a value, nothing can stand below it", key=".".join(keys))
    node[keys[-1]] = value
    return out


def _spliced(old: Document, keys: tuple[str, ...], value: Any) -> str | None:
    """The text with the value in its place; None where only a rewrite will do."""
    import yaml

    node = old.node
    key: yaml.Node | None = None
    depth = 0
    while isinstance(node, yaml.MappingNode) and depth < len(keys):
        found = next((entry for entry in node.value if entry[0].value == keys[depth]), None)
        if found is None:
            rest: Any = value
            for name in reversed(keys[depth + 1 :]):
                rest = {name: rest}
            return _inserted(old.text, node, f"{document.flow(keys[depth])}: {document.flow(rest)}")
        key, node = found
        depth += 1
    if key is None or node is None or depth < len(keys):
        return None
    return _replaced(old.text, key, node, document.flow(value))


def _replaced(text: str, key: yaml.Node, node: yaml.Node, new: str) -> str:
    """``new`` instead of what ``node`` is; of a block, with the comments inside it."""
    if getattr(node, "flow_style", None) is False or getattr(node, "style", None) in ("|", ">"):
        last = text.splitlines(keepends=True)[: _last_line(node) + 1]
        end = len("".join(last).rstrip("\r\n"))
        return f"{text[: text.index(':', key.end_mark.index) + 1]} {new}{text[end:]}"
    start, end = node.start_mark.index, node.end_mark.index
    blank = " " if text[start - 1] == ":" else ""  # `key:` without a value
    return f"{text[:start]}{blank}{new}{text[end:]}"


def _inserted(text: str, mapping: yaml.MappingNode, entry: str) -> str:
    """``entry`` as the last one of ``mapping``."""
    if mapping.flow_style:
        brace = mapping.end_mark.index - 1
        body = text[:brace].rstrip()
        return f"{body}{', ' if mapping.value else ''}{entry}{text[brace:]}"
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    last = _last_line(mapping)
    if not lines[last].endswith("\n"):
        lines[last] += newline
    lines.insert(last + 1, " " * mapping.start_mark.column + entry + newline)
    return "".join(lines)


def _last_line(node: yaml.Node) -> int:
    """The line, from 0, on which the last thing inside ``node`` ends."""
    if getattr(node, "flow_style", None) is False and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.line
    return end - 1 if node.end_mark.column == 0 and end > node.start_mark.line else end
