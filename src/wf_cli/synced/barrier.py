"""The barrier: whether a disk has the files that a list names, and what a disk has to list.

It is closed when each path has its digest, paths that are listed as absent are absent, and an exact folder holds
nothing else. Conflict copies do not count, and are told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from enum import StrEnum
from pathlib import Path

from wf_cli.contract import text
from wf_cli.frozen import frozen
from wf_cli.synced.hashes import Hashes
from wf_cli.synced.listing import Files
from wf_cli.synced.trees import Tree


class What(StrEnum):
    """What is wrong with a file."""

    MISSING = "missing"
    DIFFERS = "differs"
    STILL_THERE = "still there"


@frozen
class Gap:
    """A file that keeps a barrier open."""

    path: str
    what: What
    #: The sync tool's copies of it, beside it.
    copies: tuple[str, ...] = ()

    def __str__(self) -> str:
        beside = f" (conflict copy {', '.join(self.copies)})" if self.copies else ""
        return text.line(f"{self.path}: {self.what}{beside}", 500)


@frozen
class Barrier:
    """What a disk lacks of a list."""

    gaps: list[Gap] = field(default_factory=list)
    #: Conflict copies in the exact folder.
    copies: list[str] = field(default_factory=list)

    @property
    def closed(self) -> bool:
        return not self.gaps


class Checkout:
    """The files of one checkout, listed and compared. For one look: what is listed is remembered during it.

    Every method raises what `Hashes.of` raises.
    """

    def __init__(
        self, root: Path, memory: Path, *, not_synced: Sequence[str] = (), go_on: Callable[[], bool] = lambda: True
    ):
        self._files = Files(root, not_synced)
        self.hashes = Hashes(root, memory, go_on=go_on)

    def whole(self, *, absent: Sequence[str] = ()) -> Tree:
        """Every file of the checkout; those of ``absent`` that are not there are listed as absent."""
        paths = self._files.whole()
        listed = self._digests(paths)
        self.hashes.forget_others(paths.values())
        gone = {path: None for path in absent if path not in listed and self.hashes.of(path) is None}
        self.hashes.save()
        return Tree({**gone, **listed})

    def folder(self, folder: str) -> Tree:
        """Every file in ``folder``, which holds nothing else."""
        tree = Tree(self._digests(self._files.inside(folder)), folder)
        self.hashes.save()
        return tree

    def changed(self, since: Tree, *, exact: str | None = None) -> Tree:
        """What differs from ``since``, as it is now, and the folder ``exact`` whole: what attempts here have done."""
        here = self._digests(self._files.whole())
        files: dict[str, str | None] = {}
        for path in {*since.files, *here}:
            now = here.get(path) or (self.hashes.of(path) if self._files.takes(path) else since.files.get(path))
            if now != since.files.get(path):
                files[path] = now
        if exact is not None:
            files |= self._digests(self._files.inside(exact))
        self.hashes.save()
        return Tree(files, exact)

    def compare(self, tree: Tree, *, most: int = 100) -> Barrier:
        """What the disk lacks of ``tree``, ``most`` gaps at most. Paths that are not synced here are passed over."""
        out = Barrier()
        for path, wanted in sorted(tree.files.items()):
            if len(out.gaps) >= most:
                break
            if not self._files.takes(path):
                continue
            found = self.hashes.of(path)
            if found != wanted:
                what = What.MISSING if found is None else What.STILL_THERE if wanted is None else What.DIFFERS
                out.gaps.append(Gap(path, what, tuple(self._files.copies_beside(path))))
        if tree.exact is not None:
            named = {gap.path for gap in out.gaps}
            for path in sorted(self._digests(self._files.inside(tree.exact))):
                if tree.files.get(path) is None and path not in named and len(out.gaps) < most:
                    out.gaps.append(Gap(path, What.STILL_THERE))
            out.copies.extend(self._files.copies_in(tree.exact))
        self.hashes.save()
        return out

    def _digests(self, paths: dict[str, str]) -> dict[str, str | None]:
        out: dict[str, str | None] = {}
        for path, on_disk in paths.items():
            digest = self.hashes.of(on_disk)
            if digest is not None:
                out[path] = digest
        return out
