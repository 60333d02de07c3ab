"""What a worktree gets from its project before an agent starts: a way to its plan, and files that git ignores.

The way is a link, ``.wf/here/plan``, to the plan's folder in the project. Prompts name the link and never the
project's path, because agents that read an absolute path follow it and edit the person's files.

Copies are made at every attempt's start, so that a changed file reaches the next attempt. Only what git ignores in
the worktree is copied: anything else would be committed by the first ``git add --all``. There are no links to files
of the project, because a command that goes through one (``npm ci``) would empty the person's own folder.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from wf_cli import fsio, git, ids, sharing
from wf_cli.contract import text
from wf_cli.errors import StateError
from wf_cli.workspace import names
from wf_cli.workspace.checkout import Ready


class CannotCopy(StateError):
    """A file of ``isolation.copy`` that cannot be given to a worktree."""

    code = "CANNOT_COPY"


def lay_way(ready: Ready, plan_dir: Path) -> Path:
    """Let ``.wf/here/plan`` in the worktree lead to ``plan_dir``, whatever lies there; the path of the link.

    git ignores the folder of the link, by a file of its own. Raises OSError, and StateError when a part of the path
    is something else on the plan's branch.
    """
    root = ready.place.root
    here = root / names.HERE
    for folder in (here.parent, here):
        if os.path.islink(folder) or (os.path.lexists(folder) and not fsio.is_folder(folder)):
            raise StateError(
                f"{folder} is no folder, so the agent has no way to its plan",
                hint=f"{folder.relative_to(root)} belongs to wf: remove it from the plan's branch",
                path=str(folder),
            )
        sharing.make_folders(folder)
    fsio.write_atomic(here / ".gitignore", "*\n", durable=False)
    way = root / names.WAY
    if os.path.islink(way) and os.readlink(way) == str(plan_dir):
        return way
    if fsio.is_folder(way):
        os.rename(way, here / f"plan.aside-{ids.nonce()}")  # An agent has made it; it may hold work.
    part = here / f"plan.{ids.nonce()}.part"
    os.symlink(plan_dir, part)
    os.replace(part, way)
    return way


def copy(ready: Ready, paths: Iterable[str]) -> tuple[str, ...]:
    """Copy the files or folders ``paths`` from the project; those that the project does not have, which is no error.

    What lies there is replaced. A link is copied as a link. Raises CannotCopy for a path that git does not ignore in
    the worktree, and where a part of it leads out of the worktree; OSError when the disk does not take it.
    """
    missing = []
    for path in paths:
        source, target = ready.place.project / path, ready.place.root / path
        if not os.path.lexists(source):
            missing.append(path)
            continue
        _refuse(ready, path)
        _replace(source, target)
    return tuple(missing)


def _refuse(ready: Ready, path: str) -> None:
    root = ready.place.root
    shown = text.line(path, 200)
    above = root
    for part in Path(path).parts[:-1]:
        above = above / part
        if os.path.islink(above) or (os.path.lexists(above) and not fsio.is_folder(above)):
            raise CannotCopy(
                f"isolation.copy: {shown} cannot be copied into {root}, because {text.line(str(above))} is no folder",
                hint="take the path out of isolation.copy, or repair the plan's branch",
                path=path,
            )
    # A pattern such as ``build/`` is for folders alone, and this one need not be there yet.
    asked = f"{path}/" if fsio.is_folder(ready.place.project / path) else path
    ignored = git.ask(root, "check-ignore", "--quiet", "--", asked).exit_code == 0
    if not ignored or git.need(root, "--literal-pathspecs", "ls-files", "--", path).out:
        raise CannotCopy(
            f"isolation.copy: git does not ignore {shown} on the plan's branch, so its copy would be committed",
            hint="add it to .gitignore and commit that, or take it out of isolation.copy",
            path=path,
        )


def _replace(source: Path, target: Path) -> None:
    sharing.make_folders(target.parent)
    part = target.with_name(f".{target.name}.{ids.nonce()}.part")
    try:
        if os.path.islink(source):
            os.symlink(os.readlink(source), part)
        elif fsio.is_folder(source):
            shutil.copytree(source, part, symlinks=True)
        else:
            try:
                data, info = fsio.read_with_info(source)
            except ValueError:
                raise CannotCopy(
                    f"isolation.copy: {text.line(str(source))} is neither a file nor a folder",
                    hint="take it out of isolation.copy",
                    path=str(source),
                ) from None
            fsio.write_new(part, data, durable=False, mode=stat.S_IMODE(info.st_mode))
        if os.path.isdir(target) and not os.path.islink(target):
            shutil.rmtree(target)
        os.replace(part, target)
    except BaseException:
        if os.path.isdir(part) and not os.path.islink(part):
            shutil.rmtree(part, ignore_errors=True)
        else:
            fsio.unlink_quietly(part)
        raise
