"""``wf init``, ``wf sync``, ``wf skill sync``: templates and skills, copied to where the tools look for them.

The originals are the project's: ``.wf/templates/<tool>/<kind>/`` and ``.wf/skills/<name>/``. Targets under
``.cursor/`` and ``.opencode/`` are overwritten, never removed. ``.wf/managed-files.json`` lists the templates to
copy; its paths are confined to the folder of their kind (quirk 27 in docs/explanation/compatibility.md).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from wf_cli import fsio, ids, sharing
from wf_cli.assets.bundle import KINDS, TOOLS, Kind, TemplateId, Tool, bundled
from wf_cli.errors import Refused, StateError
from wf_cli.frozen import frozen

_SUFFIXES: dict[Kind, tuple[str, ...]] = {"commands": (".md",), "agents": (".md",), "rules": (".md", ".mdc")}


@frozen
class Synced:
    """What was done. ``warnings`` name managed entries that were refused."""

    seeded: bool
    copied: int
    skills: tuple[str, ...]
    warnings: tuple[str, ...]


class NoTemplates(Refused):
    """The project has no templates to copy."""

    code = "NO_TEMPLATES"


def init(root: Path, *, force: bool = False) -> Synced:
    """Give the project its templates, unless it has some, and copy them. ``force``: delete and seed anew."""
    return _sync(root, seed=force or not _has_templates(root), anew=force)


def sync(root: Path, *, reseed: bool = False) -> Synced:
    """Copy the project's templates; NoTemplates, and nothing written, when it has none."""
    if not reseed and not _has_templates(root):
        raise NoTemplates(
            f"{_templates(root)} holds no templates",
            hint="make them with: wf init (or wf sync --reseed)",
            path=str(_templates(root)),
        )
    return _sync(root, seed=reseed, anew=reseed)


def sync_skills(root: Path) -> tuple[str, ...]:
    """Mirror every skill to both tools; the names of the skills. A skill is a folder with a SKILL.md."""
    source = root / ".wf" / "skills"
    found = sorted(entry.parent.name for entry in source.glob("*/SKILL.md")) if source.is_dir() else []
    for name in found:
        for tool in TOOLS:
            _mirror(source / name, root / f".{tool}" / "skills" / name)
    return tuple(found)


def _sync(root: Path, *, seed: bool, anew: bool) -> Synced:
    managed_path = root / ".wf" / "managed-files.json"
    stored = _stored_entries(managed_path)  # Raises for a malformed file before anything is written.
    templates = bundled()
    if anew:
        shutil.rmtree(_templates(root), ignore_errors=True)
    if seed:
        for template, text in templates.items():
            _write(_source(root, template), text.encode())
    kept, warnings = (_found(root), []) if stored is None else _confined(managed_path, stored)
    entries = sorted({*kept, *templates})
    others = [entry for entry in stored or [] if _template_id(entry) is None]
    document = {"version": 1, "entries": [*(_as_entry(template) for template in entries), *others]}
    fsio.write_json(managed_path, document)
    copied = 0
    for template in entries:
        source = _source(root, template)
        if source.is_file():
            _write(
                root / f".{template.tool}" / template.kind / template.relative_path,
                fsio.read_regular(source, follow=True),
            )
            copied += 1
    return Synced(seed, copied, sync_skills(root), tuple(warnings))


def _templates(root: Path) -> Path:
    return root / ".wf" / "templates"


def _source(root: Path, template: TemplateId) -> Path:
    return _templates(root) / template.tool / template.kind / template.relative_path


def _has_templates(root: Path) -> bool:
    return any((_templates(root) / tool / kind).is_dir() for tool in TOOLS for kind in ("commands", "agents"))


def _found(root: Path) -> list[TemplateId]:
    """Every template that lies in the workspace."""
    folders = [(tool, kind, _templates(root) / tool / kind) for tool in TOOLS for kind in KINDS]
    return [
        TemplateId(tool, kind, path.relative_to(folder).as_posix())
        for tool, kind, folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _SUFFIXES[kind]
    ]


def _stored_entries(path: Path) -> list[Any] | None:
    document = fsio.read_json_object(path)
    if document is None:
        return None
    entries = document.get("entries")
    if not isinstance(entries, list):
        raise StateError(f"{path}: entries is no list", hint="remove the file, then: wf sync", path=str(path))
    return entries


def _confined(path: Path, entries: Iterable[Any]) -> tuple[list[TemplateId], list[str]]:
    """The entries that name a file inside the folder of their kind, and a warning for each other one."""
    good, warnings = [], []
    for entry in entries:
        template = _template_id(entry)
        if template is None:
            warnings.append(f"{path}: entry is not used, it names no template of a tool: {entry}")
        else:
            good.append(template)
    return good, warnings


def _template_id(entry: Any) -> TemplateId | None:
    if not isinstance(entry, dict):
        return None
    tool, kind, relative = entry.get("agent"), entry.get("kind"), entry.get("relativePath")
    if tool not in TOOLS or kind not in KINDS or not isinstance(relative, str):
        return None
    parts = PurePosixPath(relative).parts
    if not parts or relative.startswith("/") or ".." in parts or "\\" in relative or "\0" in relative:
        return None
    return TemplateId(tool, kind, relative)


def _as_entry(template: TemplateId) -> dict[str, Tool | Kind | str]:
    return {"agent": template.tool, "kind": template.kind, "relativePath": template.relative_path}


def _write(path: Path, data: bytes) -> None:
    """Replace ``path`` unless it has these bytes already. The file is not synced, because it can be copied again."""
    try:
        if fsio.read_regular(path, follow=True) == data:
            return
    except FileNotFoundError:
        pass
    fsio.write_atomic(path, data, durable=False)


def _mirror(source: Path, target: Path) -> None:
    """Replace ``target`` by a copy of ``source``: bytes, modes and hidden files; links stay links."""
    sharing.make_folders(target.parent)
    part = target.with_name(f".{target.name}.{ids.nonce()}.part")
    try:
        shutil.copytree(source, part, symlinks=True)
        sharing.pass_on_tree(part)
        if target.is_symlink() or target.is_file():
            target.unlink()
        else:
            shutil.rmtree(target, ignore_errors=True)
        os.rename(part, target)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise StateError(
            f"cannot mirror {source} to {target}: {error.strerror or error}", path=str(target)
        ) from error
