"""A real lack of inotify: a user namespace whose limit is small (Linux; needs `unshare`)."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Sequence

import pytest


def with_limit(limit: str, value: int, words: Sequence[str]) -> list[str]:
    """The command ``words`` in a namespace of its own where ``limit`` (``max_inotify_watches``, ...) is ``value``."""
    script = f'echo {value} > /proc/sys/user/{limit} && exec "$@"'
    return ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh", *words]


@functools.cache
def can_limit() -> bool:
    """Whether this machine lets us make such a namespace."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(with_limit("max_inotify_watches", 1, ["true"]), capture_output=True, check=False)
    return tried.returncode == 0


def skip_without_limits() -> None:
    if not can_limit():
        pytest.skip("SKIPPED, LOUDLY: no user namespace whose inotify limit can be set")
