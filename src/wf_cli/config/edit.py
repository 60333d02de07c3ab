"""``wf config set``: change one value of the configuration file and leave the rest of it as it was.

A YAML file is edited as text, at the place of the value, so comments, quotes, order and layout stay. A JSON file
keeps its indentation. The result is read again and must say exactly what was meant. Where it does not, because the
file has a layout that `splice` does not know, the command refuses and says what to write by hand. Nothing is written
that would not load.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from wf_cli import fsio, locks
from wf_cli.config import check, document, load, splice
from wf_cli.config.document import Document
from wf_cli.errors import ConfigError


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
    """Set ``key_path`` to the YAML text ``value``, and return the file, which is made if there was none.

    The file is replaced as a whole, under the project's lock ``config``. A link is followed. Raises ConfigError, and
    writes nothing, when the configuration would not be valid or its layout cannot take the value.
    """
    keys = tuple(key_path.split("."))
    if not all(keys):
        raise ConfigError(f"{key_path!r} is not a key path", hint="write it like retry.max_attempts", key=key_path)
    with locks.hold_in_project(root, "config"):
        path = config_file or load.find(root) or root / load.NAMES[0]
        old = document.read(path) if path.exists() else document.parse(path, "version: 1\n")
        new = edited(old, keys, _meant(keys, value))
        load.assemble(root, {}, new)
        fsio.write_through(path, new.text)
    return path


def _meant(keys: tuple[str, ...], text: str) -> Any:
    """The value of ``text``. The schema decides between text and number: a model may be called 4.1."""
    try:
        value = document.scalar(text)
    except ConfigError:
        value = text  # `a: b` and `*x` are no YAML values, so the person means text.
    wrong_kind = not isinstance(value, str) and value is not None
    return text if wrong_kind and check.takes_text(keys) else value


def edited(old: Document, keys: tuple[str, ...], value: Any) -> Document:
    """``old`` with ``value`` at ``keys``; ConfigError for a layout in which that cannot be written."""
    wanted = _with(old.value, keys, value)
    if old.path.suffix == ".json":
        end = "\n" if not old.text or old.text.endswith("\n") else ""
        text = json.dumps(wanted, indent=_indent(old.text), ensure_ascii=False) + end
        return replace(old, text=text.replace("\n", "\r\n") if "\r\n" in old.text else text, value=wanted)
    with contextlib.suppress(ConfigError):
        new = document.parse(old.path, splice.spliced(old.text, old.node, keys, value))
        if new.value == wanted:
            return new
    raise ConfigError(
        f"{old.path} has a layout in which {'.'.join(keys)} cannot be set without losing something",
        hint=f"write it by hand: {keys[-1]}: {document.flow(value)}",
        key=".".join(keys),
        path=str(old.path),
    )


def _indent(text: str) -> int | str:
    """The indentation of a JSON text; two blanks for one on a single line."""
    match = re.search(r"\n([ \t]+)\S", text)
    return match[1] if match is not None else 2


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
