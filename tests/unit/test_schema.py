"""The quick check of a shape accepts every example, and never what jsonschema refuses."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli import schema
from wf_cli.config import document
from wf_cli.errors import ConfigError

DATA = Path(__file__).parents[1] / "data" / "config"
KINDS = sorted(path.name.removesuffix(".schema.json") for path in Path(__file__).parents[2].glob("schemas/*.json"))


def documents(folder: str) -> list[Path]:
    return sorted(path for path in (DATA / folder).iterdir() if path.suffix in (".yaml", ".json"))


def refuses(kind: str, value: Any) -> bool:
    return not jsonschema.Draft202012Validator(schema.load(kind)).is_valid(value)


@pytest.mark.parametrize("path", documents("valid"), ids=lambda path: path.name)
def test_a_valid_file_needs_no_explanation(path: Path) -> None:
    assert schema.conforms("wf.config", document.read(path).value)


@pytest.mark.parametrize("path", documents("invalid"), ids=lambda path: path.name)
def test_no_file_that_jsonschema_refuses_passes(path: Path) -> None:
    try:
        value = document.read(path).value
    except ConfigError:
        return
    assert not (refuses("wf.config", value) and schema.conforms("wf.config", value))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "5s", "fsync", "x" * 300, "a b"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["dir", "base", "x"]), inner, max_size=3)
    ),
    max_leaves=4,
)
EXAMPLES = [document.read(path).value for path in documents("valid")]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything inside ``value``."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in places(item, (*path, key)))]


@given(st.data())
def test_a_value_put_anywhere_into_a_valid_file_is_never_waved_through(data: st.DataObject) -> None:
    value = copy.deepcopy(data.draw(st.sampled_from(EXAMPLES)))
    *way, last = data.draw(st.sampled_from([place for place in places(value) if place] or [("version",)]))
    holder = value
    for key in way:
        holder = holder[key]
    holder[last] = data.draw(VALUES)
    if schema.conforms("wf.config", value):
        assert not refuses("wf.config", value)


@pytest.mark.parametrize("kind", KINDS)
@given(VALUES)
def test_nor_is_any_other_value(kind: str, value: Any) -> None:
    if schema.conforms(kind, value):
        assert not refuses(kind, value)


def test_a_configuration_that_is_right_is_read_without_jsonschema(tmp_path: Path) -> None:
    (tmp_path / "wf.config.json").write_text(json.dumps({"version": 1, "timeouts": {"stall": "5m"}}))
    code = f"""
import sys
from pathlib import Path
from wf_cli.config.load import load
assert load(Path({str(tmp_path)!r}), {{}}).config.timeouts.stall_s == 300
assert "jsonschema" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
