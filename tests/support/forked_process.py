"""Processes that a `fork_server` forked, as the tests see them."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import socket
import subprocess
import time
from typing import NamedTuple


class Ended(NamedTuple):
    """A command that has ended. The code is negative for a signal, as in `subprocess`."""

    code: int
    out: bytes
    err: bytes


class Process:
    """A process that a server forked, with as much of `subprocess.Popen` as its users need."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self.pid = self._number()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; its exit code. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"fork {self.pid}", timeout or 0.0)
            self.returncode = self._number()
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _number(self) -> int:
        """The next line of the server, and no byte beyond it, so that `wait` sees whether there is another."""
        line = b""
        while not line.endswith(b"\n"):
            byte = self._connection.recv(1)
            if not byte:
                self._connection.close()
                raise RuntimeError("the fork server has ended; what it said is on stderr")
            line += byte
        return int(line)


class Forked(Process):
    """A running command whose output is read."""

    def __init__(self, connection: socket.socket, out: int, err: int):
        super().__init__(connection)
        self._streams = (out, err)

    def communicate(self, stdin_fd: int, stdin: bytes, timeout: float) -> Ended:
        """Feed it, and wait for its end and for that of its streams. TimeoutError, with the command killed."""
        end = time.monotonic() + timeout
        read: dict[int, bytearray] = {fd: bytearray() for fd in self._streams}
        left = memoryview(stdin)
        os.set_blocking(stdin_fd, False)
        with selectors.DefaultSelector() as selector:
            for fd in self._streams:
                selector.register(fd, selectors.EVENT_READ)
            selector.register(stdin_fd, selectors.EVENT_WRITE)
            while selector.get_map() and time.monotonic() < end:
                for key, _ in selector.select(1.0):
                    if key.fd == stdin_fd:
                        try:
                            left = left[os.write(stdin_fd, left[:65536]) :] if left else left
                        except BrokenPipeError:
                            left = left[:0]
                        more = bool(left)
                    else:
                        data = os.read(key.fd, 65536)
                        read[key.fd] += data
                        more = bool(data)
                    if not more:
                        selector.unregister(key.fd)
                        os.close(key.fd)
            open_fds = [key.fd for key in selector.get_map().values()]
        if open_fds:
            self.kill()
            for fd in open_fds:
                os.close(fd)
        code = self.wait()
        if open_fds:
            raise TimeoutError(f"process {self.pid} did not end within {timeout:g} s")
        out, err = (bytes(read[fd]) for fd in self._streams)
        return Ended(code, out, err)
