"""``wf`` as a real process whose system calls and wall clock fail while a file says so.

::

    python wf_under_faults.py FOLDER words of wf ...

``FOLDER/errno`` with ``CODE writes ROOT`` lets every call of `os` below ROOT that changes something fail with that
error, with ``CODE all ROOT`` every call.
``FOLDER/clock`` with a number of seconds sets this process's wall clock by so much.
"""

from __future__ import annotations

import contextlib
import errno
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.outages import outage
from wf_cli import clock

#: Seconds between two looks at the folder.
_EVERY = 0.01


_offset_ms = 0


def _fail_as_told(folder: Path) -> None:
    """Enter and leave the outage of ``errno``, and read ``clock``. For a thread of its own."""
    global _offset_ms
    never = threading.Event()
    with contextlib.ExitStack() as stack:
        told = ""
        while not never.wait(_EVERY):
            now = _text(folder / "errno")
            if now != told:
                stack.close()
                if now:
                    code, what, root = now.split(" ", 2)
                    stack.enter_context(outage(getattr(errno, code), Path(root), writes_only=what == "writes"))
                told = now
            _offset_ms = round(float(_text(folder / "clock") or 0) * 1000)


def _step_the_clock() -> None:
    real = clock.SystemClock.now_ms

    def now_ms(self: clock.SystemClock) -> int:
        return real(self) + _offset_ms

    clock.SystemClock.now_ms = now_ms  # type: ignore[method-assign]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    place = Path(sys.argv.pop(1))
    threading.Thread(target=_fail_as_told, args=(place,), daemon=True).start()
    _step_the_clock()
    from wf_cli.cli.main import main

    sys.exit(main())
