"""A folder whose file system fails for a while: every call about a path or a descriptor below it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.stand_ins import stand_in

_LOOKS = ("stat", "lstat", "listdir", "scandir", "readlink")
_CHANGES = (
    "rename", "replace", "link", "unlink", "mkdir", "rmdir", "chmod", "utime",
    "fchmod", "write", "fsync",
)  # fmt: skip


@contextmanager
def outage(code: int, *roots: Path, writes_only: bool = False, calls: Collection[str] = ()) -> Iterator[None]:
    """In the block every call of ``os`` fails with ``code`` below ``roots``; with ``writes_only`` those that change
    something (a file system that is read-only now), with ``calls`` only these."""
    places = [str(root) for root in roots]
    real_readlink = os.readlink

    def fails(path: object) -> bool:
        if isinstance(path, int):
            try:
                path = real_readlink(f"/proc/self/fd/{path}")
            except OSError:
                return False
        return any((os.fspath(path) + "/").startswith(f"{place}/") for place in places)  # type: ignore[call-overload]

    def wrapped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any = ".", *args: Any, **options: Any) -> Any:
            looks = name == "open" and not args[0] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            # Both names of a rename or a link count.
            paths = (path, *(arg for arg in args[:1] if name in ("rename", "replace", "link")))
            if not (looks and writes_only) and any(fails(one) for one in paths):
                raise OSError(code, os.strerror(code), None if isinstance(path, int) else os.fspath(path))
            return real(path, *args, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in calls or ("open", *_CHANGES, *(() if writes_only else _LOOKS)):
            patch.setattr(os, name, stand_in(name, wrapped(name, getattr(os, name))))
        yield


def lasting(seconds: float) -> None:
    """Let an outage last. Its length is what the test is about, so there is no condition to wait for."""
    time.sleep(seconds)
