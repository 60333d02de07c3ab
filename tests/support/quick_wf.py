"""``wf`` for scripts that run it many times: a small Python that has a `fork_server` run the command.

`install` puts it into a folder for the front of a PATH. A command has the arguments, directory, umask, environment
and standard streams of its caller, and its exit code is returned. The installed `wf` runs everything that is not in
`_QUICK`, and what a fork would not do the same: commands without a working directory, with a closed stream, of
another user, or with variables that a Python reads when it starts.

This file is the program, too. It imports nothing of wf, because an import takes longer than the fork.
"""

import json
import os
import socket
import sys

#: Commands that end by themselves, and to which it does not matter by whom they were started.
_QUICK = frozenset(
    "cancel config context dispatch doctor done enqueue epic explain finish-code finish-fix hold init pause plan "
    "release resume retry set-model spool todo".split()
)


def install(folder: str, wf: str) -> None:
    """Make ``wf`` in this folder, before the installed one. It needs the variable `SERVER`."""
    path = os.path.join(folder, "wf")
    with open(__file__, encoding="utf-8") as source, open(path, "w", encoding="utf-8") as made:
        made.write(f"#!{sys.executable} -SI\nINSTALLED = {wf!r}\n{source.read()}")
    os.chmod(path, 0o755)


#: The variable that names the socket of the server.
SERVER = "WF_TEST_FORK_SERVER"


def _order(words):  # type: ignore[no-untyped-def]
    """What the server is to do; None where only the installed program does the same."""
    env = dict(os.environ)
    if SERVER not in env or not words or words[0] not in _QUICK or "--follow" in words:
        return None
    if any(key.startswith(("PYTHON", "LC_")) or (key[:4] == "LANG" and env[key] != "C.UTF-8") for key in env):
        return None
    try:
        for fd in range(3):
            os.fstat(fd)
        cwd = os.getcwd()
        if os.stat(env[SERVER]).st_uid != os.geteuid():
            return None
    except OSError:
        return None
    umask = os.umask(0o077)
    os.umask(umask)
    return {"words": words, "cwd": cwd, "env": env, "umask": umask, "agents": False}


def _run(order):  # type: ignore[no-untyped-def]
    data = json.dumps(order).encode()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(order["env"][SERVER])
    socket.send_fds(connection, [len(data).to_bytes(4, "big")], [0, 1, 2])
    connection.sendall(data)
    with connection.makefile("rb") as answers:
        answers.readline()
        code = int(answers.readline())
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    _words = sys.argv[1:]
    if (_asked := _order(_words)) is None:
        os.execv(INSTALLED, ["wf", *_words])  # type: ignore[name-defined]  # noqa: F821
    sys.exit(_run(_asked))
