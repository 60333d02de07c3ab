"""Setting or removing one value in a YAML text: only characters of that value change, and all others stay.

pyyaml says where each node begins and ends. A new entry is put behind the last one of its mapping or list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wf_cli.config import document

if TYPE_CHECKING:
    import yaml

_ANCHOR = re.compile(r"&[\w-]+")
#: What stands before the lines of a block scalar.
_HEADER = re.compile(r"\s*[|>][-+0-9]*")
#: The value of a block scalar to which the blank lines behind it belong (``|+``).
_ENDS_BLANK = re.compile(r"(?:\A|\n)\n\Z")


def spliced(text: str, root: yaml.Node | None, keys: Sequence[str], value: Any) -> str:
    """``text``, whose node is ``root``, with ``value`` at ``keys``; all keys but the last are mappings, or missing.

    A key of a list is the number of an item, from 0; the number behind the last one adds an item.

    The result may be wrong for a layout that these rules do not know, so the caller has to read it again. Whatever
    the layout, only characters of the old value are missing from it.
    """
    import yaml

    if not isinstance(root, yaml.MappingNode):  # Nothing but comments.
        gap = "" if text.endswith("\n") or not text else "\n"
        return text + (gap + document.block(_nested(keys, value))).replace("\n", _newline(text))
    node: yaml.Node = root
    key: yaml.Node | None = None
    for depth, name in enumerate(keys):
        found = _entry(node, name)
        if found is None:
            rest = document.flow(_nested(keys[depth + 1 :], value))
            return _inserted(text, node, f"{document.flow(name)}: {rest}" if _is_mapping(node) else rest)
        key, node = found
    return _replaced(text, key, node, document.flow(value))


def without(text: str, root: yaml.Node | None, keys: Sequence[str]) -> str:
    """``text`` without the entry at ``keys``, which is there, and is not the only one of its mapping or list.

    A comment behind the entry goes with it; comments on lines of their own stay. The result may be wrong, as that of
    `spliced`.
    """
    assert root is not None
    node = root
    for name in keys[:-1]:
        found = _entry(node, name)
        assert found is not None
        node = found[1]
    entry = _entry(node, keys[-1])
    assert entry is not None
    at = next(i for i, item in enumerate(node.value) if (item[1] if isinstance(item, tuple) else item) is entry[1])
    if not _is_block(node):
        return _without_in_flow(text, node, at)
    lines = text.splitlines(keepends=True)
    first = _first(node.value[at]).start_mark.line
    del lines[first : _last_line(lines, entry[1]) + 1]
    return "".join(lines)


def _without_in_flow(text: str, node: yaml.Node, at: int) -> str:
    """``text`` without the entry number ``at`` of ``node``, and without one of the commas beside it."""
    item = node.value[at]
    start = _first(item).start_mark.index
    end = _last(item).end_mark.index
    if at + 1 < len(node.value):
        end = _first(node.value[at + 1]).start_mark.index
    elif at > 0:
        start = _last(node.value[at - 1]).end_mark.index
    return text[:start] + text[end:]


def _first(item: yaml.Node | tuple[yaml.Node, yaml.Node]) -> yaml.Node:
    return item[0] if isinstance(item, tuple) else item


def _last(item: yaml.Node | tuple[yaml.Node, yaml.Node]) -> yaml.Node:
    return item[1] if isinstance(item, tuple) else item


def _is_mapping(node: yaml.Node) -> bool:
    import yaml

    return isinstance(node, yaml.MappingNode)


def _entry(node: yaml.Node, name: str) -> tuple[yaml.Node | None, yaml.Node] | None:
    """The key and the value of the entry ``name``; an item of a list has no key."""
    if _is_mapping(node):
        return next((entry for entry in node.value if entry[0].value == name), None)
    number = int(name)
    return (None, node.value[number]) if number < len(node.value) else None


def _nested(keys: Sequence[str], value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


def _replaced(text: str, key: yaml.Node | None, node: yaml.Node, new: str) -> str:
    """``new`` instead of ``node``, whose anchor stays; so does a comment behind the key of a value in lines."""
    start, end = node.start_mark.index, node.end_mark.index
    anchor = _ANCHOR.match(text, start)
    if anchor is not None:
        start = anchor.end()
    elif _is_block(node) and key is not None:
        start = text.index(":", key.end_mark.index) + 1
    if _is_block(node) or _is_block_scalar(node):
        header = _HEADER.match(text, start) if _is_block_scalar(node) else None
        if key is not None:  # An item of a list begins with its first entry, and not with a comment.
            new += (text[header.end() if header is not None else start :].splitlines() or [""])[0]
        lines = text.splitlines(keepends=True)
        end = len("".join(lines[: _last_line(lines, node) + 1]).rstrip("\r\n"))
    # `key:` without a value and `&anchor` need one; `[item]` does not.
    blank = "" if text[start - 1].isspace() or (key is None and text[start - 1] in "[,") else " "
    return f"{text[:start]}{blank}{new}{text[end:]}"


def _inserted(text: str, parent: yaml.Node, entry: str) -> str:
    """``entry`` as the last one of the mapping or list ``parent``."""
    if not _is_block(parent):
        if parent.value:
            at = _last(parent.value[-1]).end_mark.index
            return f"{text[:at]}, {entry}{text[at:]}"
        at = text.index("{" if _is_mapping(parent) else "[", parent.start_mark.index) + 1
        return f"{text[:at]}{entry}{text[at:]}"
    lines = text.splitlines(keepends=True)
    last = _last_line(lines, parent)
    if lines[last] == lines[last].rstrip("\r\n"):
        lines[last] += _newline(text)
    if _is_mapping(parent):
        head = " " * min(key.start_mark.column for key, _ in parent.value)
    else:  # What stands before the last item, its dash included.
        item = parent.value[-1].start_mark
        head = lines[item.line][: item.column]
    lines.insert(last + 1, f"{head}{entry}{_newline(text)}")
    return "".join(lines)


def _last_line(lines: Sequence[str], node: yaml.Node) -> int:
    """The line, from 0, on which the last thing inside ``node`` ends."""
    while _is_block(node):
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    line: int = node.end_mark.line
    if _is_block_scalar(node):  # Its mark stands where the next thing begins.
        line -= node.end_mark.column == 0
        while not lines[line].strip() and not _ENDS_BLANK.search(node.value):
            line -= 1
    return line


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _is_block(node: yaml.Node) -> bool:
    """Whether it is a mapping or a list with lines of its own."""
    # pyyaml gives no style at all to a list whose dashes are not indented.
    return isinstance(node.value, list) and not getattr(node, "flow_style", None) and bool(node.value)


def _is_block_scalar(node: yaml.Node) -> bool:
    return getattr(node, "style", None) in ("|", ">")
