"""Setting one value in a YAML text: the characters of the old value are replaced, and all other characters stay.

pyyaml says where each node begins and ends. A new key is put behind the last entry of its mapping.
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

    The result may be wrong for a layout that these rules do not know, so the caller has to read it again. Whatever
    the layout, only characters of the old value are missing from it.
    """
    import yaml

    if not isinstance(root, yaml.MappingNode):  # Nothing but comments.
        gap = "" if text.endswith("\n") or not text else "\n"
        return text + (gap + document.block(_nested(keys, value))).replace("\n", _newline(text))
    node: yaml.Node = root
    key = root
    for depth, name in enumerate(keys):
        assert isinstance(node, yaml.MappingNode)
        found = next((entry for entry in node.value if entry[0].value == name), None)
        if found is None:
            rest = _nested(keys[depth + 1 :], value)
            return _inserted(text, node, f"{document.flow(name)}: {document.flow(rest)}")
        key, node = found
    return _replaced(text, key, node, document.flow(value))


def _nested(keys: Sequence[str], value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


def _replaced(text: str, key: yaml.Node, node: yaml.Node, new: str) -> str:
    """``new`` instead of ``node``, whose anchor stays; so does a comment behind the key of a value in lines."""
    start, end = node.start_mark.index, node.end_mark.index
    anchor = _ANCHOR.match(text, start)
    if anchor is not None:
        start = anchor.end()
    elif _is_block(node):
        start = text.index(":", key.end_mark.index) + 1
    if _is_block(node) or _is_block_scalar(node):
        header = _HEADER.match(text, start) if _is_block_scalar(node) else None
        new += (text[header.end() if header is not None else start :].splitlines() or [""])[0]
        lines = text.splitlines(keepends=True)
        end = len("".join(lines[: _last_line(lines, node) + 1]).rstrip("\r\n"))
    blank = "" if text[start - 1].isspace() else " "  # `key:` without a value, `&anchor`
    return f"{text[:start]}{blank}{new}{text[end:]}"


def _inserted(text: str, mapping: yaml.MappingNode, entry: str) -> str:
    """``entry`` as the last one of ``mapping``."""
    if mapping.flow_style:
        if mapping.value:
            at = mapping.value[-1][1].end_mark.index
            return f"{text[:at]}, {entry}{text[at:]}"
        at = text.index("{", mapping.start_mark.index) + 1
        return f"{text[:at]}{entry}{text[at:]}"
    lines = text.splitlines(keepends=True)
    last = _last_line(lines, mapping)
    if lines[last] == lines[last].rstrip("\r\n"):
        lines[last] += _newline(text)
    column = min(key.start_mark.column for key, _ in mapping.value)
    lines.insert(last + 1, f"{' ' * column}{entry}{_newline(text)}")
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
