"""Wake-ups: what changed in the spool, as soon as the system tells. An accelerator; a rescan is the truth."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileCreatedEvent, FileMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from wf_cli.spool.layout import Spool

# An observer that stops while an event comes logs an error, which does no harm. Without a handler Python would print
# it on stderr, into the worker's picture.
logging.getLogger("watchdog").addHandler(logging.NullHandler())


#: Where watchdog pairs the two halves of a move, in its versions.
_PAIRING = (("inotify_move_event_grouper", "InotifyMoveEventGrouper"), ("inotify_buffer", "InotifyBuffer"))


def _do_not_pair_moves() -> None:
    """Have watchdog hand on each half of a move as it comes.

    It holds the first half back for half a second, or until the second half comes. But a thread that has looked at a
    first half sleeps for all of that time, and everything behind it waits: now and then a job was seen up to half a
    second late. A second half alone is told as a new file, which is all that is wanted here.
    """
    for module, name in _PAIRING:
        with contextlib.suppress(ImportError):
            found = getattr(importlib.import_module(f"watchdog.observers.{module}"), name, None)
            if found is not None:
                found.delay = 0.0


class Watcher:
    """Calls ``on_change(folder, name)`` from its own thread for files that appear in the spool.

    Watches the root recursively, filtered to created and moved.
    """

    def __init__(self, spool: Spool, on_change: Callable[[str, str], None], on_trouble: Callable[[str], None]):
        self._root = spool.root.resolve()
        self._on_change = on_change
        self._observer: threading.Thread | None = None
        _do_not_pair_moves()
        try:
            observer = Observer()
            observer.schedule(
                _Handler(self._changed),
                str(self._root),
                recursive=True,
                event_filter=[FileCreatedEvent, FileMovedEvent],
            )
            observer.start()
        except OSError as error:  # ENOSPC: no watches left; EMFILE: no instances left
            on_trouble(f"cannot watch {self._root} ({error.strerror}); polling instead")
            return
        self._observer = observer

    @property
    def active(self) -> bool:
        """Whether events can be expected."""
        return self._observer is not None and self._observer.is_alive()

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()  # type: ignore[attr-defined]
            self._observer.join(timeout=5)
            self._observer = None

    def _changed(self, path: str) -> None:
        folder, name = os.path.split(path)
        if Path(folder).parent == self._root:
            self._on_change(os.path.basename(folder), name)


class _Handler(FileSystemEventHandler):
    def __init__(self, changed: Callable[[str], None]):
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        target = event.dest_path or event.src_path
        self._changed(os.fsdecode(target))
