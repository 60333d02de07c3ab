"""What an error of the configuration says: for each key, in plain words and with an example that is right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wf_cli import schema
from wf_cli.config import check, document, wording
from wf_cli.config.load import load
from wf_cli.errors import ConfigError

ROOT = schema.load("wf.config")
#: Names that stand for any name of a mapping whose keys are free.
FREE = {"routing": "plan-coder", "runtimes": "shell", "failures": "the moon", "env": "NAME", "when": "type"}


def rules(rule: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every part of the schema with the key path of its values."""
    rule = wording.resolved(ROOT, rule)
    if path:
        yield path, rule
    for key, inner in rule.get("properties", {}).items():
        yield from rules(inner, (*path, key))
    if isinstance(rule.get("additionalProperties"), dict):
        yield from rules(rule["additionalProperties"], (*path, FREE[path[-1]]))
    if "items" in rule:
        yield from rules(rule["items"], (*path, "0"))


ALL = [(path, rule) for path, rule in rules(ROOT) if path not in (("$schema",), ("version",))]


def placed(path: tuple[str, ...], value: Any) -> Any:
    """A tree with ``value`` at ``path``."""
    for key in reversed(path):
        value = [value] if key == "0" else {key: value}
    return value


def wrong(rule: Any) -> Iterator[Any]:
    """Values of which each breaks another keyword of ``rule``."""
    kinds = rule.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    yield from [] if rule.keys() & {"enum", "const"} else [value for value, kind in (
        (None, "null"), ([1], "array"), ({"x": {}}, "object"), ("many", "string"), (True, "boolean"), (1.5, "number"),
    ) if kind not in kinds and not (kind == "object" and "array" in kinds)]  # fmt: skip
    if "enum" in rule:
        yield from ("nonsense", 3, None, ["x"], {"a": "b"})
    if "minimum" in rule or "exclusiveMinimum" in rule:
        yield from (-1, 10**9)
    if "pattern" in rule:
        yield from ("a\0b:", "9" * 999)
    if "minLength" in rule:
        yield ""
    if "maxLength" in rule:
        yield "x" * (rule["maxLength"] + 1)
    if "minItems" in rule:
        yield []


@pytest.mark.parametrize(("path", "rule"), ALL, ids=[".".join(path) for path, _ in ALL])
def test_every_wrong_value_is_told_in_plain_words_with_a_right_example(path: tuple[str, ...], rule: Any) -> None:
    seen: list[check.Problem] = []
    for value in wrong(rule):
        tree = placed(path, value)
        if not schema.conforms("wf.config", tree):
            seen += [problem for problem in check.shape(tree) if problem.path[: len(path)] == path]
    assert seen
    for problem in seen:
        assert not re.search(r"(?<!factor)\^|\(\?|\[0-9\]\{|does not match|is not of type|instance", problem.message)
        _, _, example = problem.message.partition("; example: ")
        assert example, problem
        ((key, right),) = document.parse(Path("x.yaml"), example + "\n").value.items()
        end = next(i for i in range(len(problem.path), 0, -1) if not problem.path[i - 1].isdecimal())
        here = problem.path[:end]
        assert key == here[-1]
        assert not [one for one in check.shape(placed(here, right)) if one.path[:end] == here]


def test_an_unknown_key_comes_with_an_example_of_the_key_that_was_meant() -> None:
    (problem,) = check.shape({"retry": {"max_atempts": 3}})
    assert problem.message == "unknown key; did you mean max_attempts?; example: max_attempts: 3"


def test_a_wrong_duration_names_file_line_and_example(tmp_path: Path) -> None:
    (tmp_path / "wf.config.yaml").write_text("version: 1\nlease:\n  duration: 90 seconds\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert str(caught.value).startswith(
        "wf.config.yaml:3: lease.duration: '90 seconds' cannot be read; expected: a duration such as 500ms,"
    )
    assert str(caught.value).endswith("; example: duration: 30s")


@pytest.mark.parametrize(
    ("text", "value_s"), [("1h30m", 5400.0), ("1d2h3m4s5ms", 93784.005), ("1.5h", 5400.0), ("1m500ms", 60.5)]
)
def test_durations_may_have_several_units(tmp_path: Path, text: str, value_s: float) -> None:
    (tmp_path / "wf.config.yaml").write_text(f"timeouts: {{max_runtime: {text}}}\n")
    assert load(tmp_path, {}).config.timeouts.max_runtime_s == value_s


@pytest.mark.parametrize("text", ["30m1h", "1m1m", "1h 30m", "h", "", "1h30", "ms", "1_0s"])
def test_what_is_no_duration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "wf.config.yaml").write_text(f"timeouts: {{max_runtime: {document.flow(text)}}}\n")
    with pytest.raises(ConfigError, match=r"timeouts\.max_runtime: .* cannot be read; expected: a duration"):
        load(tmp_path, {})
