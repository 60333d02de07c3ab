"""Stand-ins for calls of `os` that are told whole paths, also where the code names a folder by its descriptor."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

_readlink = os.readlink
_open_files = "/proc/self/fd/{}"


def stand_in(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """``call`` in the place of ``os.<name>``: it gets whole paths instead of names and descriptors of folders.

    What it does by these paths follows links. A test that puts links somewhere needs the real calls.
    """

    @wraps(call)
    def told(*args: Any, **options: Any) -> Any:
        paths = list(args)
        if name in ("listdir", "scandir") and paths and isinstance(paths[0], int):
            paths[0] = _readlink(_open_files.format(paths[0]))
        folders = (options.pop("src_dir_fd", None) or options.pop("dir_fd", None), options.pop("dst_dir_fd", None))
        for place, fd in enumerate(folders):
            if fd is not None:
                paths[place] = os.path.join(_readlink(_open_files.format(fd)), os.fspath(paths[place]))
        return call(*paths, **options)

    return told
