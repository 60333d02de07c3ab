"""``wf config set`` and ``unset``: change one value of the configuration file and leave the rest of it as it was.

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
from wf_cli.errors import ConfigError, NotFound

#: One key of a path: in double quotes as JSON has them, or plain.
_KEY = re.compile(r'(?:("(?:[^"\\]|\\.)*")|([^."]+))(?:\.(?=.)|\Z)')


def keys_of(key_path: str) -> tuple[str, ...]:
    """The keys of ``retry.max_attempts``. A key with dots stands in quotes: ``runtimes.x.failures."no seat.*"``.

    The key of an item of a list is its number, from 0. Raises ConfigError for a text that is no key path.
    """
    found, at = [], 0
    while match := _KEY.match(key_path, at):
        try:
            found.append(json.loads(match[1]) if match[1] is not None else match[2])
        except ValueError:
            break
        at = match.end()
    if at < len(key_path) or not found or not all(found):
        raise ConfigError(
            f"{key_path!r} is not a key path",
            hint='write it like retry.max_attempts; a key with dots stands in quotes: a."b.c"',
            key=key_path,
        )
    return tuple(found)


def value_at(value: Any, keys: tuple[str, ...]) -> Any:
    """What stands in ``value`` at ``keys``. Raises KeyError when nothing does."""
    for key in keys:
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (TypeError, ValueError, IndexError):
            raise KeyError(key) from None
    return value


def declared(root: Path, key_path: str, config_file: Path | None = None) -> bool:
    """Whether the configuration file itself names ``key_path`` (``wf config set distributed`` asks for mode)."""
    path = config_file or load.find(root)
    return path is not None and _present(document.read(path).value, keys_of(key_path))


def _present(value: Any, keys: tuple[str, ...]) -> bool:
    try:
        value_at(value, keys)
    except KeyError:
        return False
    return True


def set_value(root: Path, key_path: str, value: str, config_file: Path | None = None) -> Path:
    """Set ``key_path`` to the YAML text ``value``, and return the file, which is made if there was none.

    The file is replaced as a whole, under the project's lock ``config``. A link is followed. Raises ConfigError, and
    writes nothing, when the configuration would not be valid or its layout cannot take the value.
    """
    keys = keys_of(key_path)
    with locks.hold_in_project(root, "config"):
        path = config_file or load.find(root) or root / load.NAMES[0]
        old = document.read(path) if path.exists() else document.parse(path, "version: 1\n")
        new = edited(old, keys, _meant(keys, value))
        try:
            load.assemble(root, {}, new)
        except ConfigError as error:
            _advise(error, old, keys, value)
            raise
        fsio.write_through(path, new.text)
    return path


def _advise(error: ConfigError, old: Document, keys: tuple[str, ...], value: str) -> None:
    """Say how keys that need each other are set at once, where a new entry lacks another key than the one set."""
    missing = keys_of(str(error.facts.get("key") or "-"))
    if missing[:-1] == keys[:-1] and missing != keys and len(keys) > 2 and not _present(old.value, keys[:-1]):
        entry = f"{{{keys[-1]}: {value}, {missing[-1]}: ...}}"
        error.hint = f"set both at once: wf config set {'.'.join(keys[:-1])} '{entry}'"


def unset_value(root: Path, key_path: str, config_file: Path | None = None) -> Path:
    """Remove ``key_path`` from the configuration file, and return the file. What lies below in precedence holds then.

    A mapping or list that has no other entry goes too. Raises NotFound when the file does not have the key, and
    ConfigError, with nothing written, when the rest would not be valid or the layout is one that `splice` does not
    know.
    """
    keys = keys_of(key_path)
    with locks.hold_in_project(root, "config"):
        path = config_file or load.find(root)
        old = document.read(path) if path is not None else None
        if path is None or old is None or not _present(old.value, keys):
            raise NotFound(
                f"{key_path} is not set in {path or load.NAMES[0]}",
                hint="wf config show --origin tells where each value comes from",
                key=key_path,
            )
        new = removed(old, keys)
        load.assemble(root, {}, new)
        fsio.write_through(path, new.text)
    return path


def removed(old: Document, keys: tuple[str, ...]) -> Document:
    """``old`` without ``keys``, which it has; ConfigError for a layout from which that cannot be taken."""
    while len(keys) > 1 and len(value_at(old.value, keys[:-1])) == 1:
        keys = keys[:-1]
    wanted = copy.deepcopy(old.value)
    parent = value_at(wanted, keys[:-1])
    del parent[int(keys[-1]) if isinstance(parent, list) else keys[-1]]
    if old.path.suffix == ".json":
        return _as_json(old, wanted)
    with contextlib.suppress(ConfigError):
        new = document.parse(old.path, splice.without(old.text, old.node, keys))
        if new.value == wanted:
            return new
    raise ConfigError(
        f"{old.path} has a layout from which {'.'.join(keys)} cannot be taken without losing something",
        hint="remove it by hand",
        key=".".join(keys),
        path=str(old.path),
    )


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
        return _as_json(old, wanted)
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


def _as_json(old: Document, wanted: dict[str, Any]) -> Document:
    end = "\n" if not old.text or old.text.endswith("\n") else ""
    text = json.dumps(wanted, indent=_indent(old.text), ensure_ascii=False) + end
    return replace(old, text=text.replace("\n", "\r\n") if "\r\n" in old.text else text, value=wanted)


def _indent(text: str) -> int | str:
    """The indentation of a JSON text; two blanks for one on a single line."""
    match = re.search(r"\n([ \t]+)\S", text)
    return match[1] if match is not None else 2


def _with(tree: dict[str, Any], keys: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of ``tree`` with ``value`` at ``keys``."""
    out = copy.deepcopy(tree)
    node: Any = out
    for i, key in enumerate(keys):
        place = _place(node, key, keys[:i])
        if isinstance(node, list) and place == len(node):
            node.append({})
        elif isinstance(node, dict):
            node.setdefault(key, {})
        if i == len(keys) - 1:
            node[place] = value
        node = node[place]
    return out


def _place(node: Any, key: str, where: tuple[str, ...]) -> Any:
    """``key`` as it indexes ``node``, which stands at ``where``; ConfigError when nothing can stand there."""
    if isinstance(node, dict):
        return key
    here = ".".join(where)
    if not isinstance(node, list):
        raise ConfigError(f"{here} is a value, nothing can stand below it", key=f"{here}.{key}")
    if not re.fullmatch("[0-9]{1,4}", key) or int(key) > len(node):
        raise ConfigError(
            f"{here} is a list of {len(node)} item(s), and {key!r} is not the number of one",
            hint=f"items count from 0; {here}.{len(node)} adds one",
            key=f"{here}.{key}",
        )
    return int(key)
