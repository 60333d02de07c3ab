"""Directory listings of the past, as sshfs' directory cache and NFS' attribute caches give them.

Only listings are old. Opening, linking and renaming act on the files as they are, as through such a mount.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock


class Caches:
    """The directory cache of one host. A directory that was `keep` gives its old listing until `expire`."""

    def __init__(self) -> None:
        self._kept: dict[str, list[str]] = {}
        self._list = os.listdir

    def keep(self, *folders: Path) -> None:
        """From now on these directories look as they are now."""
        for folder in folders:
            self._kept[str(folder)] = self._list(folder)

    def expire(self) -> None:
        """Every listing is fresh again."""
        self._kept.clear()

    def listdir(self, path: Any = ".") -> list[str]:
        """As `os.listdir`, through the cache."""
        kept = self._kept.get(os.fspath(path))
        return list(kept) if kept is not None else self._list(path)

    @contextmanager
    def mounted(self) -> Iterator[Caches]:
        """In the block this process sees directories through the cache."""
        with mock.patch.object(os, "listdir", self.listdir):
            yield self
