"""Launchers and ACP clients without a Python start for each: a process that has them imported, and forks.

The import of the package ``acp`` takes most of what a test of an ACP agent takes. `install` puts `start` in the place
of `gate._start`. The launcher then is a fork of a server, and an ACP client below it is a fork of that launcher. Both
are processes with sessions, descriptors, directories and environments of their own. The client is a child of its
launcher and dies with it. What ``/proc`` shows of their command lines is that of the server. A launcher starts every
other agent as always.

A command of `fork_server` does the same for `plan_agent` when it is told to. Its launchers are forks of that server,
and the agents are forks of their launchers.

As a program (``forked_launchers.py SOCKET``) this is the server.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

sys.path.append(str(Path(__file__).resolve().parents[1]))

from support import fork_server
from wf_cli import proc
from wf_cli.runtimes.process import gate, launcher

if TYPE_CHECKING:
    import pytest

_CLIENT = [sys.executable, "-P", "-m", "wf_cli.runtimes.acp"]
_PLAN_AGENT = [sys.executable, "-P", str(Path(__file__).with_name("plan_agent.py"))]


# -- the tests' side


class ForkedLauncher(fork_server.Process):
    """What `Gate` needs of its launcher's `subprocess.Popen`."""

    def __init__(self, connection: socket.socket, stdin: int, stdout: int, stderr: int):
        super().__init__(connection)
        self.stdin = open(stdin, "wb", buffering=0)  # noqa: SIM115 - the gate closes it
        self.stdout = open(stdout, "rb", buffering=0)  # noqa: SIM115
        self.stderr = open(stderr, "rb", buffering=0)  # noqa: SIM115


def _server() -> fork_server.ForkServer:
    return fork_server.kept(lambda: fork_server.ForkServer(__file__), "launchers")


def starter(path: str, *, agents: bool = False) -> Callable[[int, int, int | None, str], ForkedLauncher]:
    """What does for `gate` what its `_start` does, with the server at this path. ``agents`` forks for plan agents."""

    def start(control: int, status: int, slot_fd: int | None, mark: str) -> ForkedLauncher:
        stdin, out, err = os.pipe(), os.pipe(), os.pipe()
        theirs = [stdin[0], out[1], err[1]]
        slot = [] if slot_fd is None else [slot_fd]
        try:
            order = {"env": dict(os.environ), "mark": mark, "agents": agents}
            connection = fork_server.order(path, order, [*theirs, control, status, *slot])
        finally:
            for fd in theirs:
                os.close(fd)
        return ForkedLauncher(connection, stdin[1], out[0], err[0])

    return start


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the launchers of a test. The server is started now, before the test counts its processes."""
    monkeypatch.setattr(gate, "_start", starter(_server().path))


# -- the server's side


def become_launcher(order: dict[str, Any], fds: list[int]) -> NoReturn:
    """Be a launcher, with its control pipe, status pipe and perhaps slot after the standard streams."""

    def prepare() -> None:
        os.setsid()
        for number, fd in enumerate(fds):
            os.dup2(fd, _CONTROL - 3 + number)
        for number in range(3):
            os.dup2(_CONTROL - 3 + number, number)
        os.closerange(3, _CONTROL)
        os.closerange(_CONTROL + len(fds) - 3, _END)

    def main() -> None:
        launcher.main(_CONTROL, _CONTROL + 1)

    launcher._spawn = _spawn(launcher._spawn, agents=order["agents"])
    fork_server.become(main, ["wf-launcher", order["mark"]], "/", order["env"], prepare)


#: A launcher's descriptors beyond the standard streams begin here, above all that the server has.
_CONTROL = 203
_END = 1024


class _Agent:
    """What a launcher needs of its agent's `subprocess.Popen`."""

    def __init__(self, pid: int):
        self.pid = pid
        self.returncode: int | None = None


def _spawn(started: Callable[[dict[str, Any]], Any], *, agents: bool) -> Callable[[dict[str, Any]], Any]:
    """`launcher._spawn` that forks for an ACP client, or for a plan agent."""

    def spawn(job: dict[str, Any]) -> Any:
        known = job["argv"][:3] == _PLAN_AGENT if agents else job["argv"] == _CLIENT
        if not known or job.get("shared") or not os.path.isdir(job["cwd"]) or not _fits(job["environment"]):
            return started(job)
        pid = os.fork()
        if pid == 0:
            become = _become_plan_agent if agents else _become_client
            become(job["argv"], job["cwd"], job["environment"])
        nowhere = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nowhere, fd)
        os.close(nowhere)
        return _Agent(pid)

    return spawn


def _fits(env: Mapping[str, str]) -> bool:
    """Whether a client that was started with it would be the same. PYTHONPATH is for the agents of these tests."""
    return fork_server.fits({key: value for key, value in env.items() if key != "PYTHONPATH"})


def _become_client(argv: Sequence[str], cwd: str, env: Mapping[str, str]) -> NoReturn:
    from wf_cli.runtimes.acp import client

    fork_server.become(client.main, [client.__file__, *argv[4:]], cwd, env, _prepare_agent)


def _become_plan_agent(argv: Sequence[str], cwd: str, env: Mapping[str, str]) -> NoReturn:
    from support import plan_agent

    fork_server.become(lambda: sys.exit(plan_agent.main(Path(argv[3]))), argv[2:], cwd, env, _prepare_agent)


def _prepare_agent() -> None:
    os.setsid()
    proc.die_with_parent()
    os.closerange(3, _END)


if __name__ == "__main__":
    import wf_cli.runtimes.acp.client  # noqa: F401

    fork_server.serve(sys.argv[1], become_launcher)
