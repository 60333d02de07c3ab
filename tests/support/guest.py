"""The first process of a virtual machine of `support.kernels`: it starts, on the machine, what the outside orders.

``guest.py FOLDER``: the folder is one that the outside sees too. ``NAME.order`` there is a program to start, or the
name of an order whose program is to be killed. ``NAME.ended`` says with what status a program ended. Every file
appears whole under its name.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.rename(part, path)


def _start(order: dict[str, object]) -> int:
    with open(str(order["log"]), "ab") as log:
        process = subprocess.Popen(
            [str(word) for word in order["argv"]],  # type: ignore[attr-defined]
            cwd=str(order["folder"]),
            env=order["environment"],  # type: ignore[arg-type]
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # The loop below waits for every child, as the first process of a machine has to, so the object must not.
    process.returncode = 0
    return process.pid


def serve(folder: Path) -> None:
    """Obey for ever. An order whose program cannot be started has ended with 127."""
    seen: set[str] = set()
    names: dict[int, str] = {}
    while True:
        for entry in sorted(os.listdir(folder)):
            name, _, kind = entry.rpartition(".")
            if kind != "order" or name in seen:
                continue
            seen.add(name)
            order = json.loads((folder / entry).read_text(encoding="utf-8"))
            if "kill" in order:
                for pid in [pid for pid, of in names.items() if of == order["kill"]]:
                    os.kill(pid, signal.SIGKILL)
                continue
            try:
                names[_start(order)] = name
            except OSError as error:
                with contextlib.suppress(OSError):
                    Path(str(order["log"])).write_text(f"{error}\n", encoding="utf-8")
                _write(folder / f"{name}.ended", "127")
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid in names:
                _write(folder / f"{names.pop(pid)}.ended", str(os.waitstatus_to_exitcode(status)))
        time.sleep(0.02)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
