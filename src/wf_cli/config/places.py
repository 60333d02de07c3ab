"""Where files are, as far as names and the environment tell. Imports little, for commands that only look."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from wf_cli.config import home
from wf_cli.errors import ConfigError

#: What a configuration may be called; one of them per project.
NAMES = ("wf.config.yaml", "wf.config.yml", "wf.config.json")
#: The spool, unless a configuration names another folder.
SPOOL = ".wf/spool"


def find(root: Path) -> Path | None:
    """The configuration file of the project at ``root``; ConfigError when it has two.

    Raises OSError when the disk does not tell. It must not be read as "none", because the defaults would hold then.
    """
    found = [name for name in NAMES if _is_there(root / name)]
    if len(found) > 1:
        raise ConfigError(
            f"{root} has {' and '.join(found)}: which one holds?",
            hint=f"keep one of them: move what you need into {found[0]} and delete the other",
            path=str(root),
        )
    return root / found[0] if found else None


def _is_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def spool_of_environment(root: Path, environ: Mapping[str, str]) -> str | None:
    """The spool that ``WF_SPOOL`` names, which an agent's environment has; None when it is not for this project."""
    given = environ.get("WF_SPOOL")
    try:
        spool = home.path(given, environ) if given else None
    except ValueError as error:
        raise ConfigError(f"WF_SPOOL: {error}", hint="set it to an absolute path, or unset it") from None
    # An agent may call wf in another project, such as a scratch repository, which has another spool.
    owner = environ.get("WF_PROJECT") or environ.get("WF_ROOT")
    ours = not owner or os.path.realpath(owner) == os.path.realpath(root)
    return spool if spool and os.path.isabs(spool) and ours else None


def spool_without_configuration(root: Path, environ: Mapping[str, str], given: str | None) -> Path | None:
    """The spool's folder in a project without wf.config; None where the configuration has to be loaded.

    ``given`` is the folder that the command line names. The answer is that of `load.load`, and costs less.
    """
    if find(root) is not None:
        return None
    return root.absolute() / (given or spool_of_environment(root, environ) or SPOOL)
