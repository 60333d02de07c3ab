"""A `fork_server` that runs as another user, for `support.users`: its forks have the umask of their order.

A fork is a `wf` command, or, for an order without words, a process that calls functions until its stdin ends.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

sys.path.append(str(Path(__file__).resolve().parents[1]))

from support import fork_server
from wf_cli.cli import main as program


def _answer_calls() -> int:
    for line in sys.stdin:
        module, name, args = json.loads(line)
        try:
            answer = {"value": getattr(importlib.import_module(module), name)(*args)}
        except BaseException:  # noqa: BLE001 - the test that called tells it
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)
    return 0


def _become(order: dict[str, Any], fds: list[int]) -> NoReturn:
    def prepare() -> None:
        os.setsid()
        os.umask(order["umask"])
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        os.closerange(3, 256)

    main = program.main if order["words"] else _answer_calls
    fork_server.become(main, ["wf", *order["words"]], order["cwd"], order["env"], prepare)


if __name__ == "__main__":
    fork_server.import_commands()
    from support import team_steps  # noqa: F401 - for the forks

    fork_server.serve(sys.argv[1], _become)
