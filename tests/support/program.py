"""The end of a program that is run in a fork of another one."""

from __future__ import annotations

import sys
import traceback
from typing import Any


def exit_code_of(main: Any) -> int:
    """Call ``main`` as an interpreter does for a program; its exit code."""
    try:
        main()
    except SystemExit as exit_:
        if exit_.code is None or isinstance(exit_.code, int):
            return exit_.code or 0
        print(exit_.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001 - what the interpreter does
        traceback.print_exc()
        return 1
    return 0
