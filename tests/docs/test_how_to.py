"""Pages of docs/how-to whose commands are typed as they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import pages
from support.pages import Reader

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


def text(name: str) -> str:
    return (HOW_TO / name).read_text(encoding="utf-8")


@pytest.mark.timeout(600)
def test_write_a_runtime(reader: Reader) -> None:
    try:
        faults = list(pages.read(text("write-a-runtime.md"), reader))
    finally:
        reader.type("wf worker drain all; wait")  # a fault in the middle would leave them working
    assert not faults, "\n\n".join(faults)


def test_when_work_stands_still(reader: Reader) -> None:
    for command in (
        "git init -q && wf init && wf set-model gpt-5.2",
        "wf config init --file && wf config set distributed on",
        "wf config set runtimes.cursor '{adapter: scripted}'",
        "wf config set runtimes.opencode '{adapter: scripted}'",
        "wf epic create Dates && printf '# Epic\\n\\n## Scope\\n\\n- Plan 1: Read\\n' >epics/01-dates/epic.md",
        "wf epic run 01",
    ):
        code, printed = reader.type(command)
        assert code == 0, printed
    faults = list(pages.read(text("when-work-stands-still.md"), reader))
    assert not faults, "\n\n".join(faults)
