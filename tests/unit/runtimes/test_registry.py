"""Adapters by name, and their options."""

import pytest

from wf_cli.errors import ConfigError
from wf_cli.runtimes import registry
from wf_cli.runtimes.base import RuntimeSettings
from wf_cli.runtimes.cursor.adapter import CursorAdapter


def test_an_adapter_is_made_from_its_settings() -> None:
    assert isinstance(registry.make(RuntimeSettings("c", "cursor")), CursorAdapter)


def test_an_unknown_adapter_names_its_place_the_nearest_and_all() -> None:
    with pytest.raises(ConfigError, match=r"runtimes\.x\.adapter") as caught:
        registry.make(RuntimeSettings("x", "opncode"))
    hint = str(caught.value.hint)
    assert "did you mean opencode" in hint
    assert all(name in hint for name in registry.ADAPTERS)


@pytest.mark.parametrize(
    ("adapter", "key", "value"), [("cursor", "args", "--x"), ("scripted", "items", True), ("scripted", "delay", "1")]
)
def test_an_option_of_the_wrong_type_names_its_place(adapter: str, key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"runtimes\.x\.options\.{key} must be"):
        registry.make(RuntimeSettings("x", adapter, options={key: value}))
