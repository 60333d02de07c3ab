"""The picture of a terminal: what it shows, how large it is, and that it loads nothing."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "docs" / "site_tools" / "picture.py"
#: What README may cost a reader who opens it.
MOST_BYTES = 100_000


@pytest.fixture(scope="module")
def picture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("picture", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["picture"] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


def frames(picture: ModuleType, *texts: str) -> Sequence[object]:
    return [picture.Frame(float(at), tuple(text.splitlines())) for at, text in enumerate(texts)]


def shown(svg: str) -> list[list[str]]:
    """The lines of each frame."""
    name = "{http://www.w3.org/2000/svg}"
    groups = ElementTree.fromstring(svg).iter(f"{name}g")
    return [[text.text or "" for text in group.iter(f"{name}text")] for group in groups]


def loads(svg: str) -> list[str]:
    """What a viewer would fetch."""
    without_its_own_name = svg.replace("http://www.w3.org/2000/svg", "")
    return re.findall(r"https?://[^\"' )]*|url\(|@import|<script|<image|href", without_its_own_name)


def test_the_picture_of_readme_is_small_and_whole() -> None:
    svg = (ROOT / "docs" / "images" / "demo.svg").read_text(encoding="utf-8")
    assert len(svg.encode()) < MOST_BYTES
    assert loads(svg) == []
    assert any(line.startswith("epic completed after") for line in shown(svg)[-1])
    assert "](docs/images/demo.svg)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_has_one_size_whatever_is_shown(picture: ModuleType) -> None:
    sizes = set()
    for texts in (["a"], ["a", "b\n" * 100], ["x" * 500]):
        svg = picture.svg(picture.chosen(frames(picture, *texts)), "title")
        root = ElementTree.fromstring(svg)
        sizes.add((root.get("viewBox"), root.get("width"), root.get("height")))
    assert len(sizes) == 1


def test_what_is_shown_cannot_leave_its_text(picture: ModuleType) -> None:
    hostile = '</text><script>alert("x")</script>&'
    svg = picture.svg(picture.chosen(frames(picture, hostile)), hostile)
    assert loads(svg) == []
    assert shown(svg) == [[hostile]]


def test_a_long_recording_stays_small_and_ends_with_its_end(picture: ModuleType) -> None:
    many = frames(picture, *(f"{n}\n" + ("line of a busy screen " * 4 + "\n") * 10 for n in range(2000)))
    kept = picture.chosen(many)
    assert kept[-1] == many[-1]
    assert kept[0] == many[0]
    assert len(kept) <= picture.MOST


def test_a_terminal_is_recorded_as_it_looks(picture: ModuleType) -> None:
    script = r"printf 'one\r\ntwo\r\033[2Kthr'; printf 'ee \303'; printf '\251\033'; printf '[1A!'; stty size"
    found, code = picture.record(["sh", "-c", script])
    assert code == 0
    assert found[-1].lines[:2] == (f"one    !{picture.ROWS} {picture.COLUMNS}", "three é")


def test_long_lines_wrap_and_old_ones_scroll_away(picture: ModuleType) -> None:
    found, code = picture.record(["sh", "-c", "seq 100; printf '%0250d' 0"])
    last = found[-1].lines
    assert code == 0
    assert len(last) == picture.ROWS
    assert [len(line) for line in last[-4:]] == [3, picture.COLUMNS, picture.COLUMNS, 250 - 2 * picture.COLUMNS]


def test_a_program_that_fails_leaves_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    done = subprocess.run(
        [sys.executable, str(TOOL), str(path), "sh", "-c", "echo why; exit 3"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "why" in done.stderr
    assert "ended with 3" in done.stderr
    assert not path.exists()
