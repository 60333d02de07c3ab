"""Machines with kernels of their own, by user-mode Linux: a server of NFS and SMB, and clients that mount it.

A machine is some ordinary processes of this one. It has its own kernel, caches, name and boot id, sees the files of
this machine read-only, and one folder, ``share``, read-write under the same path. The machines are joined by a switch
on a Unix socket, so there is no network of this machine in it, and nothing outside the bed's folder is touched.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.beds import absent, children
from support.wait import wait_until

_HERE = Path(__file__).parent
_MODULES = Path("/usr/lib/uml/modules")
_SERVER = "10.99.0.1"
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
#: Folders of a machine that are empty at its start and its own.
_OWN = ("/run", "/var/lib/nfs", "/var/lib/samba", "/var/log", "/var/cache")
_PROGRAMS = (
    "unshare linux.uml uml_switch mkfs.ext4 modprobe ip "
    "rpcbind rpc.nfsd rpc.mountd rpc.statd exportfs smbd mount.nfs mount.cifs"
).split()
#: Of processors whose registers Linux 6.1 for user mode has no room for (whole_xstate.c).
_WIDE = "amx_tile"


def missing() -> str | None:
    """Why no machine can be made here; None when it can."""
    if os.geteuid() != 0:
        return "needs root"
    if lacking := absent(*_PROGRAMS):
        return f"needs {', '.join(lacking)}"
    if not _MODULES.is_dir():
        return f"needs the modules of user-mode Linux in {_MODULES}"
    if _is_wide() and absent("cc"):
        return "needs cc, because this processor has AMX, which user-mode Linux cannot run on without help"
    for needed in (sys.executable, str(_HERE)):
        if os.path.realpath(needed).startswith((*(f"{folder}/" for folder in _OWN), "/dev/", "/proc/", "/sys/")):
            return f"needs {needed} in a folder that the machines do not have their own of"
    return None


def _is_wide() -> bool:
    return f" {_WIDE} " in Path("/proc/cpuinfo").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Export:
    """How the clients mount the server's folder."""

    type: str
    options: str
    #: Seconds: the shortest lease that wf takes on such a mount.
    lease_s: int
    #: How the server mounts its disk.
    disk: str = "defaults"


NFS_4 = Export("nfs4", "vers=4.2,proto=tcp,actimeo=3", 30)
NFS_4_USUAL_CACHES = Export("nfs4", "vers=4.2,proto=tcp", 180)
NFS_3 = Export("nfs", "vers=3,proto=tcp,actimeo=3", 30)
#: SMB has no call that syncs a folder, so a server without power loses the names of its last seconds, unless its disk
#: keeps them at once. The NFS server syncs them by itself.
SMB_3 = Export("cifs", "guest,vers=3.1.1,noperm", 99, disk="dirsync")

_INIT = """#!/bin/sh
export PATH={path}
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t hostfs none {share} -o {share}
for own in {own}; do mount -t tmpfs tmpfs $own; done
ln -s /proc/self/fd /dev/fd
mkdir /run/tmp
hostname {name}
ip link set lo up
ip link set eth0 up
ip addr add {address}/24 dev eth0
echo {share}/modprobe > /proc/sys/kernel/modprobe
exec {python} {here}/guest.py {orders}
"""
#: The state of the NFS server lies on the disk that it exports, as the clients' rights to reclaim must outlive it.
_SERVE = """
set -e
for module in nfsd; do {share}/modprobe $module; done
mount -t ext4 -o {disk} /dev/ubda {export}
mkdir -p {export}/data {export}/state/sm {export}/state/sm.bak {export}/state/v4recovery {export}/state/nfsdcltrack
mount --bind {export}/state /var/lib/nfs
touch /var/lib/nfs/etab /var/lib/nfs/rmtab /var/lib/nfs/state
mkdir -p /var/lib/samba/private /var/cache/samba /var/log/samba /run/samba
mount -t nfsd nfsd /proc/fs/nfsd
rpcbind
echo 10 > /proc/fs/nfsd/nfsv4leasetime
echo 10 > /proc/fs/nfsd/nfsv4gracetime
exportfs -o rw,sync,no_root_squash,insecure,no_subtree_check,fsid=0 '*:{export}/data'
rpc.mountd
rpc.statd --no-notify
rpc.nfsd 8
cat > /run/smb.conf <<end
[global]
 server role = standalone server
 map to guest = bad user
 guest account = root
 log file = /var/log/samba/log
 pid directory = /run/samba
 lock directory = /run/samba
 ncalrpc dir = /run/samba
 server min protocol = SMB3
 disable spoolss = yes
[data]
 path = {export}/data
 guest ok = yes
 read only = no
 force user = root
end
smbd -D -s /run/smb.conf
"""
_MOUNT = """
set -e
for module in nfs nfsv3 nfsv4 cifs; do {share}/modprobe $module; done
mkdir /var/lib/nfs/sm /var/lib/nfs/sm.bak
rpcbind
rpc.statd --no-notify
mount -t {type} -o {options} {source} {mount}
"""
_MODPROBE = """#!/bin/sh
exec {modprobe} -d {share}/modules "$@"
"""


class Running:
    """A program on a machine, as much like `subprocess.Popen` as the tests need."""

    def __init__(self, machine: Machine, name: str):
        self._machine = machine
        self.name = name
        self._ended = machine.orders / f"{name}.ended"
        self._boot = machine.boots

    def poll(self) -> int | None:
        """Its exit status; None while it runs. What ran on a machine that lost its power was killed."""
        with contextlib.suppress(FileNotFoundError):
            return int(self._ended.read_text(encoding="utf-8"))
        return None if self._machine.is_up(self._boot) else -signal.SIGKILL

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended. AssertionError after ``timeout`` seconds."""
        wait_until(lambda: self.poll() is not None, timeout or 600, f"the end of {self.name}")
        status = self.poll()
        assert status is not None
        return status


class Machine:
    """A machine of its own. `power_on` before use."""

    def __init__(self, name: str, number: int, root: Path, share: Path, *, disk: Path | None = None):
        self.name = name
        self.share = share
        self.orders = share / "orders" / name
        self.boots = 0
        self.log = root / f"{name}.console"
        self._number = number
        self._root = root
        self._disk = disk
        self._kernel: subprocess.Popen[bytes] | None = None
        self._names = itertools.count(1)
        self._setting_up: Sequence[str] = ()

    def set_up_by(self, script: str) -> None:
        """A shell script that runs at every start, as root of the machine."""
        self._setting_up = ["sh", "-c", script]

    def is_up(self, boot: int) -> bool:
        """Whether the machine runs and was not started again since its start number ``boot``."""
        return self.boots == boot and self._kernel is not None and self._kernel.poll() is None

    def power_on(self) -> None:
        """Start the machine and set it up."""
        shutil.rmtree(self.orders, ignore_errors=True)
        self.orders.mkdir(parents=True)
        init = self._root / f"{self.name}.init"
        init.write_text(
            _INIT.format(
                path=_PATH,
                share=self.share,
                own=" ".join(_OWN),
                name=self.name,
                address=f"{_SERVER[:-1]}{self._number}",
                python=os.path.realpath(sys.executable),
                here=_HERE,
                orders=self.orders,
            ),
            encoding="utf-8",
        )
        init.chmod(0o755)
        words = [
            # Its processes have a namespace, so that they all end with its first one, and before that is waited for.
            *"unshare --pid --fork --mount-proc --kill-child linux.uml".split(),
            "mem=400M",
            "root=/dev/root",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            f"init={init}",
            "con=null",
            "con0=null,fd:1",
            f"umid={self.name}",
            f"uml_dir={self._root}/uml",
            f"eth0=daemon,02:00:00:00:00:{self._number:02x},unix,{self._root}/switch",
        ]
        if self._disk is not None:
            words.append(f"ubda={self._disk}")
        environment = {"PATH": f"{os.environ['PATH']}:{_PATH}"}
        helper = self._root / "whole_xstate.so"
        if helper.exists():
            environment["LD_PRELOAD"] = str(helper)
        with self.log.open("ab") as log:
            self._kernel = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment
            )
        self.boots += 1
        self.call(*self._setting_up, timeout=120)

    def power_off(self) -> None:
        """Everything on the machine ends at once, as without power. What its kernel had not written is lost."""
        if self._kernel is not None:
            for first in children(self._kernel.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(first, signal.SIGKILL)
            self._kernel.wait()

    def run(self, *words: str, folder: Path, log: Path, environment: dict[str, str]) -> Running:
        """Start a program on the machine. ``log`` has to be in the share."""
        order = {"argv": words, "folder": str(folder), "log": str(log), "environment": environment}
        return Running(self, self._order(order))

    def kill(self, running: Running) -> None:
        """SIGKILL a program that `run` started, and nothing else."""
        self._order({"kill": running.name})
        running.wait(60)

    def call(self, *words: str, timeout: float = 600) -> None:
        """Run a program to its end. AssertionError with what it said when it fails or the machine does."""
        log = self.orders / "called.log"
        environment = {"PATH": _PATH, "HOME": "/run", "TMPDIR": "/run/tmp"}
        running = self.run(*words, folder=self.share, log=log, environment=environment)
        try:
            status: int | str = running.wait(timeout)
        except AssertionError as error:
            status = str(error)
        if status != 0:
            said = log.read_text(errors="replace") if log.exists() else ""
            console = self.log.read_text(errors="replace")
            raise AssertionError(f"{self.name}: {status}\n{said}\n{console[-2000:]}")

    def _order(self, order: dict[str, object]) -> str:
        name = f"{next(self._names):06}"
        part = self.orders / f"{name}.part"
        part.write_text(json.dumps(order), encoding="utf-8")
        part.rename(self.orders / f"{name}.order")
        return name


class Kernels:
    """A server with a disk, and clients that mount it at `mount`. Used as a context manager."""

    def __init__(self, root: Path, export: Export, clients: int = 2):
        self.export = export
        self.root = root
        #: What every machine and this one can write to, and no outage of the server reaches.
        self.share = root / "share"
        #: Where the clients have the server's folder. On this machine it is an empty folder.
        self.mount = root / "mount"
        self._exported = root / "export"
        disk = root / "disk"
        self.server = Machine("server", 1, root, self.share, disk=disk)
        self.clients = [Machine(f"client{k}", 1 + k, root, self.share) for k in range(1, clients + 1)]
        self._disk = disk
        self._switch: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Kernels:
        try:
            self._up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for machine in (*self.clients, self.server):
            machine.power_off()
        if self._switch is not None:
            self._switch.kill()
            self._switch.wait()

    def restart_the_server(self) -> None:
        """The server loses its power and comes back. The clients' mounts wait for it or connect again."""
        self.server.power_off()
        self.server.power_on()

    def _up(self) -> None:
        for folder in (self.share, self.mount, self._exported):
            folder.mkdir(parents=True)
        search = f"{os.environ['PATH']}:{_PATH}"
        (self.share / "modules" / "lib").mkdir(parents=True)
        (self.share / "modules" / "lib" / "modules").symlink_to(_MODULES)
        modprobe = self.share / "modprobe"
        program = shutil.which("modprobe", path=search)
        modprobe.write_text(_MODPROBE.format(modprobe=program, share=self.share), encoding="utf-8")
        modprobe.chmod(0o755)
        if _is_wide():
            built = self.root / "whole_xstate.so"
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", built, _HERE / "whole_xstate.c"], check=True)
        with self._disk.open("wb") as made:
            made.truncate(512 << 20)
        subprocess.run([shutil.which("mkfs.ext4", path=search) or "mkfs.ext4", "-q", str(self._disk)], check=True)
        socket = self.root / "switch"
        with (self.root / "switch.log").open("wb") as log:
            self._switch = subprocess.Popen(
                ["uml_switch", "-unix", str(socket)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(socket.exists, 30, "the switch")
        self.server.set_up_by(_SERVE.format(share=self.share, export=self._exported, disk=self.export.disk))
        self.server.power_on()
        source = {"nfs4": f"{_SERVER}:/", "nfs": f"{_SERVER}:{self._exported}/data", "cifs": f"//{_SERVER}/data"}
        for client in self.clients:
            client.set_up_by(
                _MOUNT.format(
                    share=self.share,
                    type=self.export.type,
                    options=self.export.options,
                    source=source[self.export.type],
                    mount=self.mount,
                )
            )
            client.power_on()
