"""Receivers of notifications: a program that notes down what it gets, and a server with bad manners."""

from __future__ import annotations

import contextlib
import json
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def program(folder: Path, text: str, name: str = "hook.sh") -> str:
    """A shell script; its path."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def noting(folder: Path, name: str = "hook") -> str:
    """A program that appends each event to ``<name>.got`` in one write, and its event variable to ``<name>.env``."""
    got = folder / f"{name}.got"
    source = (
        f"import os, sys\nfd = os.open({str(got)!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
        "os.write(fd, sys.stdin.buffer.read())\n"
    )
    script = folder / f"{name}.py"
    script.write_text(f"#!{sys.executable} -SI\n{source}")
    script.chmod(0o755)
    return str(script)


def got(folder: Path, name: str = "hook") -> list[dict[str, Any]]:
    """What `noting` has noted."""
    try:
        return [json.loads(line) for line in (folder / f"{name}.got").read_text().splitlines()]
    except FileNotFoundError:
        return []


class Server:
    """Answers each connection as ``answers`` say, the last one for ever: a status line, ``hang``, ``drip``,
    ``garbage`` or ``close``. Requests are kept: head and body."""

    def __init__(self, *answers: str):
        self.answers = list(answers)
        self.requests: list[tuple[str, bytes]] = []
        self.over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/T0SECRET/B0SECRET"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            threading.Thread(target=self._answer, args=(connection, answer), daemon=True).start()

    def _answer(self, connection: socket.socket, answer: str) -> None:
        with connection, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            length = next(
                int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: ")
            )
            while len(body) < length:
                body += connection.recv(65536)
            self.requests.append((head.decode(), body))
            if answer == "hang":
                self.over.wait()
            elif answer == "drip":
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not self.over.wait(0.05):
                    connection.sendall(b"X-A: b\r\n")
            elif answer == "garbage":
                connection.sendall(b"\x00\xff\x1b[2J not http\r\n\r\n")
            elif answer != "close":
                connection.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    def close(self) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # A close alone wakes no accept.
        self._socket.close()


@contextlib.contextmanager
def serving(*answers: str) -> Iterator[Server]:
    server = Server(*answers)
    try:
        yield server
    finally:
        server.close()
