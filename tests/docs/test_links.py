"""A link of a page leads to a file of the repository, and its anchor to a heading, as a viewer follows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]*))?\)")


def prose(page: Path) -> str:
    """A page without its blocks and without `code`, where brackets are no links."""
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"))
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page: Path) -> set[str]:
    """The anchors that a viewer of repositories gives to the headings of a page."""
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"))
    headings = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for path, anchor in _LINK.findall(prose(page)):
        target = (page.parent / path).resolve() if path else page
        if not target.is_relative_to(ROOT) or not target.exists():
            lost.append(path)
        elif anchor and anchor not in anchors(target):
            lost.append(f"{path}#{anchor}")
    assert not lost


@pytest.mark.parametrize("folder", ["how-to", "reference", "explanation"])
def test_the_overview_of_a_folder_names_each_of_its_pages(folder: str) -> None:
    here = ROOT / "docs" / folder
    overview = (here / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in here.glob("*.md")} - {"README.md"}
    assert {name for name in pages if f"]({name})" not in overview} == set()
