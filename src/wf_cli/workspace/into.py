"""The worktree in which plans are merged into one target, on this host.

Nobody works in it: it holds a commit of the target, or a merge whose gates run. Whoever merges there holds the lock
beside it (`wf_cli.workspace.merging`). What gates leave behind is kept by a snapshot, as in any worktree.
"""

from __future__ import annotations

from pathlib import Path

from wf_cli.frozen import frozen
from wf_cli.workspace import checkout, linked, names
from wf_cli.workspace.checkout import Ready
from wf_cli.workspace.names import Mark


@frozen
class Into:
    """The worktree of one target, which is there."""

    ready: Ready
    target: str

    @property
    def top(self) -> Path:
        """Its top."""
        return self.ready.place.top

    @property
    def below(self) -> str:
        """The project's folder below the top; empty where it is the top."""
        return self.ready.place.below

    def put(self, _top: Path, commit: str) -> None:
        """Let it hold ``commit`` and nothing else but ignored files; what lay there is in a snapshot."""
        checkout.put(self.ready, commit, f"left in the worktree of {self.target}")


def need(project: Path, folder: Path, host: str, target: str, commit: str) -> Into:
    """The worktree for merges into ``target`` below ``folder``, made at ``commit`` if it is not there.

    Raises what `checkout.need` raises.
    """
    place = linked.place(project, folder, Mark(names.into_key(target), host))
    return Into(checkout.need(place, commit), target)
