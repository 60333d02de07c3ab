"""Sample configurations: each file's name says why it is valid or not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wf_cli.config import layers
from wf_cli.config.load import load
from wf_cli.errors import ConfigError

DATA = Path(__file__).parents[2] / "data" / "config"


def samples(kind: str) -> list[Path]:
    return sorted((DATA / kind).iterdir())


@pytest.mark.parametrize("path", samples("valid"), ids=lambda path: path.name)
def test_valid_sample_loads_and_survives_being_written_out(path: Path, tmp_path: Path) -> None:
    loaded = load(tmp_path, {}, path)
    assert layers.build(layers.as_tree(loaded.config)) == loaded.config
    assert all(origin for _, _, origin in loaded.rows())


@pytest.mark.parametrize("path", samples("invalid"), ids=lambda path: path.name)
def test_invalid_sample_is_refused_with_key_path_and_expectation(path: Path, tmp_path: Path) -> None:
    expected = re.search(r'expect: (.*?)(?:$|",)', path.read_text().splitlines()[0])
    assert expected, "the first line says what the message holds"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {}, path)
    assert expected[1].strip() in str(caught.value)
    assert str(path) in str(caught.value), "the message names the file"
