"""Real network file systems on this machine: sshfs through an sshd of its own, and a GlusterFS replica.

Everything is on 127.0.0.1 and in one folder, and ends with the bed. Nothing under ``/etc``, ``~/.ssh`` or
``/var/lib`` is touched. A bed needs root, ``/dev/fuse`` and its packages; `missing` says what is not there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from support.wait import wait_until

_SSH = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server")


def missing(*programs: str) -> str | None:
    """Why no bed of these programs can be made here; None when it can."""
    if os.geteuid() != 0:
        return "needs root"
    if not os.access("/dev/fuse", os.W_OK):
        return "needs /dev/fuse"
    lacking = absent(*programs)
    return f"needs {', '.join(lacking)}" if lacking else None


def absent(*programs: str) -> list[str]:
    """Those of these programs that are not installed."""
    return [name for name in programs if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def is_mounted(path: Path) -> bool:
    """By the mount table, because a look at a mount that answers EIO tells nothing."""
    return any(line.split()[1] == str(path) for line in Path("/proc/self/mounts").read_text().splitlines())


class Bed:
    """Some mounts of one folder. Used as a context manager; ``mounts`` are there inside the block."""

    #: Seconds: the shortest lease that wf takes on such a mount.
    lease_s = 60
    programs: tuple[str, ...] = ()

    def __init__(self, root: Path, mounts: int = 2):
        self.root = root
        self.mounts = [root / f"mnt{k}" for k in range(mounts)]
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Bed:
        for folder in (self.root, *self.mounts):
            folder.mkdir(mode=0o755, exist_ok=True)
        try:
            self._up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for mount in self.mounts:
            for words in (["umount", str(mount)], ["umount", "-l", str(mount)]):
                if is_mounted(mount):
                    subprocess.run(words, stderr=subprocess.DEVNULL, check=False)
        for process in reversed(self._processes):
            process.kill()
            process.wait()

    def _up(self) -> None:
        raise NotImplementedError

    def outages(self) -> list[tuple[str, Callable[[], None]]]:
        """What can go wrong with such a mount for a while: a name, and what to do. Each ends before it returns."""
        return []

    def _start(self, *words: str | Path) -> subprocess.Popen[bytes]:
        name = Path(words[0]).name
        with (self.root / f"{name}.{len(self._processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(word) for word in words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
            )
        self._processes.append(process)
        return process

    def _await(self, mount: Path, process: subprocess.Popen[bytes]) -> None:
        def up() -> bool:
            assert process.poll() is None, f"{mount} did not come up: see the logs in {self.root}"
            try:
                return is_mounted(mount) and os.listdir(mount) is not None
            except OSError:
                return False

        wait_until(up, 30, f"{mount}")


class Sshfs(Bed):
    """Mounts by sshfs, with its directory cache of 20 s unless ``cache`` is false. They reconnect by themselves."""

    lease_s = 60
    programs = ("sshd", "sshfs", "ssh-keygen")

    def __init__(self, root: Path, mounts: int = 2, *, cache: bool = True):
        super().__init__(root, mounts)
        self._cache = cache

    def _up(self) -> None:
        root = self.root
        (root / "data").mkdir()
        for key in ("host", "client"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(root / key)], check=True)
        shutil.copy(root / "client.pub", root / "authorized")
        port = _free_port()
        sftp = next(path for path in _SSH if os.path.exists(path))
        lines = [
            f"Port {port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {root}/host",
            f"AuthorizedKeysFile {root}/authorized",
            f"PidFile {root}/sshd.pid",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "PermitRootLogin prohibit-password",
            f"Subsystem sftp {sftp}",
        ]
        (root / "sshd_config").write_text("\n".join(lines) + "\n")
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self._sshd = self._start(shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", root / "sshd_config")
        options = [
            f"Port={port}",
            f"IdentityFile={root}/client",
            "StrictHostKeyChecking=no",
            f"UserKnownHostsFile={root}/known",
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            "ServerAliveInterval=2",
            "reconnect",
        ]
        if not self._cache:
            options += ["dir_cache=no", "attr_timeout=0", "entry_timeout=0", "negative_timeout=0", "direct_io"]
        wait_until(lambda: _listens(port), 30, "sshd")
        for mount in self.mounts:
            words = [word for option in options for word in ("-o", option)]
            self._await(mount, self._start("sshfs", "-f", *words, f"root@127.0.0.1:{root}/data", mount))

    def outages(self) -> list[tuple[str, Callable[[], None]]]:
        return [("connections cut", self.cut), ("server stopped for 8 s", lambda: self._stop_server(8))]

    def cut(self) -> None:
        """Kill every connection at the server's side. The mounts connect again."""
        for child in children(self._sshd.pid):
            os.kill(child, signal.SIGKILL)

    def _stop_server(self, seconds: float) -> None:
        stopped = [self._sshd.pid, *_descendants(self._sshd.pid)]
        for pid in stopped:
            _signal(pid, signal.SIGSTOP)
        time.sleep(seconds)
        for pid in stopped:
            _signal(pid, signal.SIGCONT)


_BRICK = """
volume b-posix
    type storage/posix
    option directory {folder}
    option volume-id {volume}
end-volume
volume b-ac
    type features/access-control
    subvolumes b-posix
end-volume
volume b-locks
    type features/locks
    subvolumes b-ac
end-volume
volume b-index
    type features/index
    option index-base {folder}/.glusterfs/indices
    option xattrop-dirty-watchlist trusted.afr.dirty
    option xattrop-pending-watchlist trusted.afr.bed-
    subvolumes b-locks
end-volume
volume b-iot
    type performance/io-threads
    option thread-count 8
    subvolumes b-index
end-volume
volume {folder}
    type protocol/server
    option transport-type tcp
    option transport.socket.bind-address 127.0.0.1
    option transport.socket.listen-port {port}
    option transport.address-family inet
    option auth.addr.{folder}.allow *
    option auth-path {folder}
    subvolumes b-iot
end-volume
"""
_CLIENT = """
volume bed-client-{number}
    type protocol/client
    option transport-type tcp
    option transport.address-family inet
    option remote-host 127.0.0.1
    option remote-port {port}
    option remote-subvolume {folder}
    option ping-timeout 5
    option frame-timeout 60
    option send-gids true
end-volume
"""
_REPLICA = """
volume bed-replicate-0
    type cluster/replicate
    option afr-pending-xattr {clients}
    option quorum-type auto
    option use-compound-fops off
    subvolumes {subvolumes}
end-volume
volume bed-dht
    type cluster/distribute
    option lock-migration off
    subvolumes bed-replicate-0
end-volume
"""
_VOLUME = "5d4f0d0a-5d2e-4c5c-9a57-3c0f4a9fbed0"


class Gluster(Bed):
    """A GlusterFS volume of three replicas, mounted by FUSE, from volume files of its own and without glusterd."""

    lease_s = 30
    programs = ("glusterfsd", "glusterfs")

    def _up(self) -> None:
        self._ports = [_free_port() for _ in range(3)]
        self._folders = [self.root / "bricks" / f"b{k}" for k in range(3)]
        self._bricks: list[subprocess.Popen[bytes]] = []
        for number, (folder, port) in enumerate(zip(self._folders, self._ports, strict=True)):
            (folder / ".glusterfs" / "indices").mkdir(parents=True)
            os.setxattr(folder, "trusted.glusterfs.volume-id", bytes.fromhex(_VOLUME.replace("-", "")))
            (self.root / f"brick{number}.vol").write_text(_BRICK.format(folder=folder, port=port, volume=_VOLUME))
            self._bricks.append(self._brick(number))
        clients = [f"bed-client-{number}" for number in range(3)]
        volume = "".join(
            _CLIENT.format(number=number, port=self._ports[number], folder=self._folders[number])
            for number in range(3)
        )
        volume += _REPLICA.format(clients=",".join(clients), subvolumes=" ".join(clients))
        (self.root / "client.vol").write_text(volume)
        for port in self._ports:
            wait_until(lambda port=port: _listens(port), 30, "a brick")  # type: ignore[misc]
        for mount in self.mounts:
            process = self._start(
                "glusterfs", "-N", "-f", self.root / "client.vol", "-l", self.root / f"{mount.name}.log",
                "--attribute-timeout=1", "--entry-timeout=1", mount,
            )  # fmt: skip
            self._await(mount, process)

    def _brick(self, number: int) -> subprocess.Popen[bytes]:
        return self._start(
            "glusterfsd", "-N", "-f", self.root / f"brick{number}.vol", "-l", self.root / f"brick{number}.log",
            "-p", self.root / f"brick{number}.pid",
        )  # fmt: skip

    def outages(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            ("one brick dead for 8 s", lambda: self._without(8, 0)),
            ("two bricks dead for 8 s", lambda: self._without(8, 1, 2)),
        ]

    def _without(self, seconds: float, *bricks: int) -> None:
        for number in bricks:
            self._bricks[number].kill()
            self._bricks[number].wait()
        time.sleep(seconds)
        for number in bricks:
            self._bricks[number] = self._brick(number)


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def children(pid: int) -> list[int]:
    """The processes that ``pid`` started and that are there still, and those of its first thread only."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _descendants(pid: int) -> list[int]:
    found = children(pid)
    return found + [below for child in found for below in _descendants(child)]


class Host:
    """A host of its own on this machine: its processes, its name, its mounts and its boot id.

    What another host sees of it is what it would see of a real one. It cannot look at its processes, so it finds it
    dead only by its lease. Needs root.
    """

    def __init__(self, name: str, folder: Path):
        self.name = name
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.power_on()

    def power_on(self) -> None:
        """Start the host, with a boot id that is new."""
        digits = f"{time.time_ns():032x}"[-32:]
        boot = self._folder / f"{self.name}.boot"
        boot.write_text(f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}\n")
        ready = self._folder / f"{self.name}.ready"
        ready.unlink(missing_ok=True)
        script = (
            f"hostname {self.name} && mount --bind {boot} /proc/sys/kernel/random/boot_id && : > {ready} && "
            "exec sleep infinity"
        )
        self._outside = subprocess.Popen(
            ["unshare", "--pid", "--mount", "--uts", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script],
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        wait_until(ready.exists, 30, f"the host {self.name}")
        (self._init,) = children(self._outside.pid)

    def run(self, *words: str, folder: Path, log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start a program on this host, in a folder."""
        with log.open("ab") as out:
            return subprocess.Popen(
                ["nsenter", "-t", str(self._init), "-p", "-m", "-u", f"--wd={folder}", "--", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=environment,
            )

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL the program that `run` started, and nothing else."""
        for child in children(process.pid):
            _signal(child, signal.SIGKILL)
        process.wait()

    def power_off(self) -> None:
        """Everything on the host ends at once, as without power."""
        _signal(self._init, signal.SIGKILL)
        self._outside.wait()
