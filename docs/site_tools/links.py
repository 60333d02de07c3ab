"""A hook of mkdocs: what lies outside docs/ on the site, and the links to it.

In the repository a link is a path from the file that has it, so that every viewer of the repository follows it.
mkdocs knows only docs/. Therefore the documents of the top folder become pages, any other file to which a page
links is copied into ``source/``, and the links are translated. A link to what does not exist is left as it is, and
``mkdocs build --strict`` refuses it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

#: The documents of the top folder that are pages of the site.
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")

#: A link of markdown: what stands before the path, the path, the anchor.
_LINK = re.compile(r"(\]\()(?![a-z]+:|#|/)([^)#\s]+)(#[^)\s]*)?(?=\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents of the top folder, and the other files to which pages link."""
    root = _root(config)
    for name in TOP:
        page = File.generated(config, name, abs_src_path=str(root / name))
        files.append(page)
        page.edit_uri = None
    for page in files.documentation_pages():
        for match in _LINK.finditer(page.content_string):
            path = _in_repository(page.src_uri, match[2])
            copy = f"source/{path}"
            if _is_copied(root, path) and files.get_file_from_path(copy) is None:
                files.append(File.generated(config, copy, abs_src_path=str(root / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Translate the links of one page."""
    root = _root(config)
    here = page.file.src_uri

    def translated(match: re.Match[str]) -> str:
        path = _in_repository(here, match[2])
        if _is_copied(root, path):
            target = f"source/{path}"
        elif path in TOP:
            target = path
        elif path.startswith("docs/"):
            target = path.removeprefix("docs/")
            if (root / path).is_dir():
                target = f"{target}/README.md"
        else:
            return match[0]
        return f"{match[1]}{posixpath.relpath(target, posixpath.dirname(here) or '.')}{match[3] or ''}"

    return _LINK.sub(translated, markdown)


def _root(config: MkDocsConfig) -> Path:
    return Path(config.docs_dir).parent


def _in_repository(page: str, link: str) -> str:
    """The path, from the top of the repository, to which a link leads."""
    folder = "" if page in TOP else posixpath.join("docs", posixpath.dirname(page))
    return posixpath.normpath(posixpath.join(folder, link))


def _is_copied(root: Path, path: str) -> bool:
    return not path.startswith(("docs/", "../")) and path not in TOP and (root / path).is_file()
