"""File events of systems other than Linux, by watchdog."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileCreatedEvent, FileMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

# An observer that stops while an event comes logs an error, which does no harm. Without a handler Python would print
# it on stderr, into the worker's picture.
logging.getLogger("watchdog").addHandler(logging.NullHandler())


class Watchdogs:
    """Calls ``on_file(folder, name)`` from a thread of its own for each file that appears in a watched folder.

    Raises OSError when the system has no room for another observer.
    """

    def __init__(self, on_file: Callable[[str, str], None]):
        self._on_file = on_file
        self._folders: set[str] = set()
        self._observer = Observer()
        self._observer.start()

    @property
    def watched(self) -> set[str]:
        """The keys of the folders that were handed to `watch`."""
        return self._folders if self._observer.is_alive() else set()

    def watch(self, folder: str, path: Path) -> None:
        """Watch the folder at ``path``. Raises OSError."""
        handler = _Handler(path, lambda name: self._on_file(folder, name))
        self._observer.schedule(handler, str(path), event_filter=[FileCreatedEvent, FileMovedEvent])
        self._folders.add(folder)

    def close(self) -> None:
        """No call of ``on_file`` begins after this, unless one is under way for more than five seconds."""
        self._observer.stop()
        self._observer.join(timeout=5)


class _Handler(FileSystemEventHandler):
    def __init__(self, folder: Path, on_name: Callable[[str], None]):
        self._folder = os.fspath(folder)
        self._on_name = on_name

    def on_any_event(self, event: FileSystemEvent) -> None:
        folder, name = os.path.split(os.fsdecode(event.dest_path or event.src_path))
        if folder == self._folder:  # A move out of the folder is an event of it, too.
            self._on_name(name)
