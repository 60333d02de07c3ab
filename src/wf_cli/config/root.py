"""Which folder is the root of the project that a command means.

An agent means the project of its job, whatever folder its shell is in: ``WF_PROJECT``, beside ``WF_JOB_TOKEN``. An
attempt that an older wf has started has only ``WF_ROOT``, the checkout in which the agent works. For a
person the project is looked for upward from the working directory, like git looks for its own:

- The nearest folder with a wf.config, a spool or ``.wf/runtime.json`` is the root.
- The search ends at the top of a git checkout and where another file system begins. It goes on above a submodule.
  Without git it ends below the home folder, and below a folder that anybody may write to, such as ``/tmp``.
- A linked git worktree without a spool of its own is part of the project whose jobs are in the main checkout. With
  ``WF_ROOT`` naming it, it is a project of its own; the first job makes it a spool.

A worktree that wf has made for a plan is no project: a person's command there is refused, with the way to the
project.

With the mode off, a command of the older, command-driven flow means the working directory, as it always has.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from wf_cli import fsio
from wf_cli.config import home, mode, places
from wf_cli.errors import NotFound, Refused, WfError
from wf_cli.frozen import frozen

#: Bytes of the one line in a file of git's that names a folder.
_LINE = 64 * 1024
#: In git's folder for a worktree: whose it is, when wf has made it (`wf_cli.workspace.linked`).
WORKTREE_RECORD = "wf.json"
#: What only a project's root has.
_MARKS = (*places.NAMES, places.SPOOL, ".wf/runtime.json")
#: What older projects have, and what a wf that ran in the wrong folder may have left behind.
_WEAK_MARKS = ("epics", "plans", ".wf")


@frozen
class Root:
    """The root of a project, and what a person should hear about it."""

    path: Path
    note: str | None = None


def of_agent(environ: Mapping[str, str]) -> Path | None:
    """The root that a job's process means; None for a person. Raises NotFound for a folder that is not there."""
    if not environ.get("WF_JOB_TOKEN"):
        return None
    for name in ("WF_PROJECT", "WF_ROOT"):
        given = _named(environ, name)
        if given is not None:
            if not given.is_dir():
                raise NotFound(
                    f"{name} names {given}, which is no folder on this machine",
                    hint=f"the job's project is not here: mount it, or unset WF_JOB_TOKEN and {name} "
                    "to work as a person",
                )
            return given
    return None


def of_person(folder: Path, environ: Mapping[str, str], *, contract: bool) -> Root:
    """The root that a person in ``folder`` means. ``contract``: for a command of the command-driven flow.

    Raises Refused for a worktree of a plan, and for a root of another user's, whose configuration names programs to
    run; ConfigError for one whose mode cannot be read.
    """
    if contract and environ.get("WF_DISTRIBUTED", "1") != "1":
        return Root(folder)
    found = _search(folder, environ)
    if found.path == folder:
        return found
    if contract and not mode.is_distributed(found.path, environ):
        return Root(folder)
    _refuse_foreign(found.path)
    return found


def elsewhere(root: Path) -> Path | None:
    """Another checkout of the repository, or a folder around ``root``, that has a spool; for lists that are empty."""
    for other in (*root.parents, *_worktrees(root)):
        if other != root and _exists(other / places.SPOOL):
            return other
    return None


def _named(environ: Mapping[str, str], name: str) -> Path | None:
    """The folder in a variable; None for none. An editor may hand on a variable that it does not know as it is."""
    given = environ.get(name, "")
    try:
        given = home.path(given, environ)
    except ValueError:
        return None
    return Path(given) if os.path.isabs(given) else None


def _search(folder: Path, environ: Mapping[str, str]) -> Root:
    chain, top = _upward(folder)
    admin = _pointer(top / ".git") if top is not None else None
    if top is not None and admin is not None:
        _refuse_worktree_of_a_plan(top, admin)
        main = _main_checkout(top)
        if main is not None:
            return _in_worktree(chain, top, main, environ)
    if top is None:
        chain = list(_private(chain, environ))
    found = next((one for one in chain if _is_marked(one, _MARKS)), None)
    if found is None and top is not None and environ.get("WF_DISTRIBUTED") == "1":
        found = next((one for one in chain if _is_marked(one, _WEAK_MARKS)), None)
    return Root(found or folder)


def _upward(folder: Path) -> tuple[list[Path], Path | None]:
    """The folders from ``folder`` up to the top of its git checkout, and that top; without git, up to the highest."""
    chain = []
    device = os.stat(folder).st_dev
    for one in (folder, *folder.parents):
        if os.stat(one).st_dev != device:
            break
        chain.append(one)
        git = one / ".git"
        if _exists(git) and not _is_submodule(git):
            return chain, one
    return chain, None


def _private(chain: list[Path], environ: Mapping[str, str]) -> Iterator[Path]:
    """Without git, the folders that can be a project's: the first, and those around it that only few may write to.

    ``/tmp`` is none, because anybody may put a configuration there. The home folder is around every project.
    """
    yield chain[0]
    for one in chain[1:]:
        if os.stat(one).st_mode & stat.S_IWOTH or str(one) in (environ.get("HOME"), one.anchor):
            return
        yield one


def _in_worktree(chain: list[Path], top: Path, main: Path, environ: Mapping[str, str]) -> Root:
    """The root for a folder of the linked worktree ``top`` of the checkout ``main``."""
    named = _named(environ, "WF_ROOT")
    own = next((one for one in chain if named is not None and os.path.realpath(named) == str(one)), None)
    own = own or next((one for one in chain if _has_spool_inside(one)), None)
    if own is not None:
        return Root(own)
    for one in chain:
        there = main / one.relative_to(top)
        if _has_spool_inside(there):
            return Root(
                there,
                f"this is a linked worktree; the project is {there}, where its jobs are "
                f"(WF_ROOT={one} makes it one of its own)",
            )
    marked = next((one for one in chain if _is_marked(one, _MARKS)), None)
    return Root(marked or chain[0])


def _has_spool_inside(root: Path) -> bool:
    """Whether ``root`` has a spool that is no other checkout's, too."""
    spool = root / places.SPOOL
    if places.find(root) is not None:
        from wf_cli.config import load  # Only for linked worktrees, because it is expensive.

        try:
            spool = load.load(root, {"HOME": os.environ.get("HOME", "")}).config.spool_path(root)
        except WfError:
            return _exists(spool)
    return spool.is_relative_to(root) and _exists(spool)


def _is_marked(folder: Path, marks: tuple[str, ...]) -> bool:
    return any(_exists(folder / mark) for mark in marks)


def _exists(path: Path) -> bool:
    """Raises OSError when the disk does not tell. Whatever may not be looked at is nobody's project here."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    return True


def _refuse_worktree_of_a_plan(top: Path, admin: Path) -> None:
    """Refuse a worktree that wf has made for a plan. A copy of ``plans/`` lies there that no other wf looks at."""
    if not _exists(admin / WORKTREE_RECORD):
        return
    import json  # Only here, because every command looks for its project.
    import shlex

    from wf_cli.contract import text

    try:
        record = json.loads(_text(admin / WORKTREE_RECORD))
        project, key = str(record["project"]), str(record["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return  # The file is somebody else's.
    raise Refused(
        f"{top} is the checkout of {text.line(key, 40)}, in which agents work; its project is {text.line(project)}",
        hint=f"cd {shlex.quote(text.line(project))}, and repeat the command there",
        code="WORKTREE_OF_A_PLAN",
        root=project,
    )


def _refuse_foreign(root: Path) -> None:
    """Git refuses a repository that somebody else put around one's folder, and for the same reason."""
    owner = os.stat(root).st_uid
    mine = {os.geteuid()}
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdigit():
        mine.add(int(os.environ["SUDO_UID"]))
    if owner not in mine:
        raise Refused(
            f"the project around this folder is {root}, which belongs to another user",
            hint=f"if you trust it: cd {root}",
            code="PROJECT_OF_ANOTHER_USER",
            root=str(root),
        )


# -- what git has written down


def _is_submodule(git: Path) -> bool:
    target = _pointer(git)
    return target is not None and "modules" in target.parts and "worktrees" not in target.parts


def _main_checkout(top: Path) -> Path | None:
    """The main checkout of the linked worktree ``top``; None for anything else, and for a bare repository."""
    common = _common(top)
    if common is None or common.name != ".git" or common.parent == top:
        return None
    return common.parent


def _common(top: Path) -> Path | None:
    """The shared repository of a linked worktree; None for anything else."""
    target = _pointer(top / ".git")
    if target is None:
        return None
    try:
        return Path(os.path.normpath(target / _text(target / "commondir").strip()))
    except (OSError, ValueError):
        return None


def _pointer(git: Path) -> Path | None:
    """Where a ``.git`` that is a file points to."""
    try:
        if not git.is_file():
            return None
        text = _text(git)
    except (OSError, ValueError):
        return None
    target = text.removeprefix("gitdir:").strip()
    return Path(os.path.normpath(git.parent / target)) if text.startswith("gitdir:") and target else None


def _text(path: Path) -> str:
    return fsio.read_regular(path, _LINE).decode("utf-8")


def _worktrees(root: Path) -> Iterator[Path]:
    """The other checkouts of the repository of ``root``, where it is the top of one."""
    common = _common(root) or root / ".git"
    if common.name == ".git":
        yield common.parent
    try:
        linked = sorted((common / "worktrees").iterdir())
    except OSError:
        return
    for one in linked:
        try:
            yield Path(os.path.normpath(one / _text(one / "gitdir").strip())).parent
        except (OSError, ValueError):
            continue
