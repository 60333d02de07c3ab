"""`wf config set` on any commented document: what was meant changes, and all else keeps its bytes."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from wf_cli.config import document, edit
from wf_cli.errors import ConfigError

PATH = Path("wf.config.yaml")

SCALARS = [
    "x",
    "a b",
    "'q''s'",
    '"d\\tq"',
    "007",
    "1.50",
    "-3",
    "~",
    "null",
    "true",
    "on",
    "''",
    "http://x/y#z",
    "4.1",
    "&x v",
]
FLOWS = [
    "[]",
    "{}",
    "[a,  b]",
    "[ 'x' , \"y\" ]",
    "{a: 1,   'b' : [2]}",
    "&x [a]",
    "[a,\n{i}  b,\n{i}  c]",
    "{a: 1,\n{i}  b: {c: d}}",
    "[a,  # comment in 1.\n{i}  b  # comment in 2.\n{i} ]",
    "{a: 1,  # comment in 3.\n{i}  b: [c]}",
]
BLOCKS = ["|\n{i}  one\n{i}    # no comment\n{i}  two", ">-\n{i}  folded\n{i}  text", "|+\n{i}  kept\n"]
KEYS = ["a", "b-c", '"d e"', "'f'", "g1"]
COMMENT = re.compile(r"# comment[ \w]*\.")
NEW = ["y", "a: b", "007", 5, True, None, ["one", "two"], [], {"in": {"deep": 1}}, {}, "with # hash", "'"]


@dataclass
class Layout:
    """How one document is written; the choices come from ``draw``."""

    draw: Any
    indent: int
    offset: int
    lines: list[str] = field(default_factory=list)
    comments: int = 0
    anchors: int = 0
    ends_in_lines: bool = False

    def comment(self) -> str:
        self.comments += 1
        return f"# comment {self.comments}."

    def above(self, column: int) -> None:
        for kind in self.draw(st.lists(st.sampled_from(["blank", "here", "left"]), max_size=2)):
            at = column if kind == "here" else 0
            self.lines.append("" if kind == "blank" else f"{' ' * at}{self.comment()}")

    def eol(self) -> str:
        return self.draw(st.sampled_from(["", "", "  {}", " {}", "      {}"])).format(self.comment())

    def chosen(self, texts: list[str]) -> str:
        """One of them; no two anchors have one name."""
        self.anchors += 1
        return str(self.draw(st.sampled_from(texts))).replace("&x", f"&x{self.anchors}")

    def mapping(self, column: int, depth: int, first: str = "") -> None:
        """Lines of a block mapping; ``first`` stands before its first key (the dash of a list)."""
        keys = self.draw(
            st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique_by=lambda key: key.strip("\"'"))
        )
        for n, key in enumerate(keys):
            if first and n == 0:
                head = first
            else:
                self.above(column)
                head = " " * column
            self.value(f"{head}{key}:", column, depth)

    def value(self, head: str, column: int, depth: int) -> None:
        kinds = ["scalar", "scalar", "empty", "flow", "block"] + (["mapping", "mapping", "list"] if depth else [])
        kind = self.draw(st.sampled_from(kinds))
        self.ends_in_lines = kind == "block"
        pad = " " * column
        if kind == "scalar":
            self.lines.append(f"{head} {self.chosen(SCALARS)}{self.eol()}")
        elif kind == "empty":
            self.lines.append(f"{head}{self.eol()}")
        elif kind == "flow":
            self.lines += f"{head} {self.chosen(FLOWS).replace('{i}', pad)}{self.eol()}".split("\n")
        elif kind == "block":
            self.lines += f"{head} {self.draw(st.sampled_from(BLOCKS)).replace('{i}', pad)}".split("\n")
        elif kind == "mapping":
            anchor = self.chosen(["", " &x"])
            self.lines.append(f"{head}{anchor}{self.eol()}")
            self.mapping(column + self.indent, depth - 1)
        else:
            self.lines.append(f"{head}{self.eol()}")
            dash = " " * (column + self.offset) + "- "
            for _ in range(self.draw(st.integers(1, 2))):
                if depth > 1 and self.draw(st.booleans()):
                    self.mapping(len(dash), 0, dash)
                else:
                    item = self.draw(st.sampled_from(["x", "[a, b]", "'q'"]))
                    self.lines.append(f"{dash}{item}{self.eol()}")


@st.composite
def texts(draw: Any) -> str:
    layout = Layout(draw, draw(st.sampled_from([2, 3, 4])), draw(st.sampled_from([0, 2])))
    layout.above(0)
    if draw(st.booleans()):
        layout.lines.append("---")
    layout.mapping(0, 3)
    layout.above(0)
    if draw(st.integers(0, 9)) == 0:
        layout.lines.append("...")
    text = "\n".join(layout.lines) + ("\n" if layout.ends_in_lines else draw(st.sampled_from(["\n", "\n", ""])))
    return text.replace("\n", draw(st.sampled_from(["\n", "\n", "\r\n"])))


def paths(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The key paths that can be set: each there is, and a new one in each mapping."""
    if at:
        yield at
    if isinstance(value, dict):
        yield (*at, "new")
        yield (*at, "new", "inner")
        for key, item in value.items():
            yield from paths(item, (*at, key))


def touched(text: str, keys: tuple[str, ...]) -> range:
    """The lines of the entry that is set; of the whole flow collection, where it is inside of one."""
    node: Any = yaml.compose(text)
    key = None
    for name in keys:
        if node.flow_style and key is not None:
            break
        entries = node.value if isinstance(node.value, list) else []
        found = next(((k, v) for k, v in entries if k.value == name), None)
        if found is None:
            if not node.flow_style and node.value:
                return range(0)
            break
        key, node = found
    start = key.start_mark.line if key is not None else node.start_mark.line
    last = node
    while isinstance(last, yaml.CollectionNode) and not last.flow_style and last.value:
        last = last.value[-1][1] if isinstance(last, yaml.MappingNode) else last.value[-1]
    end = last.end_mark.line
    lines = text.split("\n")
    while end > start and (not lines[end].strip() or lines[end].lstrip().startswith("# comment")):
        end -= 1  # a text in lines ends where the next thing begins
    return range(start, end + 1)


def follows(part: list[str], whole: list[str]) -> bool:
    """Whether ``part`` stands in ``whole``, in order."""
    rest = iter(whole)
    return all(any(line == other for other in rest) for line in part)


def present(value: Any, keys: tuple[str, ...]) -> bool:
    """Whether ``value`` has something at ``keys``."""
    return not keys or (isinstance(value, dict) and keys[0] in value and present(value[keys[0]], keys[1:]))


@settings(max_examples=300, deadline=None)
@given(text=texts(), data=st.data())
def test_one_value_changes_and_all_else_keeps_its_bytes(text: str, data: Any) -> None:
    old = document.parse(PATH, text)
    keys = data.draw(st.sampled_from(list(paths(old.value))))
    value = data.draw(st.sampled_from(NEW))
    note(text)
    wanted = copy.deepcopy(old.value)
    place = wanted
    for key in keys[:-1]:
        place = place.setdefault(key, {})
    place[keys[-1]] = value
    new = edit.edited(old, keys, value)
    note(new.text)
    assert new.value == wanted
    assert new.text.count("\n") == new.text.count("\r\n") or "\r\n" not in text
    before = text.replace("\r\n", "\n").split("\n")
    after = new.text.replace("\r\n", "\n").split("\n")
    changed = touched(text.replace("\r\n", "\n"), keys)
    if not present(old.value, keys):
        assert COMMENT.findall(new.text) == COMMENT.findall(text)
    assert follows([line for n, line in enumerate(before) if n not in changed and line], after)


@pytest.mark.parametrize(
    ("text", "keys", "value", "after"),
    [
        ("retry:\n  max_attempts: 3\n\n# tail\n", "retry.x", 1, "retry:\n  max_attempts: 3\n  x: 1\n\n# tail\n"),
        ("a: &x {b: c}   # why\n", "a.b", "d", "a: &x {b: d}   # why\n"),
        ("a: &x old # why\n", "a", "new", "a: &x new # why\n"),
        ("{a: 1, 'b' :  2} # root\n", "c", 3, "{a: 1, 'b' :  2, c: 3} # root\n"),
        ("? a\n: 1\nb: 2 # c\n", "b", 3, "? a\n: 1\nb: 3 # c\n"),
        ("a:\n    b: 1\n    # four\nc: d", "a.e", 2, "a:\n    b: 1\n    e: 2\n    # four\nc: d"),
        ("a: |\n  text\n# after\nb: 1\n", "a", "x", "a: x\n# after\nb: 1\n"),
        ("# head\n---\na: 1\n...\n", "b", 2, "# head\n---\na: 1\nb: 2\n...\n"),
    ],
)
def test_shapes(text: str, keys: str, value: Any, after: str) -> None:
    assert edit.edited(document.parse(PATH, text), tuple(keys.split(".")), value).text == after


@pytest.mark.parametrize("value", ["y", {"in": [1, True]}])
@pytest.mark.parametrize(
    ("text", "keys", "after"),
    [
        ("a: {b: c,  # in\n   d: e}\nf: g\n", "a.b", "a: {b: NEW,  # in\n   d: e}\nf: g\n"),
        ("a: {b: 1, # c\n d: 2 # e\n}\n", "a.new", "a: {b: 1, # c\n d: 2, new: NEW # e\n}\n"),
        ("a: {b: 1,}\n", "a.new", "a: {b: 1, new: NEW,}\n"),
        ("a: { # c\n }\n", "a.new", "a: {new: NEW # c\n }\n"),
        ('a: {"b":1, "c":}\n', "a.c", 'a: {"b":1, "c": NEW}\n'),
        ("a: 'x # no comment'  # c\n", "a", "a: NEW  # c\n"),
        ("a: # why\n  b: 1 # gone\n# c\n", "a", "a: NEW # why\n# c\n"),
        ("a: &x # x: y\n  - 1\n  # c\n", "a", "a: &x NEW # x: y\n  # c\n"),
        ("a:\n- x\n...\n", "new", "a:\n- x\nnew: NEW\n...\n"),
        ("a: | # why\n  t\n\n# c\n", "a", "a: NEW # why\n\n# c\n"),
        ("a: |\n  t\n\n# c\n", "new", "a: |\n  t\nnew: NEW\n\n# c\n"),
        ("a:\n  b: |+\n    x\n\n\n# c\n", "a.new", "a:\n  b: |+\n    x\n\n\n  new: NEW\n# c\n"),
        ("a:\r\n  b: 1", "a.new", "a:\r\n  b: 1\r\n  new: NEW\r\n"),
        ("# c\r\n", "new", "# c\r\nnew: NEW\r\n"),
    ],
)
def test_comments_in_odd_places(text: str, keys: str, after: str, value: Any) -> None:
    new = edit.edited(document.parse(PATH, text), tuple(keys.split(".")), value)
    assert new.text == after.replace("NEW", document.flow(value))


@pytest.mark.parametrize(
    ("text", "keys"), [("? a\n: 1  # c\n", "new"), ("a: {b,  # c\n  c: 1}\n", "a.b"), ("~\n", "new")]
)
def test_a_layout_that_is_not_known_is_refused_with_what_to_write(text: str, keys: str) -> None:
    with pytest.raises(ConfigError, match=rf"wf\.config\.yaml has a layout in which {keys} cannot be set") as caught:
        edit.edited(document.parse(PATH, text), tuple(keys.split(".")), [1, "a b"])
    assert caught.value.hint == f'write it by hand: {keys.rpartition(".")[2]}: [1, "a b"]'


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ('{"a": 1}', '{\n  "a": 2\n}'),
        ('{\n    "a": 1\n}\n', '{\n    "a": 2\n}\n'),
        ('{\r\n\t"a": 1\r\n}\r\n', '{\r\n\t"a": 2\r\n}\r\n'),
    ],
)
def test_json_keeps_its_indentation_and_line_ends(text: str, after: str) -> None:
    assert edit.edited(document.parse(Path("wf.config.json"), text), ("a",), 2).text == after


@settings(max_examples=300, deadline=None)
@given(text=texts(), data=st.data())
def test_one_value_goes_and_all_else_keeps_its_bytes(text: str, data: Any) -> None:
    old = document.parse(PATH, text)
    keys = data.draw(st.sampled_from([path for path in paths(old.value) if present(old.value, path)]))
    note(text)
    gone = keys  # An entry that was the only one takes its mapping with it.
    while len(gone) > 1 and len(edit.value_at(old.value, gone[:-1])) == 1:
        gone = gone[:-1]
    wanted = copy.deepcopy(old.value)
    del edit.value_at(wanted, gone[:-1])[gone[-1]]
    assume(wanted)  # A document that had one entry may end with a mark that needs one.
    try:
        new = edit.removed(old, keys)
    except ConfigError:
        # Blank lines behind a kept text belong to it. Where that would grow or shrink, nothing is taken out.
        assert "|+" in text or ">+" in text
        return
    note(new.text)
    assert new.value == wanted
    before, after = (part.replace("\r\n", "\n").split("\n") for part in (text, new.text))
    changed = touched(text.replace("\r\n", "\n"), gone)
    assert follows([line for n, line in enumerate(before) if n not in changed and line], after)


@pytest.mark.parametrize(
    ("text", "keys", "after"),
    [
        ("a: {b: 1, c: 2} # x\n", "a.b", "a: {c: 2} # x\n"),
        ("a: {b: 1, c: 2} # x\n", "a.c", "a: {b: 1} # x\n"),
        ("a: [b, c,  d]\n", "a.1", "a: [b, d]\n"),
        ("a:\n- b\n- c # x\n# y\n", "a.1", "a:\n- b\n# y\n"),
        ("# x\na:\n  # y\n  b: 1\n  c: |\n    t\n\nd: 2", "a.c", "# x\na:\n  # y\n  b: 1\n\nd: 2"),
        ("a: 1 # x\n# y\n", "a", "# y\n"),
    ],
)
def test_shapes_without_an_entry(text: str, keys: str, after: str) -> None:
    assert edit.removed(document.parse(PATH, text), tuple(keys.split("."))).text == after


def test_a_layout_from_which_nothing_can_be_taken_is_refused() -> None:
    """The first key of an item stands on the line of its dash."""
    text = "a:\n  - b: 1\n    c: 2\n"
    with pytest.raises(ConfigError, match=r"a layout from which a\.0\.b cannot be taken"):
        edit.removed(document.parse(PATH, text), ("a", "0", "b"))
