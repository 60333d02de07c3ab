"""Check a built site: no page loads anything from another host, and every link within it leads somewhere.

``python docs/site_tools/check_site.py site`` ends with 1 and names each fault. It reads HTML and CSS. What scripts
load while they run is not seen, so features of the theme that load scripts from elsewhere are switched off.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Attributes by which a page loads something at once; the href of an <a> is followed by a person only.
_LOADS = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("use", "href")}
_URL_OF_CSS = re.compile(r"(?:url\(\s*|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)")


class _Page(HTMLParser):
    """What a page loads, where it leads, and the names by which others lead into it."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if value is None:
                continue
            if key in ("id", "name"):
                self.names.add(value)
            if (tag, key) in _LOADS:
                self.loads.append(value)
            if (tag, key) in _LOADS | {("a", "href")}:
                self.links.append(value)


def faults_of(site: Path) -> list[str]:
    """One line for each fault of the site."""
    faults = []
    pages = {}
    for path in sorted(site.rglob("*.html")):
        page = pages[path.resolve()] = _Page()
        page.feed(path.read_text(encoding="utf-8"))
    if not pages:
        return [f"{site}: no page"]
    for path, page in pages.items():
        faults += [f"{path}: loads {link}" for link in page.loads if urlsplit(link).netloc]
        if path.name == "404.html":
            continue  # it is shown at any address, so its links begin at the top of a server
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                faults.append(f"{path}: leads to {link}, which does not exist")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].names:
                faults.append(f"{path}: leads to {link}, a place that does not exist")
    for path in sorted(site.rglob("*.css")):
        faults += [f"{path}: loads {url}" for url in _URL_OF_CSS.findall(path.read_text(encoding="utf-8"))]
    return faults


if __name__ == "__main__":
    found = faults_of(Path(sys.argv[1]))
    print("\n".join(found) or f"{sys.argv[1]}: every link leads somewhere, and nothing is loaded from another host")
    sys.exit(1 if found else 0)
