"""Quick looks at many small files of one folder, for commands that look at a whole spool."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from wf_cli import anchored
from wf_cli.anchored import StrPath

#: Bytes of the largest file that is read.
SMALL = 64 * 1024
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
)


def contents(folder: StrPath, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """Each of these names of ``folder`` with the bytes of its file.

    None for what is no regular file, has more than `SMALL` bytes, is not there or cannot be read. `fsio.read_regular`
    tells which it is. The folder stays open until the last name. OSError when it cannot be opened.
    """
    with anchored.inside(folder) as opened:
        for name in names:
            try:
                fd = opened(name, _FLAGS)
            except OSError:
                yield name, None
                continue
            try:
                data = _whole(fd)
            except OSError:
                data = None
            finally:
                os.close(fd)
            yield name, data


def _whole(fd: int) -> bytes | None:
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode) or info.st_size > SMALL:
        return None
    data = os.read(fd, info.st_size + 1)
    return data if len(data) == info.st_size else None
