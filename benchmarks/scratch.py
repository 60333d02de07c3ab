"""A scratch project with a shell runtime, and workers in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wf_cli.app import App
from wf_cli.spool.layout import Spool

WF = (sys.executable, "-m", "wf_cli")

CONFIG = """\
version: 1
mode: distributed
runtimes:
  RUNTIME
routing:
  builder: {runtime: shell}
"""
_RUNTIME = 'shell: {adapter: command, argv: ["true"]}'


@contextmanager
def project(more: str = "", *, runtime: str = _RUNTIME) -> Iterator[tuple[App, Spool]]:
    """A project with an empty spool, on the disk that holds temporary files. ``more`` are lines of its wf.config."""
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as folder:
        root = Path(folder)
        (root / "wf.config.yaml").write_text(CONFIG.replace("RUNTIME", runtime) + more + "\n", encoding="utf-8")
        app = App(root, environment())
        yield app, app.create_spool()


def environment() -> dict[str, str]:
    """This process's environment, without what sets wf up, and with compiled modules kept, as in an installation.

    Without the latter each command would compile every module of wf again, and no module of typer.
    """
    return {k: v for k, v in os.environ.items() if not k.startswith("WF_") and k != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def worker(app: App, *options: str, leases: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """A `wf worker --runtime shell --watch`. It has its session open: there are so many ``leases`` then."""
    process = subprocess.Popen(
        [*WF, "worker", "--runtime", "shell", "--watch", *options],
        cwd=app.root,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        folder = app.spool_root / "leases"
        wait_until(lambda: len(os.listdir(folder)) >= leases)
        yield process
    finally:
        process.terminate()
        process.wait()


def wait_until(condition: Callable[[], bool], limit: float = 30.0) -> None:
    """Until ``condition`` holds; an error past ``limit`` seconds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the condition did not come true")
        time.sleep(0.001)


def spin_until(condition: Callable[[], bool], limit: float = 30.0) -> None:
    """`wait_until` without a pause, for what is measured in milliseconds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the condition did not come true")
