"""Two real users of one group, where root allows to be them.

A user is a uid without an entry in any database, with a group of its own and, as second group, the one that both
share. The interpreter of the tests may lie in a folder that only root can enter (a home, say). Then the users get a
view of the file system of their own, a mount namespace, in which that folder can be entered.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

import pytest

import wf_cli
from support import fork_server, user_server
from support.box import HANG, Done
from support.fork_server import ForkServer
from support.forked_process import Process
from wf_cli import ids

#: The group of all users here.
TEAM = 61_000

_TESTS = Path(__file__).resolve().parents[1]
_SOURCE = Path(wf_cli.__file__).resolve().parents[1]
#: What a Python of a user reads when it starts.
_PYTHON = {"PYTHONPATH": f"{_SOURCE}{os.pathsep}{_TESTS}", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class _Calls:
    """A process that calls functions."""

    process: Process
    stdin: TextIO
    stdout: TextIO

    def close(self) -> None:
        self.stdin.close()
        self.process.wait(HANG)
        self.stdout.close()


@dataclass(frozen=True)
class User:
    """One user of the group, with a umask and a home."""

    name: str
    uid: int
    umask: int
    home: Path
    cwd: Path
    #: Words before every command.
    _before: tuple[str, ...] = ()
    _servers: dict[tuple[object, ...], _Calls] = field(default_factory=dict)

    def with_umask(self, umask: int) -> User:
        """The same user with another umask, for commands."""
        return replace(self, umask=umask)

    def seeing_no_others(self) -> User:
        """The same user where /proc hides the processes of other users. Skips where that is impossible."""
        hide = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
        before = ("unshare", "--mount", "--propagation", "private", "sh", "-c", hide, "sh")
        if subprocess.run([*before, "true"], capture_output=True, check=False).returncode != 0:
            pytest.skip("SKIPPED, LOUDLY: /proc cannot be mounted with hidepid here")
        return replace(self, _before=before)

    def run(self, *argv: str, env: Mapping[str, str] | None = None) -> Done:
        """Run a program to its end."""
        done = subprocess.run(
            self._argv(argv), env=self._environ(env), capture_output=True, text=True, timeout=HANG * 2, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def wf(self, *words: str, env: Mapping[str, str] | None = None) -> Done:
        """Run `wf` to its end; a fork (`user_server`), because a Python start as another user takes long."""
        ended = _server(self.uid, self._before).run(
            words, cwd=self.cwd, env=self._environ(env), umask=self.umask, timeout=HANG * 2
        )
        return Done(ended.code, ended.out.decode(), ended.err.decode())

    def ok(self, *words: str, env: Mapping[str, str] | None = None) -> Done:
        """Run `wf`, which must succeed."""
        done = self.wf(*words, env=env)
        assert done.code == 0, f"{self.name}: wf {' '.join(words)}: {done.text}"
        return done

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """`wf` as a process that goes on; its stderr and stdout are one pipe. The caller ends it."""
        argv = self._argv((sys.executable, "-m", "wf_cli", *words))
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, env=self._environ(env), text=True, stdout=pipe, stderr=subprocess.STDOUT)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """The result of ``function(*args)`` in a process of this user; arguments and result go through JSON.

        It is the same process each time, so what one call leaves open the next one finds open.
        """
        key = (self.umask, self._before)
        if key not in self._servers:
            self._servers[key] = self._calls()
        server = self._servers[key]
        words = [str(arg) if isinstance(arg, Path) else arg for arg in args]
        server.stdin.write(json.dumps([function.__module__, function.__name__, words]) + "\n")
        server.stdin.flush()
        answer = json.loads(server.stdout.readline())
        assert "error" not in answer, f"{self.name}: {function.__name__}: {answer['error']}"
        return answer["value"]

    def _calls(self) -> _Calls:
        stdin, stdout = os.pipe(), os.pipe()
        order = {"words": [], "cwd": str(self.cwd), "env": self._environ(None), "umask": self.umask}
        process = Process(_server(self.uid, self._before).order(order, [stdin[0], stdout[1], 2]))
        os.close(stdin[0])
        os.close(stdout[1])
        return _Calls(process, open(stdin[1], "w"), open(stdout[0]))

    def _argv(self, argv: tuple[str, ...]) -> list[str]:
        shell = ("sh", "-c", f'umask {self.umask:03o}; cd "$1"; shift; exec "$@"', "sh", str(self.cwd))
        return [*_become(self.uid, self._before), *shell, *argv]

    def _environ(self, more: Mapping[str, str] | None) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
            **_PYTHON,
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            **(more or {}),
        }


def _become(uid: int, before: tuple[str, ...]) -> list[str]:
    """The beginning of a command line that is run as this user."""
    return [*(_view(uid) or ()), *before, "setpriv", f"--reuid={uid}", f"--regid={uid}", f"--groups={TEAM}"]


def _server(uid: int, before: tuple[str, ...]) -> ForkServer:
    """The server of this user for the rest of the run."""
    make = functools.partial(ForkServer, user_server.__file__, before=_become(uid, before), env=_PYTHON, uid=uid)
    return fork_server.kept(make, uid, before)


@dataclass(frozen=True)
class Team:
    """Two users, and a project folder that belongs to their group."""

    alice: User
    bob: User
    project: Path


def team(umask: int) -> Team:
    """Two users and their project. Skips, with the reason, where that is impossible; `dismiss` removes the files."""
    if os.geteuid() != 0:
        pytest.skip("SKIPPED, LOUDLY: two real users need root")
    if shutil.which("setpriv") is None:
        pytest.skip("SKIPPED, LOUDLY: two real users need setpriv (util-linux)")
    if _view(61_001) is None:
        pytest.skip(f"SKIPPED, LOUDLY: other users cannot run {sys.executable}")
    # Not pytest's folder, which only root may enter.
    base = Path(tempfile.gettempdir()) / f"wf-team-{ids.nonce()}"
    base.mkdir()
    base.chmod(0o755)
    project = base / "project"
    project.mkdir()
    os.chown(project, 61_001, TEAM)
    project.chmod(0o2775)
    users: list[User] = []
    for name, uid in (("alice", 61_001), ("bob", 61_002)):
        home = base / name
        home.mkdir()
        os.chown(home, uid, uid)
        users.append(User(name, uid, umask, home, project))
    return Team(users[0], users[1], project)


def dismiss(people: Team) -> None:
    """End the processes of the team and remove its files."""
    for user in (people.alice, people.bob):
        for server in user._servers.values():
            server.close()
    shutil.rmtree(people.project.parent)


@functools.cache
def _view(uid: int) -> list[str] | None:
    """The beginning of a command line under which ``uid`` can run the interpreter of the tests; None: impossible."""
    try:
        closed = _closed_folders()
        view = _opening(closed) if closed else []
    except OSError:
        return None
    probe = [
        *view,
        "setpriv",
        f"--reuid={uid}",
        f"--regid={uid}",
        "--clear-groups",
        sys.executable,
        "-c",
        "import wf_cli",
    ]
    environ = {"PYTHONPATH": str(_SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(probe, env=environ, cwd="/", capture_output=True, timeout=HANG, check=False)
    return view if done.returncode == 0 else None


def _closed_folders() -> dict[Path, list[Path]]:
    """Folders that only root can enter, and what the interpreter needs inside them."""
    closed: dict[Path, list[Path]] = {}
    for path in {Path(sys.prefix), Path(sys.base_prefix), _SOURCE.parent, _TESTS.parent}:
        for folder in reversed(path.parents):
            if not folder.stat().st_mode & 0o001:
                closed.setdefault(folder, []).append(path)
                break
    return closed


def _opening(closed: Mapping[Path, list[Path]]) -> list[str]:
    """A command that runs its arguments where each of these folders is an open one with nothing else in it."""
    keep = Path(tempfile.mkdtemp(prefix="wf-view-"))
    atexit.register(keep.rmdir)
    script = ["set -e", f"mount -t tmpfs tmpfs '{keep}'"]
    for i, (folder, inside) in enumerate(closed.items()):
        for j, path in enumerate(inside):
            script.append(f"mkdir '{keep}/{i}-{j}'; mount --bind '{path}' '{keep}/{i}-{j}'")
        script.append(f"mount -t tmpfs -o mode=755 tmpfs '{folder}'")
        for j, path in enumerate(inside):
            script.append(f"mkdir -p '{path}'; mount --bind '{keep}/{i}-{j}' '{path}'")
    script.append('exec "$@"')
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(script), "sh"]
