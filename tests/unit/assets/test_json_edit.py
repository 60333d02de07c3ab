"""One more entry in a JSON file of the user's: everything else stays as it was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wf_cli.assets import json_edit, registrations
from wf_cli.assets.registrations import Found

ENTRY = {"command": "wf", "args": ["mcp"]}

WRITTEN = {
    "two blanks": '{\n  "mcp": {\n    "a": {"b": [1, 2]}\n  },\n  "z": 1.10\n}\n',
    "four blanks": '{\n    "mcp": {\n        "a": 1\n    }\n}\n',
    "tabs": '{\n\t"mcp": {\n\t\t"a": 1\n\t}\n}\n',
    "crlf": '{\r\n  "mcp": {\r\n    "a": 1\r\n  }\r\n}\r\n',
    "mark": '\ufeff{\n  "mcp": {"a": 1}\n}\n',
    "one line": '{"mcp": {"a": 1}, "z": "\\u00e9"}',
    "no section": '{\n  "z": 1e5\n}',
    "no section, crlf, tabs": '{\r\n\t"z": 1\r\n}\r\n',
    "empty section": '{\n  "mcp": {},\n  "z": 0.10\n}\n',
    "empty section over two lines": '{\n  "mcp": {\n  }\n}\n',
    "empty object": "{}\n",
    "braces in strings": '{\n  "q": "}, {",\n  "mcp": {\n    "a\\"}": "{"\n  }\n}\n',
    "several members": '{\n  "mcp": {\n    "b": 1,\n    "a": {}\n  },\n  "y": 1,\n  "z": 2\n}\n',
    "minified": '{"a":1,"mcp":{"b":2}}',
    "brace on a line of its own": '{\n  "mcp":\n  {\n    "a": 1\n  }\n}\n',
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_only_the_entry_is_new(text: str) -> None:
    new = json_edit.added(text, "mcp", "wf", ENTRY)
    expected = json_edit.parse(text)
    expected.setdefault("mcp", {})["wf"] = ENTRY
    assert json_edit.parse(new) == expected
    rest = iter(new)
    kept = "".join(char for char in text if not char.isspace())
    assert all(char in rest for char in kept), "everything that was there is there, in its order"
    if "\r\n" in text:
        assert "\n" not in new.replace("\r\n", "")
    if "\t" in text:
        assert "\n " not in new
    assert new.endswith("\n") == text.endswith("\n")
    assert "\n" in text or "\n" not in new, "one line stays one line"


def test_the_new_lines_look_like_their_neighbours() -> None:
    new = json_edit.added(WRITTEN["four blanks"], "mcp", "wf", {"command": "wf"})
    lines = ["{", '    "mcp": {', '        "a": 1,', '        "wf": {', '            "command": "wf"', "        }",
             "    }", "}", ""]  # fmt: skip
    assert new == "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"mcp": {}}', '{"mcp": {\n  "wf": {\n    "command": "é"\n  }\n}}'),
        ('{"mcp": {"b": 1, "a": 2}}', '{"mcp": {"b": 1, "a": 2, "wf": {"command": "é"}}}'),
        (
            '{\n "z": 1,\n "mcp": {\n  "b": 1,\n  "a": 2\n }\n}',
            '{\n "z": 1,\n "mcp": {\n  "b": 1,\n  "a": 2,\n  "wf": {\n   "command": "é"\n  }\n }\n}',
        ),
        ('{\n "z": 1,\n "y": 2\n}', '{\n "z": 1,\n "y": 2,\n "mcp": {\n  "wf": {\n   "command": "é"\n  }\n }\n}'),
    ],
)
def test_the_entry_is_the_last_of_its_object_and_its_letters_are_not_escaped(text: str, expected: str) -> None:
    assert json_edit.added(text, "mcp", "wf", {"command": "é"}) == expected


def test_a_byte_order_mark_is_part_of_the_text() -> None:
    assert json_edit.decode(b"\xef\xbb\xbf{}") == "\ufeff{}"
    assert json_edit.decode(b"{}") == "{}"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b'{"\\ud800": 1}', "half of a surrogate pair"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"a": 1} // mine\n', "Extra data: line 1 column 10"),
        (b'{\n  // mine\n  "a": 1}', "line 2 column 3"),
        ('{"a": 1}'.encode("utf-16"), "save it as UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "save it as UTF-8"),
        (b'{"a": "\xff"}', "save it as UTF-8"),
        (b"[1]", "no JSON object"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"mcp": 1, "mcpServers": []}', "is no object"),
        (b"<<<<<<< HEAD\n{}\n", "line 1 column 1"),
    ],
)
def test_a_file_that_is_not_understood_is_left_alone_with_the_reason(tmp_path: Path, data: bytes, why: str) -> None:
    for name in ("opencode.json", ".cursor/mcp.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    for done in registrations.register(tmp_path):
        assert done.found is Found.LEFT
        assert why in done.why
        assert (tmp_path / done.file).read_bytes() == data


def test_a_file_with_a_byte_order_mark_and_crlf_is_read_and_keeps_both(tmp_path: Path) -> None:
    path = tmp_path / "opencode.json"
    path.write_bytes(b'\xef\xbb\xbf{\r\n\t"model": "x"\r\n}\r\n')
    registrations.register(tmp_path)
    data = path.read_bytes()
    assert data.startswith(b'\xef\xbb\xbf{\r\n\t"model": "x",\r\n\t"mcp": {\r\n\t\t"wf"')
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert json.loads(data.decode("utf-8-sig"))["mcp"]["wf"]["enabled"] is True
