"""The same hand-over by others: bare renames, SQLite, and two queues from PyPI (`pip install --group bench`).

Each is a class with ``enqueue(n)`` and ``work(n)``: put ``n`` jobs there, then take each, and say that it is done.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any, Protocol


class Peer(Protocol):
    """A queue that is empty at first."""

    def enqueue(self, n: int) -> None: ...
    def work(self, n: int) -> None: ...


class Renames:
    """Two renames a job, from one folder to the next and on. With ``durable`` both folders are synced after each."""

    def __init__(self, root: Path, durable: bool):
        self._folders = [root / name for name in ("queued", "running", "done")]
        for folder in self._folders:
            folder.mkdir(parents=True)
        self._durable = durable

    def enqueue(self, n: int) -> None:
        for i in range(n):
            fd = os.open(self._folders[0] / str(i), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            os.write(fd, b"x" * 500)
            if self._durable:
                os.fsync(fd)
            os.close(fd)
            self._sync(0)

    def work(self, n: int) -> None:
        for i in range(n):
            for source in (0, 1):
                os.rename(self._folders[source] / str(i), self._folders[source + 1] / str(i))
                self._sync(source + 1)
                self._sync(source)

    def _sync(self, which: int) -> None:
        if self._durable:
            fd = os.open(self._folders[which], os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)


class Sqlite:
    """A table in WAL mode: INSERT; ``UPDATE ... RETURNING`` for the claim; UPDATE for the end."""

    def __init__(self, root: Path, durable: bool):
        root.mkdir(parents=True)
        self._db = sqlite3.connect(root / "jobs.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        self._db.execute("CREATE TABLE job (id INTEGER PRIMARY KEY, state TEXT, owner TEXT, spec TEXT, outcome TEXT)")
        self._db.execute("CREATE INDEX waiting ON job (state, id)")

    def enqueue(self, n: int) -> None:
        for _ in range(n):
            self._db.execute("INSERT INTO job (state, spec) VALUES ('queued', ?)", ("x" * 500,))

    def work(self, n: int) -> None:
        for _ in range(n):
            ((number,),) = self._db.execute(
                "UPDATE job SET state = 'running', owner = 'me' WHERE id ="
                " (SELECT id FROM job WHERE state = 'queued' ORDER BY id LIMIT 1) RETURNING id"
            ).fetchall()
            self._db.execute("UPDATE job SET state = 'done', outcome = ? WHERE id = ?", ("x" * 500, number))


class Huey:
    """huey's SQLite storage: enqueue; dequeue, which deletes the job; a stored result."""

    def __init__(self, root: Path, durable: bool):
        from huey.storage import SqliteStorage

        root.mkdir(parents=True)
        self._storage: Any = SqliteStorage(filename=str(root / "huey.db"), fsync=durable)

    def enqueue(self, n: int) -> None:
        for _ in range(n):
            self._storage.enqueue(b"x" * 500)

    def work(self, n: int) -> None:
        for i in range(n):
            assert self._storage.dequeue() is not None
            self._storage.put_data(str(i), b"x" * 500)


class PersistQueue:
    """persist-queue's SQLite queue with acknowledgement: put; get; ack. It has no switch for syncs (WAL, NORMAL)."""

    def __init__(self, root: Path, durable: bool):
        from persistqueue import SQLiteAckQueue

        root.mkdir(parents=True)
        self._queue: Any = SQLiteAckQueue(str(root), auto_commit=True)

    def enqueue(self, n: int) -> None:
        for _ in range(n):
            self._queue.put(b"x" * 500)

    def work(self, n: int) -> None:
        for _ in range(n):
            self._queue.ack(self._queue.get(block=False))


def known() -> dict[str, type[Renames] | type[Sqlite] | type[Huey] | type[PersistQueue]]:
    """By the name they have in the table; the ones from PyPI where they are installed."""
    found: dict[str, Any] = {"two bare renames": Renames, "SQLite WAL, UPDATE ... RETURNING": Sqlite}
    for module, name, peer in (
        ("huey", "huey (SQLite)", Huey),
        ("persistqueue", "persist-queue (SQLite)", PersistQueue),
    ):
        try:
            __import__(module)
        except ImportError:
            continue
        found[name] = peer
    return found
