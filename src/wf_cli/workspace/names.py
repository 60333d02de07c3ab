"""What wf calls the branches, refs and worktrees that it makes. Pure functions: nothing is looked at.

=======================================  ==============================================================
key of a plan                            ``e01-p03``; ``p07`` outside epics
branch of a plan, of an epic             ``wf/e01-p03``, ``wf/e01``: siblings, because a ref cannot be both
                                         a file and a folder
newest snapshot of a plan                ``refs/wf/kept/e01-p03``
last commit of a target that is green    ``refs/wf/green/<target>``
worktree of a plan                       ``<dir>/<repository>-<8 hex>/<host>/e01-p03``
worktree in which a target is merged     ``<dir>/<repository>-<8 hex>/<host>/into-wf-e01``
=======================================  ==============================================================

The path of a plan's worktree is the same for every attempt on a host, because agents find their sessions by it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from wf_cli import ids
from wf_cli.frozen import frozen

#: Prefix of every branch that wf makes, unless the configuration names another one.
BRANCHES = "wf/"
#: In a worktree, the link to the folder of its plan, and the folder of that link.
HERE = ".wf/here"
WAY = f"{HERE}/plan"
#: The file in the administrative folder of a worktree that says whose it is.
RECORD = "wf.json"
#: The project's lock under which worktrees are made and removed.
LOCK = "worktrees"

_KEY = re.compile(r"(?:e(?P<epic>[0-9]{1,9})-)?p(?P<plan>[0-9]{1,9})", re.ASCII)
_INTO = re.compile(r"into-[a-z0-9._-]{1,64}", re.ASCII)
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)
#: A name that a target keeps in the name of its worktree. It has no dash and one slash at most, so no two are alike.
_PLAIN_TARGET = re.compile(r"[a-z0-9_]+(?:/[a-z0-9_]+)?", re.ASCII)


@frozen
class Mark:
    """Whose a worktree is: of the plan, or the target's merges, with ``key``, on ``host``.

    Its text is the reason of git's own lock of the worktree, which keeps ``git worktree prune`` away.
    """

    key: str
    host: str

    def __str__(self) -> str:
        return f"wf {self.key} {self.host}"


def plan_key(plan_id: str, epic_id: str | None) -> str:
    """The key of a plan. Raises ValueError for what is no number, because keys become paths and refs."""
    key = f"e{epic_id}-p{plan_id}" if epic_id else f"p{plan_id}"
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"plan {plan_id!a:.40} of epic {epic_id!a:.40} has no number")
    return key


def numbers(key: str) -> tuple[str, str | None] | None:
    """The numbers of plan and epic in a key; None for what is no key of a plan."""
    found = _KEY.fullmatch(key)
    return (found["plan"], found["epic"]) if found is not None else None


def plan_branch(key: str, *, branches: str = BRANCHES) -> str:
    """The branch of the plan with ``key``."""
    return f"{branches}{key}"


def epic_branch(epic_id: str, *, branches: str = BRANCHES) -> str:
    """The branch into which the plans of an epic are merged by default."""
    if not re.fullmatch(r"[0-9]{1,9}", epic_id, re.ASCII):
        raise ValueError(f"epic {epic_id!a:.40} has no number")
    return f"{branches}e{epic_id}"


def kept_ref(key: str) -> str:
    """The ref that holds the newest snapshot of a worktree. Its second parent is the snapshot before."""
    return f"refs/wf/kept/{key}"


def green_ref(target: str) -> str:
    """The ref that tells the last commit of a target whose gates are known to pass (`wf_cli.workspace.testing`)."""
    return f"refs/wf/green/{target}"


def into_key(target: str) -> str:
    """The key of the worktree in which plans are merged into ``target``: ``into-wf-e01``.

    A name that could become that of another target, also on a disk without upper and lower case, gets a digest.
    """
    if _PLAIN_TARGET.fullmatch(target) and len(target) <= 40:
        return f"into-{target.replace('/', '-')}"
    digest = hashlib.sha256(target.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"into-{ids.component(target, limit=40)}--{digest}"


def folder_of_repository(common_dir: Path) -> str:
    """The folder for worktrees of one repository. ``common_dir`` is its common git directory, resolved.

    Two repositories of one name differ in the digest of their paths.
    """
    top = common_dir.parent if common_dir.name == ".git" else common_dir
    digest = hashlib.sha256(os.fsencode(common_dir)).hexdigest()[:8]
    return f"{ids.component(top.name.removesuffix('.git'), limit=40)}-{digest}"


def worktree(folder: Path, common_dir: Path, host: str, key: str) -> Path:
    """The path of the worktree with ``key``. ``folder`` is that of all worktrees (`default_folder`)."""
    return folder / folder_of_repository(common_dir) / host / key


def default_folder(environ: Mapping[str, str]) -> Path | None:
    """The folder for worktrees where the configuration names none; None when the user has no home.

    It lies in the user's state folder and outside the project, because test runners, linters and agents climb to
    the folders above and crawl those below.
    """
    for name, below in (("XDG_STATE_HOME", ""), ("HOME", ".local/state")):
        given = environ.get(name, "")
        if os.path.isabs(given):  # The specification has a relative one ignored.
            return Path(given, below, "wf", "worktrees")
    return None


def parse_mark(reason: str) -> Mark | None:
    """The mark in the reason of a lock; None for a lock that somebody else has made."""
    words = reason.strip().split(" ")
    if len(words) != 3 or words[0] != "wf" or not _HOST.fullmatch(words[2]):
        return None
    key = words[1]
    return Mark(key, words[2]) if _KEY.fullmatch(key) or _INTO.fullmatch(key) else None


def left_uncommitted(plan_id: str, job_id: str | None, attempt: int | None) -> str:
    """The message of the commit that holds what an agent, or a person, handed over without committing it."""
    by = f" by {job_id} a{attempt}" if job_id is not None else ""
    return f"plan {plan_id}: left uncommitted{by}"
