"""`wf` commands without a Python start for each: a process that has everything imported, and forks.

Each command still is a process of its own with its own session, directory, environment and standard streams. It
differs from the installed ``wf`` in its parent and its command line, and what it starts has the right ones. ``/proc``
shows its environment on Linux only (`ForkServer.shows`). Agents start the installed ``wf``;
``tests/e2e/test_forked_commands.py`` compares the two.

As a program (``fork_server.py SOCKET``) this is the server. It ends when its stdin ends, with the process of the
tests.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

sys.path.append(str(Path(__file__).resolve().parents[1]))

from support import shown_environment
from support.forked_process import Ended, Forked, Process
from support.program import exit_code_of

#: Modules of the package that are not imported beforehand: they belong to processes with an import of their own.
_OTHERS = (
    "wf_cli.__main__",
    "wf_cli.runtimes.acp.__main__",
    "wf_cli.runtimes.acp.client",
    "wf_cli.runtimes.acp.turn",
)
_OTHERS += ("wf_cli.runtimes.acp.conversation", "wf_cli.editor.mcp_server")
#: What commands import when they need it. Some of it has other names in other versions.
_LATE = ("typer.rich_utils", "rich.console", "rich.table", "yaml", "jsonschema", "filelock")
_LATE += ("typer._adapters", "typer._click.decorators", "filelock._soft", "encodings.utf_8_sig", "encodings.ascii")
#: The most descriptors that an order carries.
_MOST = 8
#: Variables that a Python reads when it starts.
_AT_START = ("PYTHON", "LC_", "LANG")
_LANGUAGE = {"LANG": "C.UTF-8"}


# -- the tests' side


def order(path: str, what: Mapping[str, Any], fds: Sequence[int]) -> socket.socket:
    """Order a process with these descriptors; the answer says its pid, and its exit code once it has ended."""
    data = json.dumps(what).encode()
    rights = array.array("i", fds)
    with contextlib.ExitStack() as undo:
        connection = undo.enter_context(socket.socket(socket.AF_UNIX))
        connection.connect(path)
        connection.sendmsg([len(data).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        connection.sendall(data)
        undo.pop_all()
    return connection


def _command(words: Sequence[str], *, cwd: Path | str, env: Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {"words": list(words), "cwd": str(cwd), "env": dict(env), "agents": False, **more}


class ForkServer:
    """The client of one server process: this file, or another that calls `serve`.

    ``before``: words before its command line, which make it the process of another user ``uid``, say. ``env``: more
    variables that its Python reads when it starts.
    """

    def __init__(
        self,
        program: str = __file__,
        *,
        before: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        uid: int | None = None,
    ) -> None:
        self._owner = os.getpid()
        self._folder = tempfile.mkdtemp(prefix="wf-fork-")
        if uid is not None:
            os.chown(self._folder, uid, -1)
        self.path = os.path.join(self._folder, "socket")
        self._process = subprocess.Popen(
            [*before, sys.executable, "-P", program, self.path],
            cwd="/",
            env={"PATH": os.defpath, **_LANGUAGE, **shown_environment.ROOM, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().split()
        if said[:1] != [b"listening"]:
            raise RuntimeError("the fork server has ended; what it said is on stderr")
        self._room = int(said[1])

    def shows(self, env: Mapping[str, str]) -> bool:
        """Whether other processes see this environment of a fork, as they see it of a program."""
        return shown_environment.size(env) <= self._room

    def start_on(
        self,
        words: Sequence[str],
        fds: Sequence[int],
        *,
        cwd: Path | str,
        env: Mapping[str, str],
        agents: bool = False,
    ) -> Process:
        """Start ``wf words`` with these standard streams. With ``agents``, see `forked_launchers`."""
        return Process(self.order(_command(words, cwd=cwd, env=env, agents=agents), fds))

    def start(self, words: Sequence[str], **where: Any) -> tuple[Forked, int]:
        """Start ``wf words`` (see `run`); the command, and the descriptor that is its stdin."""
        stdin, out, err = os.pipe(), os.pipe(), os.pipe()
        theirs = [stdin[0], out[1], err[1]]
        try:
            connection = self.order(_command(words, **where), theirs)
        finally:
            for fd in theirs:
                os.close(fd)
        return Forked(connection, out[0], err[0]), stdin[1]

    def order(self, what: Mapping[str, Any], fds: Sequence[int]) -> socket.socket:
        """`order` of this server."""
        return order(self.path, what, fds)

    def run(
        self,
        words: Sequence[str],
        *,
        cwd: Path | str,
        env: Mapping[str, str],
        stdin: bytes = b"",
        timeout: float = 60.0,
        **more: Any,
    ) -> Ended:
        """Run ``wf words`` to its end. TimeoutError when it takes longer. ``more`` goes to the server's child."""
        forked, fd = self.start(words, cwd=cwd, env=env, **more)
        return forked.communicate(fd, stdin, timeout)

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        """End the server. Safe to repeat. A process that the tests forked does not."""
        if os.getpid() != self._owner:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


_kept: dict[tuple[object, ...], ForkServer] = {}


def kept(make: Callable[[], ForkServer], *key: object) -> ForkServer:
    """The server of this process for ``key``, which ends with it.

    A test that ends everything below the process of the tests ends its servers, too. Then another one is made.
    """
    key = (os.getpid(), *key)
    found = _kept.get(key)
    if found is None or found.has_ended:
        if found is not None:
            found.close()
        found = _kept[key] = make()
        atexit.register(found.close)
    return found


def server() -> ForkServer:
    """The server of `wf` commands."""
    return kept(ForkServer)


def fits(env: Mapping[str, str]) -> bool:
    """Whether a forked command is the same with this environment: Python has read some of it when it started."""
    return all(_LANGUAGE.get(key) == value for key, value in env.items() if key.startswith(_AT_START))


# -- the server's side


def import_commands() -> None:
    """Import all that commands do."""
    import wf_cli

    ours = [found.name for found in pkgutil.walk_packages(wf_cli.__path__, "wf_cli.")]
    for name in [*ours, *_LATE]:
        if name not in _OTHERS:
            with contextlib.suppress(ImportError):  # the command that needs it says so
                importlib.import_module(name)


def serve(path: str, child: Callable[[dict[str, Any], list[int]], NoReturn]) -> None:
    """Fork for each order, until stdin ends. The fork calls ``child`` with the order and its descriptors."""
    gc.collect()
    gc.freeze()  # For good, because a collection in a fork would copy all that was imported.
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.set_blocking(reading, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    os.environ.clear()
    sys.stdout.write(f"listening {shown_environment.show({'SERVER': path})}\n")
    sys.stdout.flush()
    running: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        for file in (0, listener, reading):
            selector.register(file, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if 0 in ready:
                return
            if reading in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(reading, 4096)
                _report(running)
            if listener in ready:
                connection, _ = listener.accept()
                try:
                    order, fds = _order(connection)
                except (OSError, ValueError):  # It was killed while it ordered.
                    connection.close()
                    continue
                pid = os.fork()
                if pid == 0:
                    child(order, fds)
                for fd in fds:
                    os.close(fd)
                running[pid] = connection
                _tell(connection, pid)


def _order(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    fds = array.array("i")
    head, ancillary, _, _ = connection.recvmsg(4, socket.CMSG_LEN(_MOST * fds.itemsize))
    for _, _, data in ancillary:
        fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    with connection.makefile("rb") as file:
        return json.loads(file.read(int.from_bytes(head, "big"))), list(fds)


def _report(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as connection:
            _tell(connection, os.waitstatus_to_exitcode(status))


def _tell(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # Who asked was killed.
        connection.sendall(f"{number}\n".encode())


def become_wf(order: dict[str, Any], fds: list[int]) -> NoReturn:
    """Be that command, or the launcher that a command has ordered."""
    from support import forked_launchers
    from wf_cli.cli import main as program
    from wf_cli.runtimes.process import gate

    if "mark" in order:
        forked_launchers.become_launcher(order, fds)
    if order["agents"]:
        gate._start = forked_launchers.starter(sys.argv[1], agents=True)  # type: ignore[assignment]

    def prepare() -> None:
        os.setsid()
        os.umask(order.get("umask", os.umask(0o022)))
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        os.closerange(3, 256)

    become(program.main, ["wf", *order["words"]], order["cwd"], order["env"], prepare)


def become(
    main: Callable[[], Any], argv: Sequence[str], cwd: str, env: Mapping[str, str], prepare: Callable[[], None]
) -> NoReturn:
    """Be a program as a Python would be that was started for it. ``prepare`` gives it its session and descriptors."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        prepare()
        os.environ.clear()
        os.environ.update(env)
        shown_environment.show(env)
        time.tzset()
        os.chdir(cwd)
        sys.argv = list(argv)
        streams = {"stdin": "r", "stdout": "w", "stderr": "w"}
        for number, (name, mode) in enumerate(streams.items()):
            old = getattr(sys, name)
            binary = open(number, mode + "b", closefd=False)  # noqa: SIM115 - it stays open
            new = io.TextIOWrapper(binary, old.encoding, old.errors, line_buffering=old.line_buffering)
            setattr(sys, name, new)
            setattr(sys, f"__{name}__", new)
        code = exit_code_of(main)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                code = 120
    except BaseException:  # noqa: BLE001 - it must not go on as a second server
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    import_commands()
    from support import forked_launchers, plan_agent  # noqa: F401 - for the forks

    serve(sys.argv[1], become_wf)
