"""The site: what its checker refuses, and how links out of docs/ are translated (where mkdocs is installed)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "docs" / "site_tools"


def checked(site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", str(TOOLS / "check_site.py"), str(site)], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ('<script src="https://cdn.example/x.js"></script>', "loads https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//fonts.example/a.css">', "loads //fonts.example/a.css"),
        ('<img src="http://pictures.example/a.png">', "loads http://pictures.example/a.png"),
        ('<a href="gone.html">x</a>', "leads to gone.html, which does not exist"),
        ('<a href="#gone">x</a>', "leads to #gone, a place that does not exist"),
        ('<a href="other.html#gone">x</a>', "leads to other.html#gone, a place that does not exist"),
        ('<img src="gone.png">', "leads to gone.png, which does not exist"),
    ],
)
def test_the_checker_refuses(tmp_path: Path, page: str, fault: str) -> None:
    (tmp_path / "other.html").write_text('<h1 id="here">x</h1>', encoding="utf-8")
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    done = checked(tmp_path)
    assert done.returncode == 1
    assert done.stdout == f"{tmp_path / 'index.html'}: {fault}\n"


def test_the_checker_refuses_a_style_that_loads_and_a_site_without_pages(tmp_path: Path) -> None:
    assert checked(tmp_path).returncode == 1
    (tmp_path / "a.css").write_text("@font-face{src:url(https://fonts.example/a.woff)}", encoding="utf-8")
    (tmp_path / "index.html").write_text("", encoding="utf-8")
    assert "loads https://fonts.example/a.woff" in checked(tmp_path).stdout


def test_the_checker_lets_a_sound_site_pass(tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text('<h1 id="here">x</h1>', encoding="utf-8")
    links = '<a href="other.html#here">a</a><a href="https://elsewhere.example">followed by a person only</a>'
    (tmp_path / "index.html").write_text(links, encoding="utf-8")
    done = checked(tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository with the site's configuration and one page of its own; strict, as `make docs` is."""
    pytest.importorskip("mkdocs", reason="make docs installs mkdocs")
    shutil.copytree(TOOLS, tmp_path / "docs" / "site_tools")
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    before, nav = config.split("\nnav:\n")
    assert nav
    plain = "theme: {name: mkdocs}\nplugins: []\n" + before.split("theme:\n")[0] + "\nvalidation:\n"
    (tmp_path / "mkdocs.yml").write_text(plain + before.split("\nvalidation:\n")[1], encoding="utf-8")
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"):
        (tmp_path / name).write_text(f"# {name}\n\n## Here\n\n[a page](docs/deep/page.md#there)\n", encoding="utf-8")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "code.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "docs" / "deep").mkdir()
    return tmp_path


def build(repository: Path, page: str) -> subprocess.CompletedProcess[str]:
    (repository / "docs" / "deep" / "page.md").write_text(f"# Page\n\n## There\n\n{page}\n", encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-P", "-m", "mkdocs", "build", "--strict"],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_links_out_of_docs_work_on_the_site(small: Path) -> None:
    done = build(small, "[top](../../SECURITY.md#here) [code](../../src/code.py) [self](#there)")
    assert done.returncode == 0, done.stderr
    html = (small / "site" / "deep" / "page.html").read_text(encoding="utf-8")
    assert 'href="../SECURITY.html#here"' in html
    assert 'href="../source/src/code.py"' in html
    assert (small / "site" / "source" / "src" / "code.py").read_text(encoding="utf-8") == "x = 1\n"
    assert 'href="deep/page.html#there"' in (small / "site" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "link",
    ["gone.md", "../../GONE.md", "../../src/gone.py", "#gone", "../../SECURITY.md#gone", "../../../outside.md"],
)
def test_a_link_that_leads_nowhere_is_refused(small: Path, link: str) -> None:
    done = build(small, f"[lost]({link})")
    assert done.returncode != 0
    assert link in done.stderr or link.removeprefix("../../") in done.stderr
